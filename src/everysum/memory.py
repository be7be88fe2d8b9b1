"""Memory: how much is left, so that what cannot fit is refused before it is begun; and room that is read fast."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from everysum.errors import MachineError
from everysum.files import readable_size

SYSTEM = Path("/proc")
GROUPS = Path("/sys/fs/cgroup")


def refuse_too_large(what: str, needed: int, *, device: str = "cpu", advice: str) -> None:
    """Raise MachineError, naming both figures, unless `needed` bytes are left on the device.

    Where the system tells nothing, nothing is refused.
    """
    left = available_memory(device)
    if left is not None and needed > left:
        raise MachineError(
            f"{what} needs more memory than there is",
            wanted=f"{readable_size(needed)} on {device}",
            came=f"{readable_size(left)} available",
            advice=advice,
        )


def available_memory(device: str = "cpu") -> int | None:
    """The bytes that can still be allocated on a device: the least that the system and its limits leave, if they tell.

    On the CPU: what the system could give without swapping, what the process's control groups leave of their limit,
    and what its own limits of addresses and of data leave (`ulimit -v`, `ulimit -d`).
    """
    kind = device.partition(":")[0]
    if kind == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    if kind == "mps":
        import torch

        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    found = [left_in_system(), *left_in_groups(), *left_to_process()]
    told = [left for left in found if left is not None]
    return max(0, min(told)) if told else None


def left_in_system() -> int | None:
    """What the system could give at once; where it does not say, all of the machine's memory."""
    from everysum.machine import memory_bytes

    return fields_of(SYSTEM / "meminfo").get("MemAvailable") or memory_bytes()


def left_in_groups() -> Iterator[int | None]:
    """What each control group that this process is in, and each one around it, leaves of its limit (Linux)."""
    for line in lines_of(SYSTEM / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        unified = not controllers
        if not unified and "memory" not in controllers.split(","):
            continue
        mount = GROUPS if unified else GROUPS / "memory"
        inner = mount / path.strip("/")
        for group in (inner, *(parent for parent in inner.parents if parent.is_relative_to(mount))):
            yield left_in_group(group, unified)


def left_in_group(group: Path, unified: bool) -> int | None:
    """A limit less what is used; what files keep in memory is given back when it is needed."""
    names = ("memory.max", "memory.current") if unified else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    limit, used = (number_in(group / name) for name in names)
    if limit is None or used is None:
        return None
    kept = fields_of(group / "memory.stat")
    return limit - used + kept.get("inactive_file", 0) + kept.get("active_file", 0)


def left_to_process() -> Iterator[int]:
    """What the process's own limits leave, where it has any."""
    try:
        import resource
    except ImportError:  # Windows has none
        return
    used = fields_of(SYSTEM / "self" / "status")
    for kind, size in (("RLIMIT_AS", used.get("VmSize", 0)), ("RLIMIT_DATA", used.get("VmData", 0))):
        limit = resource.getrlimit(getattr(resource, kind))[0] if hasattr(resource, kind) else resource.RLIM_INFINITY
        if limit != resource.RLIM_INFINITY:
            yield limit - size


def fields_of(file: Path) -> dict[str, int]:
    """The numbers in a file of lines such as `MemAvailable:  123 kB` or `inactive_file 123`, in bytes."""
    found = {}
    for line in lines_of(file):
        name, *rest = line.replace(":", " ").split()
        if rest and rest[0].isdigit():
            found[name] = int(rest[0]) * (1024 if rest[1:] == ["kB"] else 1)
    return found


def number_in(file: Path) -> int | None:
    """The only number in a file; None where there is no such file or it says `max`."""
    words = " ".join(lines_of(file)).split()
    return int(words[0]) if words and words[0].isdigit() else None


def lines_of(file: Path) -> list[str]:
    """The lines of a file that says something in them; none where it cannot be read."""
    try:
        return [line for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if line.split()]
    except OSError:
        return []


class HugePages:
    """Room for tensors that are read again and again, in pages of 2 MiB where the system gives them.

    In pages of 4 KiB the processor looks up an address thousands of times in each reading; without them weights are
    read half as fast again.
    """

    PAGE, CHUNK = 2 << 20, 32 << 20

    def __init__(self) -> None:
        self.chunk: Any = None
        self.used = 0

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """A tensor of this shape whose numbers are not set; it lives as long as it is used."""
        import torch

        size = math.prod(shape) * dtype.itemsize
        if self.chunk is None or self.used + size > len(self.chunk):
            self.chunk, self.used = self.advised(max(size, self.CHUNK)), 0
        numbers = self.chunk[self.used : self.used + size]
        self.used += -(-size // 64) * 64
        return numbers.view(dtype).reshape(shape) if size else torch.empty(shape, dtype=dtype)

    def advised(self, size: int) -> Any:
        """Bytes that begin with a page: fresh from the system, which is asked for large ones before any is touched."""
        import torch

        whole = -(-size // self.PAGE) * self.PAGE
        private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
        pages = mmap.mmap(-1, whole + self.PAGE, **private)
        if hasattr(mmap, "MADV_HUGEPAGE"):  # Linux; elsewhere there is no such advice
            with suppress(OSError):
                pages.madvise(mmap.MADV_HUGEPAGE)
        room = torch.frombuffer(pages, dtype=torch.uint8)
        first = -room.data_ptr() % self.PAGE
        return room[first : first + whole]
