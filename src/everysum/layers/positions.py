"""Positions: attention alone cannot tell first from last, so a network is told where each token stands."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from everysum.layers.embedding import Embedding

LearnedPositions = Embedding
"""A row of numbers for each position, learned and added to the token's row (GPT-2)."""


Scaling = Callable[[Tensor], Tensor]
"""How the frequencies at which pairs turn are changed after training, so that longer texts fit under known angles."""


@dataclass(frozen=True)
class LinearScaling:
    """Every pair turns `factor` times slower: position 4,000 looks like 1,000 did (Chen et al., 2023)."""

    factor: float

    def __call__(self, frequencies: Float[Tensor, " half_size"]) -> Float[Tensor, " half_size"]:
        return frequencies / self.factor


@dataclass(frozen=True)
class Llama3Scaling:
    """Only slow pairs turn `factor` times slower; fast ones, which tell neighbors apart, stay (Llama 3.1, 2024).

    A pair is slow when a whole turn takes more than original_context_length / low_frequency_factor positions and fast
    when it takes less than original_context_length / high_frequency_factor; in between both frequencies are mixed.
    """

    factor: float
    low_frequency_factor: float
    high_frequency_factor: float
    original_context_length: int

    def __call__(self, frequencies: Float[Tensor, " half_size"]) -> Float[Tensor, " half_size"]:
        turns = self.original_context_length * frequencies / (2 * math.pi)
        between = (turns - self.low_frequency_factor) / (self.high_frequency_factor - self.low_frequency_factor)
        kept = between.clamp(0.0, 1.0)
        return (1 - kept) * frequencies / self.factor + kept * frequencies


class RotaryPositions:
    """Turn each pair of numbers of a query or key by an angle that grows with its position (Su et al., 2021).

    Only differences of positions are left in query · key. Number i is paired with number i + head_size/2, and pair i
    turns by position · base^(−2i/head_size): Hugging Face's order of the pairs (the paper pairs neighbors instead).
    A `scaling` changes these frequencies, see `Scaling`.
    """

    def __init__(self, head_size: int, *, base: float = 10_000.0, scaling: Scaling | None = None) -> None:
        self.head_size, self.base, self.scaling = head_size, base, scaling

    def frequencies(self, device: torch.device, dtype: torch.dtype) -> Float[Tensor, " half_size"]:
        """By how much each pair turns from one position to the next, in radians."""
        exponents = torch.arange(0, self.head_size, 2, device=device, dtype=dtype) / self.head_size
        frequencies: Tensor = self.base**-exponents
        return frequencies if self.scaling is None else self.scaling(frequencies)

    def angles(self, positions: Int[Tensor, "batch position"], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosine and sine of every angle: (batch, 1 for all heads, position, head_size/2)."""
        # an angle of thousands of radians has no digits left in 16 bits
        precise = torch.promote_types(dtype, torch.float32)
        angles = positions[:, None, :, None].to(precise) * self.frequencies(positions.device, precise)
        return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(
    vectors: Float[Tensor, "batch heads position head_size"],
    cosine: Float[Tensor, "#batch 1 position half_size"],
    sine: Float[Tensor, "#batch 1 position half_size"],
) -> Float[Tensor, "batch heads position head_size"]:
    """Turn every pair (x, y) to (x·cos − y·sin, y·cos + x·sin)."""
    x, y = vectors.chunk(2, dim=-1)
    return torch.cat([x * cosine - y * sine, y * cosine + x * sine], dim=-1)
