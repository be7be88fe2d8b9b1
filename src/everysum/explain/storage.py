"""Where numbers live: every one at an offset in a storage; what an operation sees of it is a view, at a time.

A storage keeps the list of what was written to it. Nothing is copied while a pass is recorded, except what an operation
in place is about to overwrite; the rest is kept alive. What a storage held at an earlier time is put together from the
kept pieces when somebody asks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

if TYPE_CHECKING:
    from everysum.explain.operations import Operation

Integers = npt.NDArray[np.int64]
Values = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What an operation sees of a storage: the element at (i, j, …) lies at offset + i·stride₀ + j·stride₁ + …"""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    @property
    def count(self) -> int:
        return math.prod(self.size)

    def offsets(self, coordinates: list[Integers]) -> Integers:
        """Where the elements at these coordinates lie; arrays broadcast."""
        total: Any = np.int64(self.offset)
        for coordinate, stride in zip(coordinates, self.stride, strict=True):
            if stride == 1:
                total = total + coordinate
            elif stride:
                total = total + coordinate * stride
        return np.asarray(total)

    def offset_of(self, index: tuple[int, ...]) -> int:
        return self.offset + sum(place * stride for place, stride in zip(index, self.stride, strict=True))

    def axes_by_stride(self) -> list[int]:
        """The axes on which offsets differ, the widest step first."""
        moving = [axis for axis, stride in enumerate(self.stride) if stride and self.size[axis] > 1]
        return sorted(moving, key=lambda axis: -self.stride[axis])

    def coordinates_of(self, offsets: Integers) -> tuple[npt.NDArray[np.bool_], list[Integers]]:
        """The inverse: which of these offsets the view covers, and at which coordinates."""
        rest = offsets - self.offset
        covered = (rest >= 0) & (self.count > 0)
        coordinates = [np.zeros_like(offsets) for _ in self.size]
        for axis in self.axes_by_stride():
            coordinate = rest // self.stride[axis]
            rest = rest - coordinate * self.stride[axis]
            covered &= coordinate < self.size[axis]
            coordinates[axis] = coordinate
        return covered & (rest == 0), coordinates

    def index_of(self, offset: int) -> tuple[int, ...] | None:
        """The inverse for one offset: its index, or None where the view does not cover it."""
        rest = offset - self.offset
        if rest < 0 or not self.count:
            return None
        index = [0] * len(self.size)
        for axis in self.axes_by_stride():
            index[axis], rest = divmod(rest, self.stride[axis])
            if index[axis] >= self.size[axis]:
                return None
        return tuple(index) if rest == 0 else None

    def all_coordinates(self) -> list[Integers]:
        """The coordinates of every element, in order."""
        return list(np.unravel_index(np.arange(self.count), self.size)) if self.size else []

    @property
    def dense(self) -> bool:
        """Whether it covers as many places as it has elements without a gap, as new results do."""
        return self.count == 1 + sum((size - 1) * stride for size, stride in zip(self.size, self.stride, strict=True))


@dataclass(slots=True)
class Write:
    """An operation put a result into a storage at this time; `before` is what it overwrote."""

    time: int
    view: View
    operation: Operation
    output: int
    before: Tensor | None


@dataclass(eq=False, slots=True)
class Storage:
    """A block of memory that the pass used, and what was written to it in which order."""

    number: int
    memory: torch.UntypedStorage
    writes: list[Write] = field(default_factory=list)
    origin: Any = None
    """For a block that no operation made, what it is: see `record.Origin`."""
    snapshots: dict[tuple[int, torch.dtype], Tensor] = field(default_factory=dict)
    arrays: dict[tuple[int, torch.dtype], Values] = field(default_factory=dict)
    outer: tuple[Storage, int] | None = None
    """In a re-run: the same block in the pass itself, and the time at which it was read."""

    def last_write(self, offset: int, time: int) -> tuple[Write, tuple[int, ...]] | None:
        """What put the number at this offset there, looking back from this time, and its index in that result."""
        for write in reversed(self.writes):
            if write.time < time and (index := write.view.index_of(offset)) is not None:
                return write, index
        return None

    def overwritten(self, time: int) -> int:
        """How many of the writes still count at this time: the ones behind overwrote something."""
        count = len(self.writes)
        while count and self.writes[count - 1].time >= time and self.writes[count - 1].before is not None:
            count -= 1
        return count

    def at(self, time: int, dtype: torch.dtype) -> Tensor:
        """All of the block as it was just before the operation at this time, as one row."""
        count = self.overwritten(time)
        key = (count, dtype)
        if key not in self.snapshots:
            flat = torch.empty(0, dtype=dtype, device=self.memory.device).set_(self.memory)
            if count < len(self.writes):
                flat = flat.clone()
                for write in reversed(self.writes[count:]):
                    if write.view.dtype == dtype and write.before is not None:
                        flat.as_strided(write.view.size, write.view.stride, write.view.offset).copy_(write.before)
            self.snapshots[key] = flat
        return self.snapshots[key]

    def values(self, offsets: Integers, time: int, dtype: torch.dtype) -> Values:
        """The numbers at these offsets at this time: float64 for any floating type, int64 for the others.

        Only these are brought over when the block is on another device.
        """
        key = (self.overwritten(time), dtype)
        array = self.arrays.get(key)
        if array is None:
            flat = self.at(time, dtype)
            if flat.device.type != "cpu":
                chosen = flat[torch.as_tensor(offsets, device=flat.device)].cpu()
                return widened(exact_array(chosen), dtype)
            array = self.arrays[key] = exact_array(flat)
        return widened(array[offsets], dtype)


def exact_array(tensor: Tensor) -> Values:
    """A tensor in memory as an array without a copy; of bfloat16, which numpy does not have, the bits."""
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    elif tensor.dtype in (torch.float8_e4m3fn, torch.float8_e5m2):
        tensor = tensor.float()
    array: Values = tensor.detach().numpy()
    return array


def widened(array: Values, dtype: torch.dtype) -> Values:
    """The same numbers in the widest type of their kind: nothing is lost, and nothing is lost later on."""
    if dtype == torch.bfloat16:  # the upper half of a float32
        array = (np.asarray(array).astype(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    return array if array.dtype.kind == "c" else array.astype(np.int64)
