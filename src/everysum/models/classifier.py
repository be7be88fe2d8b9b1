"""Leaf or flower: a network of layers of neurons, and the two ways to read what it puts out.

    inputs ──> linear ──> activation ──> linear ──> … ──> outputs

The article's first network is `Classifier([4, 3, 2])`, without activation and biases. What its numbers mean, those
that go in and those that come out, is not in the network: whoever uses it says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from everysum.errors import UsageError
from everysum.layers.activation import Activation
from everysum.layers.layer import Layer
from everysum.layers.linear import Linear


class Classifier(Layer):
    """Layers of these sizes, inputs first; the activation bends what goes from one to the next, not the outputs."""

    def __init__(self, sizes: Sequence[int], *, activation: Activation | None = None, bias: bool = False) -> None:
        super().__init__()
        if len(sizes) < 2 or min(sizes) < 1:
            raise UsageError(
                "a network needs inputs and outputs",
                wanted="at least two sizes, each 1 or more, such as 4, 3, 2",
                came=", ".join(map(str, sizes)) or "none",
            )
        self.activation = activation
        self.layers = nn.ModuleList(Linear(inputs, outputs, bias=bias) for inputs, outputs in pairwise(sizes))

    @property
    def dtype(self) -> torch.dtype:
        """The precision in which it computes."""
        dtype: torch.dtype = next(self.parameters()).dtype
        return dtype

    def forward(self, inputs: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        first, *others = self.layers
        hidden: Tensor = first(inputs)
        for layer in others:
            hidden = layer(hidden if self.activation is None else self.activation(hidden))
        return hidden


def largest(outputs: Float[Tensor, "*batch outputs"]) -> Int[Tensor, "*batch"]:
    """One output for each class: the verdict is the place of the largest. This goes on to any number of classes."""
    return outputs.argmax(dim=-1)


def by_sign(output: Float[Tensor, "*batch 1"]) -> Int[Tensor, "*batch"]:
    """One output for two classes: positive means the first, 0, anything else the second, 1."""
    return (output[..., 0] <= 0).long()
