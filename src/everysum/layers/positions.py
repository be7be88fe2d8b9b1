"""Positions: attention alone cannot tell first from last, so a network is told where each token stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from everysum.layers.embedding import Embedding
from everysum.layers.layer import Layer

LearnedPositions = Embedding
"""A row of numbers for each position, learned and added to the token's row (GPT-2)."""

Table = Callable[[int, int], Float[Tensor, "position width"]]
"""How a fixed table is made: context length and width go in; a row for each position comes out, in float64."""


def counting(context_length: int, width: int) -> Float[Tensor, "position width"]:
    """[p, p, …] with p = 1, 2, 3, …: the simplest rows that differ; far positions get large numbers (the article)."""
    return count(1, context_length)[:, None].repeat(1, width)


def fractions(context_length: int, width: int) -> Float[Tensor, "position width"]:
    """[p/max, p/max, …] with p = 1, 2, 3, …, max: never above 1, but another length changes every row (the article)."""
    return counting(context_length, width) / context_length


def sines(context_length: int, width: int) -> Float[Tensor, "position width"]:
    """sin(p / 10000^(i/d)) for number i of row p, both from 0; d is the context length, as in the article."""
    return angles(context_length, torch.arange(width, dtype=torch.float64, device="cpu") / context_length).sin()


def unpaired_sines_and_cosines(context_length: int, width: int) -> Float[Tensor, "position width"]:
    """The article's: sin(p / 10000^(i/d)) for even i and cos(p / 10000^(i/d)) for odd i, d being the context length.

    Numbers 2j and 2j + 1 turn at different speeds here, other than in the paper.
    """
    waves = angles(context_length, torch.arange(width, dtype=torch.float64, device="cpu") / context_length)
    return torch.stack([waves[:, i].cos() if i % 2 else waves[:, i].sin() for i in range(width)], dim=1)


def sines_and_cosines(context_length: int, width: int) -> Float[Tensor, "position width"]:
    """The paper's: numbers 2j and 2j + 1 are sine and cosine of p / 10000^(2j/width), p from 0 (Vaswani et al., 2017).

    Both turn at one speed, so the row of p + k is the row of p with each pair turned, the same way at every p.
    """
    waves = angles(context_length, torch.arange(0, width, 2, dtype=torch.float64, device="cpu") / width)
    return torch.stack([waves.sin(), waves.cos()], dim=-1).flatten(1)[:, :width]


def count(first: int, length: int) -> Float[Tensor, " position"]:
    # on the CPU also where a network is laid out on the meta device: a table is a value, not a parameter to fill
    return torch.arange(first, first + length, dtype=torch.float64, device="cpu")


def angles(context_length: int, exponents: Float[Tensor, " width"]) -> Float[Tensor, "position width"]:
    """p / 10000^exponent for every position p from 0 and every exponent."""
    return count(0, context_length)[:, None] / 10_000.0**exponents


TABLES: dict[str, Table] = {
    "counting": counting,
    "fractions": fractions,
    "sines": sines,
    "unpaired_sines_and_cosines": unpaired_sines_and_cosines,
    "sines_and_cosines": sines_and_cosines,
}


class FixedPositions(Layer):
    """A row of numbers for each position that nobody learns: used as `LearnedPositions` are, without a parameter.

    The table is no part of a checkpoint, and is real even where the network is laid out on the meta device. Every move
    to another precision or device starts again from float64: there and back loses no digits.
    """

    rows: Tensor

    def __init__(self, context_length: int, width: int, table: Table) -> None:
        super().__init__()
        self.exact_rows = table(context_length, width)
        self.register_buffer("rows", self.exact_rows.to(torch.get_default_dtype()), persistent=False)

    def forward(self, positions: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch width"]:
        return functional.embedding(positions, self.rows)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> FixedPositions:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.rows = self.exact_rows.to(self.rows.device, self.rows.dtype)
        return self


class RotaryPositions:
    """Turn each pair of numbers of a query or key by an angle that grows with its position (Su et al., 2021).

    Only differences of positions are left in query · key. Number i is paired with number i + head_size/2, and pair i
    turns by position · base^(−2i/head_size): Hugging Face's order of the pairs (the paper pairs neighbors instead).
    """

    def __init__(self, head_size: int, *, base: float = 10_000.0) -> None:
        self.head_size, self.base = head_size, base

    def angles(self, positions: Int[Tensor, "batch position"], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosine and sine of every angle: (batch, 1 for all heads, position, head_size/2)."""
        # an angle of thousands of radians has no digits left in 16 bits
        precise = torch.promote_types(dtype, torch.float32)
        exponents = torch.arange(0, self.head_size, 2, device=positions.device, dtype=precise) / self.head_size
        angles = positions[:, None, :, None].to(precise) * self.base**-exponents
        return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(
    vectors: Float[Tensor, "batch heads position head_size"],
    cosine: Float[Tensor, "#batch 1 position half_size"],
    sine: Float[Tensor, "#batch 1 position half_size"],
) -> Float[Tensor, "batch heads position head_size"]:
    """Turn every pair (x, y) to (x·cos − y·sin, y·cos + x·sin)."""
    x, y = vectors.chunk(2, dim=-1)
    return torch.cat([x * cosine - y * sine, y * cosine + x * sine], dim=-1)
