"""Carrying out a recorded pass once more from the place where a number was changed.

Only operations that read something changed are carried out again, by the same kernels on tensors of the same geometry:
what they compute is, to the last bit, what the pass itself would have computed. With `precise` everything is done in
float64 instead, which slopes are taken in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from everysum.errors import InputError
from everysum.explain.opening import opened
from everysum.explain.operations import Operation, mapped
from everysum.explain.record import Record
from everysum.explain.recorded import RecordedNumber
from everysum.explain.recorder import Watch
from everysum.explain.rules import DRAWN, UNFILLED
from everysum.explain.storage import Storage, View

Changed = Callable[[Tensor, int], Tensor]
"""Given a storage as one row and an offset, the row with the new number."""


DROPOUT, LEFT = "aten.native_dropout", "aten._local_scalar_dense"
"""Dropout, which is carried out again with the mask that was drawn; and `.item()`, by which a number leaves PyTorch."""


def follows(operation: Operation) -> bool:
    """Whether an operation's result depends on the numbers that it reads."""
    name = operation.facts.packet.partition(".")[2]
    return name not in UNFILLED and (operation.makes or operation.facts.packet == LEFT)


def stays(operation: Operation) -> bool:
    """Whether its result is kept although what it reads has changed: random draws, and what left PyTorch."""
    packet = operation.facts.packet
    return packet == LEFT or (packet.partition(".")[2] in DRAWN and packet != DROPOUT)


@dataclass
class Change:
    """A number that gets another value, just after it was written (at the start for a weight or an input)."""

    number: RecordedNumber
    change: Changed

    @property
    def time(self) -> int:
        return -1 if self.number.write is None else self.number.write[0].time


@dataclass
class Rerun:
    """A pass with changes: what became of every storage, by time."""

    record: Record
    changes: list[Change]
    precise: bool = False
    rows: dict[int, Tensor] = field(default_factory=dict)
    """The storages that differ, as they are now."""
    history: dict[int, list[tuple[int, Tensor]]] = field(default_factory=dict)
    done: list[tuple[Operation, int, View]] = field(default_factory=list)
    """The results that were computed anew."""
    held: list[Operation] = field(default_factory=list)
    """Operations whose result was kept although what they read has changed: random draws, and `.item()`."""
    inner: dict[int, list[Change]] = field(default_factory=dict)
    """Changes inside of fused operations, by these operations' time."""
    watch: Watch | None = None
    """Called before each operation, and may raise to end it."""

    def __post_init__(self) -> None:
        outer = []
        for change in self.changes:
            around = change.number.record.outer
            if change.number.record is self.record or around is None:
                outer.append(change)
            else:
                self.inner.setdefault(around[1].time, []).append(change)
        self.changes = sorted(outer, key=lambda change: change.time)

    def run(self, until: int | None = None) -> Rerun:
        """From the first change on, to the end or to the operation `until`."""
        operations = self.record.operations[: len(self.record.operations) if until is None else until]
        first = min([change.time for change in self.changes] + list(self.inner), default=len(operations))
        self.apply(-1)
        for operation in operations[max(first, 0) :]:
            if self.watch is not None:
                self.watch()
            if operation.time in self.inner:
                self.within(operation)
            elif follows(operation) and any(view.storage.number in self.rows for _, view in operation.inputs()):
                self.carry_out(operation)
            self.apply(operation.time)
        return self

    def apply(self, time: int) -> None:
        """Make the changes whose time has come."""
        for change in self.changes:
            if change.time == time:
                storage = change.number.storage
                row = self.row(storage, time + 1, change.number.dtype)
                self.put(storage, time, change.change(row, change.number.offset))

    # --- storages ----------------------------------------------------------------------------------------------------

    def row(self, storage: Storage, time: int, dtype: torch.dtype) -> Tensor:
        """A storage as one row: the changed one, or what the pass recorded."""
        if storage.number in self.rows:
            return self.rows[storage.number]
        row = storage.at(time, dtype)
        return row.double() if self.precise and dtype.is_floating_point else row

    def put(self, storage: Storage, time: int, row: Tensor) -> None:
        self.rows[storage.number] = row
        self.history.setdefault(storage.number, []).append((time, row))

    def tensor(self, view: View, time: int) -> Tensor:
        return self.row(view.storage, time, view.dtype).as_strided(view.size, view.stride, view.offset)

    def at(self, view: View, time: int) -> Tensor:
        """A tensor of the pass as it is now, seen at a time of it."""
        for when, row in reversed(self.history.get(view.storage.number, [])):
            if when < time:
                return row.as_strided(view.size, view.stride, view.offset)
        row = view.storage.at(time, view.dtype)
        row = row.double() if self.precise and view.dtype.is_floating_point else row
        return row.as_strided(view.size, view.stride, view.offset)

    # --- operations --------------------------------------------------------------------------------------------------

    def carry_out(self, operation: Operation) -> None:
        """Compute an operation's results anew."""
        if stays(operation):
            self.hold(operation)
            return
        for argument in operation.facts.written:
            view = operation.arguments.get(argument)
            if isinstance(view, View):  # the old row stays as it was, for whoever asks for it
                self.put(view.storage, operation.time, self.row(view.storage, operation.time, view.dtype).clone())
        if operation.facts.packet == DROPOUT:
            results: Any = self.dropout(operation)
        else:
            results = self.computed(operation)
        results = results if isinstance(results, (list, tuple)) else (results,)
        for output, (view, result) in enumerate(zip(operation.outputs, results, strict=False)):
            if view is None or not isinstance(result, Tensor) or not self.made(operation, view):
                continue
            if tuple(result.shape) != view.size:
                raise InputError(
                    f"with this change {operation.facts.name} gives another shape: what follows cannot be carried out",
                    wanted=str(view.size),
                    came=str(tuple(result.shape)),
                )
            if not operation.facts.written:
                self.put(view.storage, operation.time, as_row(result, view))
            self.done.append((operation, output, view))

    def computed(self, operation: Operation) -> Any:
        """What PyTorch computes now; refuses what it cannot, such as a row of an embedding that there is not."""
        try:
            return operation.function(*self.arguments(operation.positional, operation), **self.named(operation))
        except (IndexError, RuntimeError, ValueError) as problem:
            raise InputError(
                f"with this change {operation.facts.name} cannot be carried out: what follows is not known",
                came=str(problem).partition("\n")[0],
            ) from problem

    def arguments(self, values: Any, operation: Operation) -> Any:
        given = mapped(values, View, lambda view: self.tensor(view, operation.time))
        return mapped(given, torch.dtype, self.type_of) if self.precise else given

    def named(self, operation: Operation) -> dict[str, Any]:
        return {name: self.arguments(value, operation) for name, value in operation.named.items()}

    def type_of(self, dtype: torch.dtype) -> torch.dtype:
        return torch.float64 if dtype.is_floating_point else dtype

    def made(self, operation: Operation, view: View) -> bool:
        return any(write.operation is operation for write in view.storage.writes)

    def hold(self, operation: Operation) -> None:
        """Leave a random draw as it was, and what left PyTorch."""
        self.held.append(operation)
        for view in operation.outputs:
            if view is not None and view.storage.number in self.rows:
                row = self.rows[view.storage.number].clone()
                kept = view.storage.at(operation.time + 1, view.dtype)
                row.as_strided(view.size, view.stride, view.offset).copy_(
                    kept.as_strided(view.size, view.stride, view.offset)
                )
                self.put(view.storage, operation.time, row)

    def dropout(self, operation: Operation) -> tuple[Tensor, Tensor]:
        """Dropout with the mask that was drawn."""
        given, mask = operation.arguments["input"], operation.outputs[1]
        assert mask is not None
        kept = mask.storage.at(operation.time + 1, mask.dtype).as_strided(mask.size, mask.stride, mask.offset)
        value = self.tensor(given, operation.time)
        scale = 1 / (1 - operation.arguments["p"])
        return value * kept * scale, kept

    def within(self, operation: Operation) -> None:
        """A change inside of a fused operation: of its results only what the change moves is taken from the re-run."""
        inner = opened(self.record, operation)
        assert inner is not None
        after = Rerun(inner, self.inner[operation.time], self.precise).run()
        for output, (_, found) in enumerate(inner.outputs):
            view = operation.outputs[output]
            if view is None:
                continue
            time = len(inner.operations)
            new = after.at(found, time)
            old = Rerun(inner, [], self.precise).at(found, time)
            recorded = self.tensor(view, operation.time + 1)
            # in float64 as a sum, so that autograd can follow; in the pass's own type without another rounding
            result = recorded + (new - old) if self.precise else torch.where(new == old, recorded, new)
            self.put(view.storage, operation.time, as_row(result, view))
            self.done.append((operation, output, view))


def as_row(result: Tensor, view: View) -> Tensor:
    """A result as a storage in one row, laid out as the recorded one."""
    count = view.storage.memory.nbytes() // view.dtype.itemsize
    if result.stride() == view.stride and result.storage_offset() == view.offset and view.dense and view.count == count:
        return result.as_strided((count,), (1,), 0)
    row = torch.zeros(count, dtype=result.dtype, device=result.device)
    return torch.as_strided_scatter(row, result, view.size, view.stride, view.offset)


def set_to(value: float) -> Changed:
    """The change that puts a value in a number's place."""

    def change(row: Tensor, offset: int) -> Tensor:
        row = row.detach().clone()
        row[offset] = value
        return row

    return change
