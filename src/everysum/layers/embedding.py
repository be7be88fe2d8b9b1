"""Embedding: each token is a row of numbers of its own, learned like any weight."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from everysum.layers.layer import Layer


class Embedding(Layer):
    """A table with one row for each entry; looking a row up equals multiplying the table by a one-hot vector."""

    weight: Tensor

    def __init__(self, entries: int, width: int, *, deviation: float = 0.02) -> None:
        super().__init__()
        self.declare("weight", (entries, width), "embedding", deviation=deviation)

    def forward(self, ids: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch width"]:
        return functional.embedding(ids, self.weight)
