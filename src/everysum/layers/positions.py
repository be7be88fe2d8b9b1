"""Positions: attention alone cannot tell first from last, so a network is told where each token stands."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from everysum.layers.embedding import Embedding

LearnedPositions = Embedding
"""A row of numbers for each position, learned and added to the token's row (GPT-2)."""


class FixedPositions:
    """Waves instead of a learned table: pair i of the width is sine and cosine of position · base^(−2i/width).

    The paper's positions ("Attention is all you need", section 3.5): neighbors make a pair, so that numbers 2i and 2i+1
    at position p + k are those at p, turned by an angle that depends on k alone. Nothing is learned.
    """

    def __init__(self, width: int, *, base: float = 10_000.0) -> None:
        self.width, self.base = width, base

    def waves(
        self, positions: Int[Tensor, "#batch position"], dtype: torch.dtype
    ) -> Float[Tensor, "#batch position width"]:
        """The rows to add for tokens at these positions."""
        precise = torch.float32 if positions.device.type == "mps" else torch.float64
        exponents = torch.arange(0, self.width, 2, device=positions.device, dtype=precise) / self.width
        angles = positions[..., None].to(precise) * self.base**-exponents
        waves = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
        return waves[..., : self.width].to(dtype)


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
