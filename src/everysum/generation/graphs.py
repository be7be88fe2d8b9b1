"""On a GPU: one position more for every text, recorded once as a CUDA graph and played again for each token.

A step is hundreds of small operations, and telling a GPU of each takes longer than doing it. A graph is told at once,
but nothing in it can change except the numbers in its tensors. So token ids and lengths are copied into tensors that
stay where they are, and attention reads a fixed room of the cache, of which the mask lets through what a text has.
There are few rooms: each is twice the one before.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress

import torch
from jaxtyping import Float, Int
from torch import Tensor

from everysum.layers.cache import Cache
from everysum.models.network import Network

Compute = Callable[[], Tensor]

SMALLEST_ROOM = 128


def room_for(positions: int, capacity: int) -> int:
    """How much of a cache's capacity a step reads that needs so many positions."""
    room = SMALLEST_ROOM
    while room < positions:
        room *= 2
    return min(room, capacity)


def recorded(compute: Compute) -> Compute:
    """What plays a computation on a GPU again, its result in the same place each time (PyTorch, "CUDA Graphs")."""
    beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        compute()  # libraries set themselves up when first used, which cannot be part of a recording
        compute()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = compute()

    def play() -> Tensor:
        graph.replay()
        return result

    return play


class StaticStep:
    """A step that reads `room` positions of a cache, with all that changes in tensors that stay where they are."""

    def __init__(self, network: Network, cache: Cache, room: int) -> None:
        self.network, self.room = network, room
        self.cache = copy.copy(cache)  # the same keys and values; lengths and extent of its own
        self.lengths = cache.lengths.clone()
        self.token_ids = torch.zeros_like(cache.lengths)[:, None]
        self.play: Compute = self.compute
        """Whatever computes it: recorded, once that is done."""

    def put(self, token_ids: Tensor, lengths: Tensor) -> None:
        self.token_ids.copy_(token_ids)
        self.lengths.copy_(lengths)

    def compute(self) -> Float[Tensor, "batch 1 vocabulary"]:
        self.cache.lengths, self.cache.extent = self.lengths, self.room - 1
        return self.network.logits_behind(self.token_ids, self.cache)


class GraphedSteps:
    """The steps of one cache. What a device cannot record is computed as it would be without."""

    def __init__(self, network: Network, record: Callable[[Compute], Compute] = recorded) -> None:
        self.network, self.record = network, record
        self.step: StaticStep | None = None
        """The newest; a room is not needed again once a text has outgrown it."""

    def logits(self, token_ids: Int[Tensor, "batch 1"], cache: Cache) -> Float[Tensor, "batch 1 vocabulary"]:
        """As `Network.logits_behind` for one token of each text."""
        step, room = self.step, room_for(cache.extent + 1, cache.capacity)
        if step is None or step.room != room or step.cache.keys is not cache.keys:  # chosen rows are other tensors
            self.step = step = self.recorded_step(token_ids, cache, room)
        step.put(token_ids, cache.lengths)
        cache.begin(1)
        logits = step.play().clone()
        cache.advance(1)
        return logits

    def recorded_step(self, token_ids: Tensor, cache: Cache, room: int) -> StaticStep:
        step = StaticStep(self.network, cache, room)
        step.put(token_ids, cache.lengths)
        with suppress(RuntimeError):
            step.play = self.record(step.compute)
        return step
