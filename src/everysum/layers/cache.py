"""The key/value cache: what attention has already computed of the past, so that a new token costs one position only."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

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
        # what a faster step keeps of where the tensors are
        self.stored: Any = None

    def positions(self, count: int) -> Int[Tensor, "batch position"]:
        """Where the next `count` tokens of each row will stand."""
        return self.lengths[:, None] + torch.arange(count, device=self.lengths.device)

    def visible(self, positions: Int[Tensor, "batch position"]) -> Bool[Tensor, "batch 1 position key"]:
        """What the tokens at these positions see: their row up to themselves."""
        return torch.arange(self.extent, device=positions.device) <= positions[:, None, :, None]

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


STEPS_OF_ROOM = 16
"""For so many more steps of all beams a cache of beams has room before it clears itself up."""


class BeamCache(Cache):
    """Texts that each go on in several ways at once: a row holds the tokens of all its beams as a tree.

    Beams end and others part in two at every step. Nothing is moved then: each token stays where it was written, and
    `seen` says for each beam which of the row's tokens are its own past. The tokens of one step, one a beam, all stand
    at the same position, the row's length. When the room is used up, tokens that are in no beam's past any more go.
    """

    def __init__(
        self, layers: int, shape: tuple[int, int, int, int], *, dtype: torch.dtype, device: torch.device
    ) -> None:
        super().__init__(layers, shape, dtype=dtype, device=device)
        self.seen = torch.zeros(shape[0], 1, shape[2], dtype=torch.bool, device=device)

    @classmethod
    def behind(cls, prompts: Cache) -> BeamCache:
        """Beams that go on from what a cache holds: each row's prompt, shared by all of its beams."""
        keys = prompts.keys[0]
        beams = cls(0, (*keys.shape[:2], 0, keys.shape[3]), dtype=keys.dtype, device=keys.device)
        beams.keys, beams.values, beams.lengths = prompts.keys, prompts.values, prompts.lengths
        beams.capacity, beams.extent = prompts.capacity, prompts.extent
        past = torch.arange(prompts.capacity, device=keys.device) < prompts.lengths[:, None]
        beams.seen = past[:, None]
        return beams

    def branch(self, parents: Int[Tensor, "batch position"]) -> None:
        """The next step's beams: each goes on from that one of the last step's."""
        self.seen = self.seen.gather(1, parents[..., None].expand(-1, -1, self.capacity))

    def begin(self, count: int) -> None:
        if self.extent + count > self.capacity:
            self.clear_up(STEPS_OF_ROOM * count)
        self.seen[:, :, self.extent : self.extent + count] = torch.eye(count, dtype=torch.bool, device=self.seen.device)
        self.extent += count

    def clear_up(self, room: int) -> None:
        """Keep only what some beam still sees, and have room for so many tokens behind it."""
        used = self.seen[:, :, : self.extent].any(1)
        self.extent = int(used.sum(1).max()) if len(used) else 0
        self.capacity = self.extent + room
        kept = (~used).to(torch.uint8).argsort(dim=1, stable=True)[:, : self.extent]
        self.seen = pad(self.seen.gather(2, kept[:, None].expand(-1, self.seen.shape[1], -1)), (0, room))
        for tensors in (self.keys, self.values):
            for layer, old in enumerate(tensors):
                index = kept[:, None, :, None].expand(-1, old.shape[1], -1, old.shape[3])
                tensors[layer] = pad(old.gather(2, index), (0, 0, 0, room))

    def positions(self, count: int) -> Int[Tensor, "batch position"]:
        return self.lengths[:, None].expand(-1, count)

    def visible(self, positions: Int[Tensor, "batch position"]) -> Bool[Tensor, "batch 1 position key"]:
        return self.seen[:, None, :, : self.extent]

    def write(
        self,
        layer: int,
        key: Float[Tensor, "batch key_value_heads position head_size"],
        value: Float[Tensor, "batch key_value_heads position head_size"],
        positions: Int[Tensor, "batch position"],
    ) -> tuple[Tensor, Tensor]:
        start = self.extent - key.shape[2]
        self.keys[layer][:, :, start : self.extent] = key
        self.values[layer][:, :, start : self.extent] = value
        return self.keys[layer][:, :, : self.extent], self.values[layer][:, :, : self.extent]

    def advance(self, count: int) -> None:
        self.lengths = self.lengths + 1

    def select(self, rows: Int[Tensor, " batch"]) -> None:
        """Keep these rows, in this order."""
        self.keys = [keys[rows] for keys in self.keys]
        self.values = [values[rows] for values in self.values]
        self.lengths, self.seen = self.lengths[rows], self.seen[rows]
