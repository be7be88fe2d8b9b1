"""Workers side by side: results in order, items taken as they are needed, errors handed on."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from everysum.parallel import Team, cores_restored, use_cores


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    assert list(Team(workers).each(lambda number: number * number, range(50))) == [n * n for n in range(50)]


def test_workers_work_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=10)  # which nobody passes alone
    assert sorted(Team(3).each(lambda _: meeting.wait(), range(3))) == [0, 1, 2]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_no_more_items_are_taken_than_keep_everybody_busy(workers: int) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    results = Team(workers).each(lambda number: number, items())
    assert [next(results) for _ in range(10)] == list(range(10))
    assert taken <= 10 + 2 * workers


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_worker_is_raised_where_the_result_is_taken(workers: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(Team(workers).each(lambda number: 1 / number, [2, 1, 0, 1]))


def test_each_worker_has_its_cores_and_afterwards_all_is_as_before() -> None:
    before = torch.get_num_threads()
    with cores_restored():
        use_cores(1)
        assert set(Team(2).each(lambda _: torch.get_num_threads(), range(8))) == {1}
    assert torch.get_num_threads() == before
