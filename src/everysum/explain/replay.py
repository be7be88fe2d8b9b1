"""The same pass with some numbers changed: what differs, where, and by how much."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from everysum.errors import InputError, UsageError
from everysum.explain.number import Number
from everysum.explain.record import Record
from everysum.explain.recorded import RecordedNumber, recorded_only
from everysum.explain.recorder import Watch
from everysum.explain.rerun import Change, Rerun, set_to
from everysum.explain.storage import View
from everysum.explain.tensors import NamedTensor
from everysum.explain.writing import figure


@dataclass(frozen=True)
class Difference:
    """A tensor that came out differently: in how many numbers, and where most."""

    tensor: NamedTensor
    changed: int
    index: tuple[int, ...]
    """Where the difference is largest."""
    before: float
    after: float

    @property
    def name(self) -> str:
        return self.tensor.name

    @property
    def largest(self) -> float:
        return self.after - self.before

    @property
    def where(self) -> str:
        return f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name

    def as_json(self) -> dict[str, Any]:
        return {
            "tensor": self.name,
            "numbers": self.tensor.view.count,
            "changed": self.changed,
            "largest_at": list(self.index),
            "before": self.before,
            "after": self.after,
        }


class Replay:
    """What became of a pass when numbers in it were changed.

    `differences` are the tensors that differ, in the order in which they are made; `replay["logits"]` is any tensor of
    the pass as it is now, and `replay.value(number)` any number.
    """

    def __init__(self, record: Record, changes: Mapping[RecordedNumber, float], rerun: Rerun) -> None:
        self.record, self.changes, self.rerun = record, dict(changes), rerun
        self.differences = [found for found in map(self.difference, self.remade()) if found is not None]

    def remade(self) -> list[NamedTensor]:
        """The tensors that were computed anew, each by its best name."""
        names = self.record.names
        found = []
        for operation, output, view in self.rerun.done:
            tensor = names.best.get((view.storage.number, operation.time))
            if tensor is None or tensor.view.storage is not view.storage:
                title = f"{operation.name}.{output}" if output else operation.name
                path = "" if operation.module is None else operation.module.name
                name = f"{path}.{title}" if path else title
                tensor = NamedTensor(
                    self.record, name, view, operation.time + 1, names.axes.of(view), what=operation.name
                )
            found.append(tensor)
        return found

    def difference(self, tensor: NamedTensor) -> Difference | None:
        before, after = tensor.tensor, self.tensor_of(tensor)
        moved = ~(
            (before == after) | (before.isnan() & after.isnan()) if before.is_floating_point() else before == after
        )
        if not moved.any():
            return None
        distance = (after.double() - before.double()).abs().nan_to_num(nan=math.inf)
        index = tuple(int(place) for place in np.unravel_index(int(distance.argmax()), tuple(before.shape)))
        return Difference(tensor, int(moved.sum()), index, before[index].item(), after[index].item())

    def tensor_of(self, tensor: NamedTensor) -> Tensor:
        return self.rerun.at(tensor.view, tensor.time).detach().clone().cpu()

    def __getitem__(self, name: str) -> Tensor:
        """A tensor of the pass as it came out with the changes."""
        tensor = self.record[name]
        if tensor.record is not self.record:
            raise InputError(
                f"{name} is inside of a fused operation, which was carried out whole",
                advice="ask for what it returned",
            )
        return self.tensor_of(tensor)

    def value(self, number: Number) -> float:
        """A number as it came out with the changes."""
        found = recorded_only(number)
        view = self.record_view(found)
        return float(self.rerun.at(view, found.time).reshape(()))

    def record_view(self, number: RecordedNumber) -> View:
        return View(number.storage, number.offset, (), (), number.dtype)

    @property
    def held(self) -> list[str]:
        """Where the pass did not follow the change: random draws stay as they were, and so does what left PyTorch."""
        found = []
        for operation in self.rerun.held:
            path = "" if operation.module is None else operation.module.path
            found.append(f"{operation.facts.name} in {path}" if path else operation.facts.name)
        return found

    def __str__(self) -> str:
        lines = [f"{number.name}: {figure(number.value)} → {figure(value)}" for number, value in self.changes.items()]
        if not self.differences:
            lines.append("  nothing that was computed differs")
        for found in self.differences:
            lines.append(
                f"  {found.name}: {found.changed:,} of {found.tensor.view.count:,} numbers differ, most "
                f"{found.where}: {figure(found.before)} → {figure(found.after)} ({figure(found.largest)})"
            )
        lines += [f"  held as it was: {place}" for place in dict.fromkeys(self.held)]
        return "\n".join(lines)

    __repr__ = __str__

    def as_json(self) -> dict[str, Any]:
        return {
            "changes": [
                {"number": number.name, "before": number.value, "after": value}
                for number, value in self.changes.items()
            ],
            "differences": [found.as_json() for found in self.differences],
            "held": self.held,
        }


def replayed(record: Record, changes: Mapping[Number, float], watch: Watch | None = None) -> Replay:
    """Carry the pass out once more with these numbers changed; `watch` is called before each operation.

    Raises UsageError for a number that stands in no tensor or belongs to another record.
    """
    if not changes:
        raise UsageError("nothing is changed", wanted="at least one number with its new value")
    record.check()
    found = {recorded_only(number): checked_value(number, value) for number, value in changes.items()}
    for number in found:
        if number.record.top is not record.top or number.record not in (record, *record.nested.values()):
            raise UsageError(
                f"{number.name} belongs to another record", advice="take it from the record that is replayed"
            )
    with torch.no_grad():
        rerun = Rerun(record, [Change(number, set_to(value)) for number, value in found.items()], watch=watch).run()
        return Replay(record, found, rerun)


def checked_value(number: Number, value: float) -> float:
    """A value that a number can take."""
    dtype = recorded_only(number).dtype
    if not isinstance(value, (int, float)):
        raise UsageError(f"{number.name} can only be given a number", came=repr(value))
    if not dtype.is_floating_point and not dtype.is_complex and float(value) != int(value):
        raise UsageError(
            f"{number.name} is a whole number ({str(dtype).removeprefix('torch.')})",
            wanted="a whole number",
            came=str(value),
        )
    return value if dtype.is_floating_point else int(value)
