from __future__ import annotations

import pytest
import torch

from everysum.errors import EverysumError
from everysum.layers.cache import Cache

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
