"""Feed-forward: what a block computes at each position alone, after attention has brought the others' numbers in.

The same neurons work at every position, and none is connected to another position: nothing can be seen ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from everysum.plain.activation import silu
from everysum.plain.dropout import unchanged
from everysum.plain.linear import Linear, random_linear
from everysum.plain.network import Activation, activated, relu
from everysum.plain.vector import Matrix, Vector


@dataclass
class FeedForward:
    """down · activation(up · x): two layers of neurons, the inner one wider, a bend and dropout after it only."""

    up: Linear
    down: Linear
    activation: Activation = relu
    dropout: Callable[[Vector], Vector] = unchanged

    def __call__(self, hidden: Matrix) -> Matrix:
        return [self.down(self.dropout(activated(self.up(x), self.activation))) for x in hidden]


@dataclass
class BentTwiceFeedForward:
    """The article's: the bend and dropout after both layers. With ReLU it only ever adds to a position."""

    up: Linear
    down: Linear
    activation: Activation = relu
    dropout: Callable[[Vector], Vector] = unchanged

    def __call__(self, hidden: Matrix) -> Matrix:
        return [self.layer(self.down, self.layer(self.up, x)) for x in hidden]

    def layer(self, linear: Linear, vector: Vector) -> Vector:
        return self.dropout(activated(linear(vector), self.activation))


@dataclass
class GatedFeedForward:
    """down · (activation(gate · x) × (up · x)): one half decides how much of the other passes (Shazeer, 2020).

    With SiLU as its activation it is Llama's SwiGLU.
    """

    gate: Linear
    up: Linear
    down: Linear
    activation: Activation = silu

    def __call__(self, hidden: Matrix) -> Matrix:
        return [self.down(self.gated(x)) for x in hidden]

    def gated(self, vector: Vector) -> Vector:
        gates = activated(self.gate(vector), self.activation)
        return [gate * number for gate, number in zip(gates, self.up(vector), strict=True)]


def random_feed_forward(width: int, inner_width: int, random: Random, activation: Activation = relu) -> FeedForward:
    return FeedForward(random_linear(width, inner_width, random), random_linear(inner_width, width, random), activation)
