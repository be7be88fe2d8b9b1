"""How fast memory is read with all cores: the limit of decoding, which reads all weights for every token.

Each core reads a part of 512 MiB in huge pages, in two ways: the C library's memchr, which looks for a byte that is not
there, and numpy's sum of 64-bit integers. Both only read, and on one core they reach the same. Of a GPU's memory, torch
sums 1 GiB. The best of all readings counts: other programs can only make memory slower.

A virtual machine's cores may wander over a processor of several chiplets, each with a way to memory of its own: two
cores on one chiplet then read at half the speed of two on different ones, for some seconds, until they are moved again.
So readings around each turn tell which of the two it was.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np


class ReadingSpeed:
    """The best that was seen of reading memory, in bytes a second."""

    def __init__(self, threads: int, device: str = "cpu") -> None:
        self.best, self.pool = 0.0, ThreadPoolExecutor(threads)
        self.ways = gpu_ways() if device == "cuda" else cpu_ways(threads)

    def measure(self) -> float:
        """The better of one reading in each way."""
        speeds = []
        for way, parts, size in self.ways:
            began = time.perf_counter()
            list(self.pool.map(way, parts))
            speeds.append(size / (time.perf_counter() - began))
        self.best = max(self.best, *speeds)
        return max(speeds)


Way = tuple[Callable[[Any], object], list[Any], int]
"""A function that reads a stretch of memory without holding Python's lock, the stretches, and their bytes together."""


def cpu_ways(threads: int, size: int = 512 << 20) -> list[Way]:
    memory = np.ones(size, np.uint8)
    parts = np.array_split(memory.view(np.uint64), threads)
    ways: list[Way] = [(np.sum, parts, size)]
    try:
        search = ctypes.CDLL(None).memchr
    except (OSError, AttributeError, TypeError):  # no C library of this kind
        return ways
    search.restype, search.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    return [*ways, (lambda part: search(part.ctypes.data, 2, part.nbytes), parts, size)]


def gpu_ways(size: int = 1 << 30) -> list[Way]:
    import torch

    memory = torch.ones(size // 4, device="cuda")
    return [(lambda part: part.sum().item(), [memory], size)]
