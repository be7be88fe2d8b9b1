"""What this machine is and what it does faster: measured in fractions of a second, never assumed."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from everysum.errors import MachineError, UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Speeds:
    """Matrix products in each precision, in 10⁹ additions and multiplications a second."""

    float32: float
    bfloat16: float

    @property
    def faster(self) -> str:
        """bfloat16 has to be clearly faster to be worth its rounding."""
        return "bfloat16" if self.bfloat16 > 1.2 * self.float32 else "float32"


def choose_device(wanted: str = "auto") -> str:
    """The device to compute on: the one asked for, or the best that is here."""
    import torch

    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if here[name])
    if wanted not in here:
        raise UsageError(f"there is no device called {wanted!r}", wanted=" or ".join(DEVICES))
    if not here[wanted]:
        available = ", ".join(name for name, present in here.items() if present)
        raise MachineError(f"this machine has no {wanted} that torch can use", wanted=wanted, came=available)
    return wanted


def matrix_speeds(device: str, size: int = 512) -> Speeds:
    """How fast products of square matrices are in both precisions."""
    import torch

    def measure(dtype: torch.dtype) -> float:
        left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        return 2e-9 * size**3 / median_seconds(lambda: left @ right, synchronize(device))

    return Speeds(measure(torch.float32), measure(torch.bfloat16))


def median_seconds(work: Callable[[], object], wait: Callable[[], None], *, times: int = 7) -> float:
    """The median time of some work, after doing it twice to warm up."""
    seconds = []
    for attempt in range(times + 2):
        began = time.perf_counter()
        work()
        wait()
        if attempt >= 2:
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def synchronize(device: str) -> Callable[[], None]:
    """What to call to be sure that the device has done what it was given."""
    import torch

    return torch.cuda.synchronize if device == "cuda" else lambda: None


@cache
def cpp_compiler() -> str | None:
    """The C++ compiler that torch.compile would use on the CPU, if there is one."""
    return next(
        (path for name in (os.environ.get("CXX"), "g++", "clang++") if name and (path := shutil.which(name))), None
    )


def keep_freed_memory() -> None:
    """Let the C library keep what tensors free for the next ones, instead of asking the system page by page again.

    Each training step frees and asks for the same sizes. Only glibc knows these settings; elsewhere nothing happens.
    """
    largest_from_the_heap, top_padding, trim_threshold = -3, -2, -1  # names of mallopt(3), in its header's numbers
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(largest_from_the_heap, 1 << 30)
    mallopt(trim_threshold, (1 << 31) - 1)
    mallopt(top_padding, 64 << 20)


def read_bandwidth() -> float:
    """How many bytes of memory all cores together read in a second: the best of some readings of 256 MiB."""
    import torch

    numbers = torch.ones(64 << 20)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        numbers.sum()
        seconds.append(time.perf_counter() - began)
    return numbers.numel() * numbers.element_size() / min(seconds)


def processor_name() -> str:
    """The processor as it calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def memory_bytes() -> int | None:
    """The machine's memory, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def seconds_since_start() -> float:
    """How long this process has been running, where the system tells; a run's minutes count from there."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError):
        return time.process_time()
