"""Recorded steps; the recording does on the CPU what a CUDA graph does: the same operations on the same memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from growing import grow_alike
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from everysum.generation.graphs import Compute, GraphedSteps, room_for
from everysum.generation.windows import CachedTexts
from everysum.models.network import Network


class Recording(TorchDispatchMode):
    """Notes each operation with the tensors it reads and makes; as in a CUDA graph, none may tell its numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        if operation is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        made = operation(*given, **(named or {}))
        self.calls.append((operation, given, named or {}, made))
        return made

    def play(self) -> None:
        for operation, given, named, made in self.calls:
            again = operation(*given, **named)
            for old, new in zip(tree_leaves(made), tree_leaves(again), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


def recorded(compute: Compute) -> Compute:
    compute()
    with Recording() as recording:
        result = compute()

    def play() -> Tensor:
        recording.play()
        return result

    return play


def test_rooms_double() -> None:
    assert [room_for(count, 700) for count in (1, 128, 129, 256, 257, 513, 700)] == [128, 128, 256, 256, 512, 700, 700]
    assert room_for(3, 8) == 8


@pytest.mark.parametrize("kind", ["gpt", "llama"])
def test_played_steps_are_the_computed_ones(build, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everysum.generation.graphs.SMALLEST_ROOM", 4)
    network: Network = build(kind, context_length=20)
    prompts = [[1, 2, 3], [4, 5, 6, 7, 8, 9, 10], [11]]
    played, computed = CachedTexts(network, prompts, longest=99), CachedTexts(network, prompts, longest=99)
    recordings = []

    def counted(compute: Compute) -> Compute:
        recordings.append(compute)
        return recorded(compute)

    played.graphs = GraphedSteps(network, counted)
    grow_alike(played, computed, 40, keep_at=5, keep=[2, 0])
    assert 3 <= len(recordings) < 12  # one a room, anew where rows were chosen


def test_logits_that_were_given_out_stay_what_they_were(build) -> None:
    texts = CachedTexts(build("gpt", context_length=16), [[1, 2, 3]], longest=16)
    texts.graphs = GraphedSteps(texts.network, recorded)
    kept = []
    for token_id in (4, 5, 6, 7):
        kept.append((logits := texts.logits(), logits.clone()))
        texts.append([token_id])
    for logits, copy in kept:
        assert torch.equal(logits, copy)


def test_what_cannot_be_recorded_is_computed(build) -> None:
    def refuses(compute: Compute) -> Compute:
        compute()
        raise RuntimeError("operation not permitted when stream is capturing")

    network: Network = build("llama", context_length=16)
    texts, expected = (CachedTexts(network, [[1, 2, 3], [4]], longest=16) for _ in range(2))
    texts.graphs = GraphedSteps(network, refuses)
    for token_id in (5, 6, 7):
        torch.testing.assert_close(texts.logits(), expected.logits())
        texts.append([token_id, token_id])
        expected.append([token_id, token_id])
