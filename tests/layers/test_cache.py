from __future__ import annotations

import pytest
import torch

from everysum.errors import EverysumError
from everysum.layers.cache import STEPS_OF_ROOM, BeamCache, Cache

CPU = torch.device("cpu")


def empty(batch: int = 2, capacity: int = 5, layers: int = 1) -> Cache:
    return Cache(layers, (batch, 1, capacity, 1), dtype=torch.float64, device=CPU)


def write(cache: Cache, *rows: list[float]) -> tuple[list[list[float]], list[list[float]]]:
    """Put these numbers behind each row as keys, and their negatives as values."""
    numbers = torch.tensor(rows, dtype=torch.float64)[:, None, :, None]
    count = numbers.shape[2]
    cache.begin(count)
    keys, values = cache.write(0, numbers, -numbers, cache.positions(count))
    cache.advance(count)
    return keys[:, 0, :, 0].tolist(), values[:, 0, :, 0].tolist()


def test_what_is_written_is_read_back_behind_the_past() -> None:
    cache = empty()
    assert write(cache, [1, 2], [3, 4]) == ([[1, 2], [3, 4]], [[-1, -2], [-3, -4]])
    assert write(cache, [5], [6]) == ([[1, 2, 5], [3, 4, 6]], [[-1, -2, -5], [-3, -4, -6]])
    assert cache.lengths.tolist() == [3, 3]


def test_padding_is_overwritten_as_a_shorter_row_grows() -> None:
    cache = empty()
    write(cache, [1, 2, 3], [4, 99, 99])
    cache.set_lengths(torch.tensor([3, 1]))
    assert cache.positions(2).tolist() == [[3, 4], [1, 2]]
    keys, _ = write(cache, [5, 6], [7, 8])
    assert keys[0] == [1, 2, 3, 5, 6]
    assert keys[1][:3] == [4, 7, 8]
    assert cache.lengths.tolist() == [5, 3]


def test_layers_do_not_share_their_numbers() -> None:
    cache = empty(layers=2)
    write(cache, [1, 2], [3, 4])
    assert cache.keys[1].count_nonzero() == cache.values[1].count_nonzero() == 0


def test_rows_are_kept_in_the_order_asked_for_and_then_grow_apart() -> None:
    cache = empty(batch=3)
    write(cache, [1], [2], [3])
    cache.select(torch.tensor([2, 0, 2]))
    assert write(cache, [4], [5], [6])[0] == [[3, 4], [1, 5], [3, 6]]


def test_more_than_fits_is_refused_and_nothing_is_lost() -> None:
    cache = empty()
    write(cache, [1, 2, 3], [4, 5, 6])
    with pytest.raises(EverysumError, match="the cache holds 5 positions; 3 \\+ 3 do not fit"):
        cache.begin(3)
    assert write(cache, [7, 8], [9, 10])[0] == [[1, 2, 3, 7, 8], [4, 5, 6, 9, 10]]


def pasts(cache: BeamCache) -> list[list[list[float]]]:
    """For each row and beam the keys that it sees, in order."""
    seen = cache.visible(cache.positions(cache.seen.shape[1]))[:, 0]
    keys = cache.keys[0][:, 0, : cache.extent, 0]
    return [[row[mask].tolist() for mask in masks] for row, masks in zip(keys, seen, strict=True)]


def grow(cache: BeamCache, parents: list[list[int]], *rows: list[float]) -> list[list[list[float]]]:
    cache.branch(torch.tensor(parents))
    write(cache, *rows)
    return pasts(cache)


def prompted() -> BeamCache:
    """Two rows of beams behind prompts of two tokens and one."""
    prompts = empty(capacity=2)
    write(prompts, [1, 2], [3, 99])
    prompts.set_lengths(torch.tensor([2, 1]))
    return BeamCache.behind(prompts)


def test_each_beam_sees_the_prompt_and_its_own_past() -> None:
    cache = prompted()
    assert grow(cache, [[0, 0], [0, 0]], [5, 6], [7, 8]) == [[[1, 2, 5], [1, 2, 6]], [[3, 7], [3, 8]]]
    assert cache.positions(2).tolist() == [[3, 3], [2, 2]]
    assert grow(cache, [[1, 1], [1, 0]], [10, 11], [12, 13]) == [
        [[1, 2, 6, 10], [1, 2, 6, 11]],
        [[3, 8, 12], [3, 7, 13]],
    ]


def test_a_cache_of_beams_clears_up_what_no_beam_sees_any_more() -> None:
    cache, expected = prompted(), [[[1.0, 2.0]], [[3.0]]]
    for step in range(5 * STEPS_OF_ROOM):
        parents = [[0, 0], [step % 2, 0]] if step else [[0, 0], [0, 0]]
        written = [[100.0 + step, 200.0 + step], [300.0 + step, 400.0 + step]]
        expected = [
            [[*past[parent], number] for parent, number in zip(befores, numbers, strict=True)]
            for past, befores, numbers in zip(expected, parents, written, strict=True)
        ]
        assert grow(cache, parents, *written) == expected
    # row 0 has a single line of ancestors: far fewer than all that was ever written
    assert cache.extent < 10 * STEPS_OF_ROOM


def test_rows_of_beams_leave() -> None:
    cache = prompted()
    grow(cache, [[0, 0], [0, 0]], [5, 6], [7, 8])
    cache.select(torch.tensor([1]))
    assert grow(cache, [[1, 0]], [9, 10]) == [[[3, 8, 9], [3, 7, 10]]]


def test_beams_may_begin_with_nothing() -> None:
    cache = BeamCache(1, (2, 1, 0, 1), dtype=torch.float64, device=CPU)
    write(cache, [1], [2])
    assert pasts(cache) == [[[1]], [[2]]]
