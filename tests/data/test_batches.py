"""What is trained on and what is scored: by hand, the same in every process, and every token once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from everysum.data.batches import Batches, evaluation_batches, same_document
from everysum.data.token_files import TokenFile
from everysum.errors import InputError, UsageError

Stream = Callable[[list[int]], TokenFile]


def counting(length: int) -> list[int]:
    """A stream of one document in which each token is its own place: 0, 1, 2, …, 0."""
    return [*range(length - 1), 0]


def test_targets_are_the_inputs_one_token_later(stream: Stream) -> None:
    batch = Batches(stream(counting(1000)), seed=1, batch_size=4, context_length=10).at(3)
    assert batch.inputs.shape == batch.targets.shape == (4, 10)
    assert batch.inputs.dtype == batch.targets.dtype == torch.int64
    assert torch.equal(batch.targets, batch.inputs + 1)
    assert batch.visible is None


def test_a_stream_of_one_window_gives_that_window(stream: Stream) -> None:
    batch = Batches(stream([0, 5, 6, 7, 0]), seed=1, batch_size=2, context_length=4).at(9)
    assert batch.inputs.tolist() == [[0, 5, 6, 7]] * 2
    assert batch.targets.tolist() == [[5, 6, 7, 0]] * 2


@pytest.mark.parametrize("context_length", [0, 5, 6])
def test_a_context_longer_than_the_text_is_refused_with_the_largest_that_fits(
    stream: Stream, context_length: int
) -> None:
    with pytest.raises(InputError) as refusal:
        Batches(stream([0, 5, 6, 7, 0]), seed=1, batch_size=2, context_length=context_length)
    assert f"the text is too short for a context of {context_length} tokens" in str(refusal.value)
    assert "came: 5 tokens\n  do: use a context of at most 4 tokens, or a longer text" in str(refusal.value)


@pytest.mark.parametrize(("length", "context_length"), [(11, 10), (40, 10), (171, 10), (1007, 10), (1007, 64)])
def test_an_epoch_predicts_every_token_once_apart_from_the_edges(
    stream: Stream, length: int, context_length: int
) -> None:
    batches = Batches(stream(counting(length)), seed=5, batch_size=1, context_length=context_length)
    offsets = set()
    for epoch in range(6):
        seen = Counter[int]()
        starts = []
        for window in range(batches.windows):
            batch = batches.at(epoch * batches.windows + window)
            seen.update(batch.inputs.flatten().tolist())
            starts.append(int(batch.inputs[0, 0]))
        assert set(seen.values()) == {1}
        assert sorted(seen) == list(range(min(seen), max(seen) + 1))
        assert length - 1 - len(seen) < 2 * context_length
        assert len(starts) <= 16 or starts != sorted(starts)
        offsets.add(min(starts))
    assert len(offsets) > 1 or length == 11


def test_over_the_epochs_every_token_is_seen(stream: Stream) -> None:
    batches = Batches(stream(counting(400)), seed=0, batch_size=8, context_length=16)
    seen = {token for step in range(60) for token in batches.at(step).inputs.flatten().tolist()}
    assert seen == set(range(399))


def test_a_batch_larger_than_an_epoch_holds_several(stream: Stream) -> None:
    batches = Batches(stream(counting(31)), seed=0, batch_size=10, context_length=10)
    single = Batches(stream(counting(31)), seed=0, batch_size=1, context_length=10)
    assert batches.windows == 3
    rows = [single.at(index).inputs[0].tolist() for index in range(20)]
    assert [batches.at(step).inputs.tolist() for step in (1, 0)] == [rows[10:], rows[:10]]


def test_accumulated_parts_make_up_the_whole_batch(stream: Stream) -> None:
    tokens = stream(counting(500))
    whole = Batches(tokens, seed=3, batch_size=12, context_length=8)
    parts = Batches(tokens, seed=3, batch_size=4, context_length=8, accumulation=3)
    for step in (0, 7):
        inputs = torch.cat([parts.at(step, index).inputs for index in range(3)])
        assert torch.equal(inputs, whole.at(step).inputs)


def test_another_seed_gives_another_order(stream: Stream) -> None:
    tokens = stream(counting(5000))
    first, second = (Batches(tokens, seed=seed, batch_size=8, context_length=8).at(0).inputs for seed in (1, 2))
    assert not torch.equal(first, second)


PRINT_BATCH = """
import sys
from pathlib import Path
from everysum.data.batches import Batches
from everysum.data.token_files import TokenFile
tokens = TokenFile(Path(sys.argv[1]), 1 << 16, 0, 2000, 1, 0)
print(Batches(tokens, seed=11, batch_size=4, context_length=16).at(1234).inputs.tolist())
"""


def test_the_same_seed_and_step_give_the_same_batch_in_another_process(stream: Stream) -> None:
    tokens = stream(counting(2000))
    batches = Batches(tokens, seed=11, batch_size=4, context_length=16)
    for step in (0, 1300, 31):
        batches.at(step)
    other = subprocess.run([sys.executable, "-c", PRINT_BATCH, tokens.path], check=True, capture_output=True, text=True)
    assert other.stdout.strip() == str(batches.at(1234).inputs.tolist())


def test_a_token_sees_its_own_document_and_the_end_of_text_before_it() -> None:
    inputs = torch.tensor([[7, 7, 0, 8, 8, 0], [7, 7, 7, 7, 7, 7]])
    visible = same_document(inputs, 0)
    assert visible is not None
    assert visible.dtype == torch.bool
    assert visible.shape == (2, 1, 6, 6)
    assert visible[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ]
    assert torch.equal(visible[1, 0], torch.ones(6, 6, dtype=torch.bool).tril())


def test_plain_causal_attention_needs_no_mask() -> None:
    assert same_document(torch.tensor([[0, 8, 8], [7, 7, 7]]), 0) is None


def test_documents_run_together_only_when_asked_to(stream: Stream) -> None:
    tokens = stream([0, 1, 2, 0, 3, 4, 0])
    assert Batches(tokens, seed=0, batch_size=1, context_length=6).at(0).visible is not None
    assert Batches(tokens, seed=0, batch_size=1, context_length=6, within_documents=False).at(0).visible is None
    assert next(evaluation_batches(tokens, 6, 6, 1)).visible is not None
    assert next(evaluation_batches(tokens, 6, 6, 1, within_documents=False)).visible is None


def test_held_out_windows_by_hand(stream: Stream) -> None:
    batches = list(evaluation_batches(stream(counting(9)), context_length=4, stride=3, batch_size=2))
    assert [batch.inputs.tolist() for batch in batches] == [[[0, 1, 2, 3], [3, 4, 5, 6]], [[4, 5, 6, 7]] * 2]
    assert [batch.targets.tolist() for batch in batches] == [[[1, 2, 3, 4], [4, 5, 6, 7]], [[5, 6, 7, 0]] * 2]
    assert [batch.scored.int().tolist() for batch in batches] == [
        [[1, 1, 1, 1], [0, 1, 1, 1]],
        [[0, 0, 0, 1], [0, 0, 0, 0]],
    ]


@given(st.integers(1, 120), st.integers(1, 40), st.integers(1, 40), st.integers(1, 7))
def test_every_token_after_the_first_is_scored_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, length: int, context_length: int, stride: int, batch_size: int
) -> None:
    stride = min(stride, context_length)
    path = tmp_path_factory.mktemp("tokens") / "a.bin"
    np.arange(length, dtype="<u2").tofile(path)
    scored: list[int] = []
    for batch in evaluation_batches(TokenFile(path, 1 << 16, 9999, length, 1, 0), context_length, stride, batch_size):
        assert batch.inputs.shape[1] == min(context_length, length - 1)
        assert torch.equal(batch.targets, batch.inputs + 1)
        scored += batch.targets[batch.scored].tolist()
        later = batch.scored.any(dim=1) & (batch.inputs[:, 0] > 0)
        assert all(batch.scored[later].int().argmax(dim=1) >= context_length - stride)
    assert scored == list(range(1, length))


def test_an_impossible_stride_is_refused(stream: Stream) -> None:
    for stride in (0, 5):
        with pytest.raises(
            UsageError, match=f"impossible stride\n  wanted: from 1 to the context of 4\n  came: {stride}"
        ):
            next(evaluation_batches(stream(counting(9)), 4, stride, 1))


def test_a_long_stream_costs_eight_bytes_a_window(tmp_path: Path) -> None:
    path = tmp_path / "sparse.bin"
    length = 200_000_000
    with path.open("wb") as file:
        file.truncate(2 * length)
    tokens = TokenFile(path, 1 << 16, 9, length, 1, length)
    batches = Batches(tokens, seed=0, batch_size=4, context_length=1024)
    assert batches.at(0).inputs.shape == (4, 1024)
    assert sum(starts.nbytes for starts in batches._epochs.values()) == 8 * batches.windows < 2_000_000
