"""Some elements of a result that are asked for together, and reading what they are made of."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from everysum.explain.operations import Operation
from everysum.explain.storage import Integers, Values, View

if TYPE_CHECKING:
    from everysum.explain.record import Record

Pair = tuple[Values, Values]
"""A value and its magnitude."""


@dataclass(frozen=True, slots=True)
class Read:
    """One number that a formula read: the argument's name and where the number lies."""

    argument: str
    view: View
    offset: int
    time: int


@dataclass
class Asked:
    """Some elements of one result of an operation, and everything needed to compute them."""

    record: Record
    operation: Operation
    output_number: int
    index: list[Any]
    """The elements' coordinates."""
    shape: tuple[int, ...]
    captured: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    results: dict[str, int] = field(default_factory=dict)
    reads: list[Read] | None = None
    """Where a list stands here, every number that is read by one element is noted in it."""
    clipped: bool = False
    """Whether a branch is evaluated that is not taken for all elements: then indices may lie outside."""
    magnitudes: bool = True
    """Whether anybody wants to know how large the numbers were that those in a re-run came from."""

    @property
    def output(self) -> View:
        view = self.operation.outputs[self.output_number]
        assert view is not None
        return view

    def at(self, index: list[Any]) -> Asked:
        """Other elements of the same result."""
        other = copy(self)
        other.index = index
        return other

    def with_variable(self, name: str, value: Any) -> Asked:
        """The same elements with one more place fixed, or running."""
        other = copy(self)
        other.variables = {**self.variables, name: value}
        return other

    def within_branch(self) -> Asked:
        """The same for a formula that counts for some of the elements only."""
        other = copy(self)
        other.clipped = True
        return other

    def without_magnitudes(self) -> Asked:
        """The same elements for a formula whose value alone matters."""
        if not self.magnitudes:
            return self
        other = copy(self)
        other.magnitudes = False
        return other

    def noting(self) -> Asked:
        """The same with every number that is read by one element noted in `reads`."""
        other = copy(self)
        other.reads = []
        return other

    def read(self, view: View, coordinates: list[Any], name: str = "", time: int | None = None) -> Values:
        """Elements of a tensor, broadcast as PyTorch does: aligned on the right, axes of size 1 read at 0."""
        offsets, when = self.offsets(view, coordinates), self.operation.time if time is None else time
        if self.reads is not None and offsets.size == 1:
            self.reads.append(Read(name, view, int(offsets.reshape(-1)[0]), when))
        return view.storage.values(offsets, when, view.dtype)

    def pair(self, view: View, coordinates: list[Any], name: str, time: int) -> Pair:
        """The same with their magnitudes: in a re-run those of the whole formula that the fused operation is."""
        value = self.read(view, coordinates, name, time)
        if self.magnitudes and self.record.rerun and view.storage.writes:
            from everysum.explain.results import magnitudes  # which needs this module

            return value, magnitudes(self.record, view.storage, self.offsets(view, coordinates), time)
        return value, np.abs(value) if value.dtype.kind in "ifc" else value

    def offsets(self, view: View, coordinates: list[Any]) -> Integers:
        rank = len(view.size)
        aligned = coordinates[len(coordinates) - rank :] if rank else []
        spots: list[Any] = []
        for coordinate, size in zip(aligned, view.size, strict=True):
            if size == 1:
                spots.append(0)
            else:
                spots.append(np.clip(coordinate, 0, max(size - 1, 0)) if self.clipped else coordinate)
        return view.offsets(spots)

    def whole(self, view: View) -> Values:
        """All of a tensor that the operation read."""
        return view.storage.values(view.offsets(view.all_coordinates()), self.operation.time, view.dtype).reshape(
            view.size
        )

    def own(self) -> Values:
        """What the pass recorded for the elements themselves."""
        view = self.output
        spots = [np.broadcast_to(c, self.shape) for c in self.index]
        values = view.storage.values(view.offsets(spots), self.operation.time + 1, view.dtype)
        return np.broadcast_to(values, self.shape)


def ask(record: Record, operation: Operation, output_number: int, coordinates: list[Integers], depth: int) -> Asked:
    """Elements at these coordinates, for formulas with as many reductions inside each other as `depth` says."""
    count = len(coordinates[0]) if coordinates else 1
    shape = (count, *(1,) * depth)
    index = [np.asarray(c, dtype=np.int64).reshape(shape) for c in coordinates]
    return Asked(record, operation, output_number, index, shape)
