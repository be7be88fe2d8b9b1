"""The key/value cache: what attention has already computed of the past, so that a new token costs one position only."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from everysum.errors import InputError


class Cache:
    """Keys and values of every layer, in tensors allocated once for `capacity` positions.

    Each row of the batch has a length of its own. A row's new numbers are written behind its length; what lies behind
    that is never visible, so shorter prompts may be padded on the right and are overwritten as the row grows.
    """

    def __init__(
        self, layers: int, shape: tuple[int, int, int, int], *, dtype: torch.dtype, device: torch.device
    ) -> None:
        """`shape` is (batch, key_value_heads, capacity, head_size)."""
        self.keys = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(layers)]
        self.values = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(layers)]
        self.lengths = torch.zeros(shape[0], dtype=torch.long, device=device)
        self.capacity = shape[2]
        # no row is longer than this: attention need not read the empty rest
        self.extent = 0

    def positions(self, count: int) -> Int[Tensor, "batch position"]:
        """Where the next `count` tokens of each row will stand."""
        return self.lengths[:, None] + torch.arange(count, device=self.lengths.device)

    def begin(self, count: int) -> None:
        """Make room for `count` more tokens in every row."""
        if self.extent + count > self.capacity:
            raise InputError(
                f"the cache holds {self.capacity} positions; {self.extent} + {count} do not fit",
                advice="make a cache of a larger capacity",
            )
        self.extent += count

    def write(
        self,
        layer: int,
        key: Float[Tensor, "batch key_value_heads position head_size"],
        value: Float[Tensor, "batch key_value_heads position head_size"],
        positions: Int[Tensor, "batch position"],
    ) -> tuple[Tensor, Tensor]:
        """Put a layer's new keys and values at their positions; return all of them, up to the longest row."""
        index = positions[:, None, :, None].expand_as(key)
        self.keys[layer].scatter_(2, index, key)
        self.values[layer].scatter_(2, index, value)
        return self.keys[layer][:, :, : self.extent], self.values[layer][:, :, : self.extent]

    def advance(self, count: int) -> None:
        """Every row has grown by `count` tokens, now that each layer has written them."""
        self.lengths = self.lengths + count

    def set_lengths(self, lengths: Int[Tensor, " batch"]) -> None:
        """Say how many positions of each row count; the rest is padding, to be overwritten."""
        self.lengths = lengths
        self.extent = int(lengths.max())

    def select(self, rows: Int[Tensor, " batch"]) -> None:
        """Keep these rows, in this order; a row may be taken more than once (beams, continuations)."""
        self.keys = [keys[rows] for keys in self.keys]
        self.values = [values[rows] for values in self.values]
        self.set_lengths(self.lengths[rows])
