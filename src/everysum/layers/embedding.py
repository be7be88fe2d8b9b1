"""What a token is to a network: a row of numbers of its own, learned like any weight, or one that nobody learns."""

from __future__ import annotations

import torch
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


class OneHot(Layer):
    """For each id a row with 1 at its place and 0 everywhere else: no two tokens are nearer than others."""

    def __init__(self, entries: int) -> None:
        super().__init__()
        self.entries = entries

    def forward(self, ids: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch width"]:
        return functional.one_hot(ids, self.entries).to(torch.get_default_dtype())


class AsNumber(Layer):
    """Each id as one number, the first of the alphabet as 1: the article's a = 1, b = 2, …, for which b is twice a."""

    def forward(self, ids: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch 1"]:
        return (ids[..., None] + 1).to(torch.get_default_dtype())
