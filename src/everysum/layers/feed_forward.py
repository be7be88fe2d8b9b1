"""Feed-forward: what a block computes at each position alone, after attention has brought the others' numbers in."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from everysum.layers.activation import Activation
from everysum.layers.dropout import Dropout
from everysum.layers.layer import Layer
from everysum.layers.linear import Linear


class FeedForward(Layer):
    """down · activation(up · x): two layers of neurons with biases, the inner one wider (Vaswani et al., 2017)."""

    def __init__(
        self, width: int, inner_width: int, activation: Activation, *, bias: bool = True, output_deviation: float
    ) -> None:
        super().__init__()
        self.activation = activation
        self.up = Linear(width, inner_width, bias=bias)
        self.down = Linear(inner_width, width, bias=bias, deviation=output_deviation)

    def forward(self, hidden: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        return self.down(self.activation(self.up(hidden)))


class BentTwiceFeedForward(FeedForward):
    """The article's: activation and dropout after both layers; the standard ends with a plain sum.

    With ReLU, what it adds to a position is therefore never negative.
    """

    def __init__(
        self,
        width: int,
        inner_width: int,
        activation: Activation,
        *,
        bias: bool = True,
        dropout: float,
        output_deviation: float,
    ) -> None:
        super().__init__(width, inner_width, activation, bias=bias, output_deviation=output_deviation)
        self.up_dropout, self.down_dropout = Dropout(dropout), Dropout(dropout)

    def forward(self, hidden: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        inner = self.up_dropout(self.activation(self.up(hidden)))
        result: Tensor = self.down_dropout(self.activation(self.down(inner)))
        return result


class GatedFeedForward(Layer):
    """down · (activation(gate · x) × (up · x)): one half decides how much of the other passes (Shazeer, 2020).

    With SiLU as its activation it is Llama's SwiGLU.
    """

    def __init__(self, width: int, inner_width: int, activation: Activation, *, output_deviation: float) -> None:
        super().__init__()
        self.activation = activation
        self.gate = Linear(width, inner_width)
        self.up = Linear(width, inner_width)
        self.down = Linear(inner_width, width, deviation=output_deviation)

    def forward(self, hidden: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        return self.down(self.activation(self.gate(hidden)) * self.up(hidden))
