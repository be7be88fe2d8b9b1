"""Threads that work side by side, each on a part of its own.

torch can also share out every single operation, but then all threads wait for each other hundreds of times a step. A
thread that computes its own rows from beginning to end waits once, and a busy neighbor on one core holds up no other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Team:
    """A number of workers; within an operation each uses `cores` cores. Results come in the order of the items."""

    def __init__(self, workers: int, cores: int = 1) -> None:
        self.workers, self.cores = workers, cores
        self.pool = ThreadPoolExecutor(workers, initializer=use_cores, initargs=(cores,)) if workers > 1 else None

    def each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The work done on every item, side by side; items are taken as they are needed."""
        if self.pool is None:
            yield from map(work, items)
            return
        coming: deque[Future[Result]] = deque()
        for item in items:
            coming.append(self.pool.submit(work, item))
            if len(coming) == 2 * self.workers:  # enough to keep everybody busy, and no more in memory
                yield coming.popleft().result()
        yield from (future.result() for future in coming)


def use_cores(cores: int) -> None:
    """Let torch share out each operation of this thread over so many cores."""
    import torch

    torch.set_num_threads(cores)


@contextmanager
def cores_restored() -> Iterator[None]:
    """Whatever is set inside, afterwards torch uses as many cores as before."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
