"""How fast one number of a pass grows with another: by formula, and by nudging, side by side.

Both are taken in float64 from the recorded numbers: in float32 a small enough nudge drowns in rounding. By formula
means that PyTorch differentiates the recorded operations (its autograd); `detach` is not honoured, since the arithmetic
does not know it: the slope is what nudging the number really does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from everysum.errors import InputError, UsageError
from everysum.explain.number import Number
from everysum.explain.recorded import RecordedNumber, recorded_only
from everysum.explain.rerun import Change, Rerun, set_to
from everysum.explain.storage import View
from everysum.explain.writing import figure

if TYPE_CHECKING:
    from everysum.explain.record import Record

NUDGE = 1e-5


@dataclass(frozen=True)
class Gradient:
    """The slope of `target` in `of`."""

    target: RecordedNumber
    of: RecordedNumber
    formula: float | None
    """None where an operation on the way has no derivative; `reason` says which."""
    nudged: float
    nudge: float
    """By how much the number was moved to either side."""
    reason: str = ""

    @property
    def difference(self) -> float | None:
        return None if self.formula is None else self.nudged - self.formula

    def __str__(self) -> str:
        lines = [f"the slope of {self.target.name} in {self.of.name}"]
        said = self.reason if self.formula is None else figure(self.formula)
        lines.append(f"  by formula: {said}")
        lines.append(f"  by nudging: {figure(self.nudged)} (± {figure(self.nudge)}, in float64)")
        if self.difference is not None:
            lines.append(f"  difference: {self.difference:.1e}".replace("-", "−"))
        return "\n".join(lines)

    __repr__ = __str__

    def as_json(self) -> dict[str, Any]:
        return {
            "target": self.target.name,
            "of": self.of.name,
            "formula": self.formula,
            "nudged": self.nudged,
            "difference": self.difference,
            "nudge": self.nudge,
            "reason": self.reason,
        }


def slope(record: Record, target: str | Number, of: Number) -> Gradient:
    """How fast the number `target` (by name, if it is the only one of its tensor) grows with the number `of`."""
    end, start = target_number(record, target), recorded_only(of)
    if not start.dtype.is_floating_point:
        raise UsageError(
            f"{start.name} is a whole number: it cannot move by a little", wanted="a number of a floating type"
        )
    if not end.dtype.is_floating_point:
        raise UsageError(f"{end.name} is a whole number: it has no slope", wanted="a number of a floating type")
    if end.record is not record:
        raise UsageError(
            f"{end.name} is inside of a fused operation", advice="take a number that the pass itself stored"
        )
    if end.time <= Change(start, set_to(0.0)).time:
        raise InputError(f"{end.name} was made before {start.name}, and does not depend on it")
    record.check()
    nudge = NUDGE * max(1.0, abs(start.value))
    with torch.no_grad():
        above, below = (float(moved(record, start, end, start.value + by)) for by in (nudge, -nudge))
    formula, reason = by_formula(record, start, end)
    return Gradient(end, start, formula, (above - below) / (2 * nudge), nudge, reason)


def target_number(record: Record, target: str | Number) -> RecordedNumber:
    if isinstance(target, Number):
        return recorded_only(target)
    if "[" not in target and record[target].view.count != 1:
        raise UsageError(
            f"{target} has {record[target].view.count} numbers, and a slope is that of one",
            advice=f"say which, such as {target}[0, -1, 5]",
        )
    tensor = record[target] if "[" not in target else None
    return recorded_only(record.number(target) if tensor is None else tensor.numbers()[0])


def moved(record: Record, start: RecordedNumber, end: RecordedNumber, value: float) -> Tensor:
    """What `end` is when `start` has this value, in float64."""
    rerun = Rerun(record, [Change(start, set_to(value))], precise=True).run(end.time)
    return rerun.at(View(end.storage, end.offset, (), (), end.dtype), end.time)


def by_formula(record: Record, start: RecordedNumber, end: RecordedNumber) -> tuple[float | None, str]:
    """The derivative that autograd finds along the recorded operations."""
    variable = torch.tensor(start.value, dtype=torch.float64, device=start.storage.memory.device, requires_grad=True)

    def change(row: Tensor, offset: int) -> Tensor:
        place = torch.tensor([offset], device=row.device)
        return row.detach().index_put((place,), variable[None])

    try:
        with torch.enable_grad():
            rerun = Rerun(record, [Change(start, change)], precise=True).run(end.time)
            result = rerun.at(View(end.storage, end.offset, (), (), end.dtype), end.time)
            blocked = undifferentiated(rerun)
            if blocked:
                return None, f"PyTorch has no derivative of {blocked}"
            if not result.requires_grad:
                return 0.0, ""
            (found,) = torch.autograd.grad(result, variable, allow_unused=True)
    except RuntimeError as problem:
        return None, str(problem).splitlines()[0]
    return (0.0 if found is None else float(found)), ""


def undifferentiated(rerun: Rerun) -> str:
    """The first operation that reads what depends on the variable, and of whose results autograd lost all."""
    for operation in dict.fromkeys(operation for operation, _, _ in rerun.done):
        read = [rerun.at(view, operation.time) for _, view in operation.inputs()]
        made = [rerun.at(view, operation.time + 1) for view in operation.outputs if view is not None]
        floating = any(tensor.is_floating_point() for tensor in made)
        if floating and any(t.requires_grad for t in read) and not any(t.requires_grad for t in made):
            return operation.facts.name
    return ""
