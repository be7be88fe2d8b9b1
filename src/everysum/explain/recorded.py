"""A number that stood in a tensor of the pass: which operation put it there, and by which formula."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from everysum.errors import UsageError
from everysum.explain.asked import Asked, ask
from everysum.explain.evaluate import evaluate
from everysum.explain.formulas import kind_of
from everysum.explain.number import Kind, Number
from everysum.explain.opening import opened
from everysum.explain.operations import Operation
from everysum.explain.parts import Terms, plain, terms_of
from everysum.explain.results import bind, holds, statement_of
from everysum.explain.rules import DRAWN, UNFILLED
from everysum.explain.storage import Storage
from everysum.explain.templates import Node
from everysum.explain.tolerance import EXACT, Tolerance, tolerance_of
from everysum.explain.writing import Writer

if TYPE_CHECKING:
    from everysum.explain.record import Origin, Record


class RecordedNumber(Number):
    """A number that stood in a tensor: in a storage, at an offset, just before the operation at `time`."""

    def __init__(self, record: Record, storage: Storage, offset: int, time: int, dtype: torch.dtype) -> None:
        self.record, self.storage, self.offset, self.time, self.dtype = record, storage, offset, time, dtype
        self.label: str | None = None
        if storage.outer is not None and storage.last_write(offset, time) is None:
            # a re-run reads the pass's own numbers
            outer = record.outer
            assert outer is not None
            (self.storage, self.time), self.record = storage.outer, outer[0]

    @cached_property
    def value(self) -> float:  # type: ignore[override]
        value = self.storage.values(np.asarray(self.offset), self.time, self.dtype)
        return complex(value) if value.dtype.kind == "c" else value.item()  # type: ignore[return-value]

    @cached_property
    def write(self) -> tuple[Operation, int, tuple[int, ...]] | None:
        """The operation that put it there, which of its results it is in, and its index in that."""
        found = self.storage.last_write(self.offset, self.time)
        return None if found is None else (found[0].operation, found[0].output, found[1])

    @property
    def origin(self) -> Origin | None:
        """Which weight, input or constant it belongs to."""
        origins = self.record.origins.get(self.storage.number, ())
        return next((origin for origin in origins if origin.view.index_of(self.offset) is not None), None)

    @property
    def name(self) -> str:
        if self.label is None:
            self.label = self.record.names.of_number(self.storage, self.offset, self.time)
        return self.label

    @property
    def operation(self) -> Operation | None:
        """What computed it; None for a weight, an input or a constant."""
        return None if self.write is None else self.write[0]

    @cached_property
    def asked(self) -> Asked | None:
        """Its rule, ready to be evaluated; None where there is none."""
        if self.write is None:
            return None
        operation, output, index = self.write
        self.record.check([view.storage for _, view in operation.inputs()])
        statement = statement_of(operation, output)
        if statement is None or not holds(self.record, operation) or drawn(operation, output):
            return None
        asked = ask(self.record, operation, output, [np.array([place]) for place in index], statement["depth"])
        return bind(asked, statement)

    @property
    def node(self) -> Node:
        assert self.write is not None
        statement = statement_of(self.write[0], self.write[1])
        assert statement is not None
        return statement["value"]  # type: ignore[no-any-return]

    @cached_property
    def inner(self) -> RecordedNumber | None:
        """The same number in the re-run of a fused operation; its value may differ in the last digits."""
        if self.write is None or self.asked is not None:
            return None
        operation, output, index = self.write
        if not explainable(operation, output):
            return None
        inner = opened(self.record, operation)
        if inner is None or output >= len(inner.outputs):
            return None
        view = inner.outputs[output][1]
        return RecordedNumber(inner, view.storage, view.offset_of(index), len(inner.operations), view.dtype)

    @property
    def rerun(self) -> bool:
        """Whether its value comes from carrying out a fused operation once more in smaller steps."""
        return self.record.rerun

    @cached_property
    def pair(self) -> tuple[float, float] | None:
        """Recomputed value and magnitude."""
        if self.inner is not None:
            return self.inner.pair
        if self.asked is None or self.write is None:
            return None
        with np.errstate(all="ignore"):
            value, size = evaluate(self.node, self.asked)
        return plain(value), abs(plain(size))

    @property
    def recomputed(self) -> float | None:
        return None if self.pair is None else self.pair[0]

    @property
    def magnitude(self) -> float:
        return abs(self.value) if self.pair is None else self.pair[1]

    @property
    def tolerance(self) -> Tolerance:
        if self.write is None:
            return EXACT
        view = self.write[0].outputs[self.write[1]]
        assert view is not None
        return tolerance_of(self.write[0], view)

    @cached_property
    def kind(self) -> Kind:
        if self.write is None:
            self.record.check([self.storage])
            return "given"
        if self.asked is not None:
            kind: Kind = kind_of(self.node, self.asked, 1.0)
            return kind
        if self.inner is not None:
            return self.inner.kind
        operation, output, _ = self.write
        if drawn(operation, output):
            return "drawn"
        return "left over" if operation.facts.packet.partition(".")[2] in UNFILLED else "opaque"

    @property
    def formula(self) -> str:  # noqa: PLR0911
        if self.asked is not None:
            return Writer(self.asked).formula(self.node)
        if self.inner is not None:
            return self.inner.formula
        operation = self.operation
        if self.kind == "drawn" and operation is not None:
            return DRAWN[operation.facts.packet.partition(".")[2]]
        if self.kind == "left over":
            return "memory that was reserved and not filled yet: what stands there was left over"
        if self.kind == "opaque" and operation is not None:
            return f"{operation.facts.name}: no formula is known for it, and none is guessed"
        origin = self.origin
        if origin is not None:
            return f"{article(origin.kind)} {origin.kind}"
        breaks = self.record.top.chain_breaks
        left = f"; numbers of the pass became the program's own at {', '.join(breaks[:3])}" if breaks else ""
        return f"a constant of the program{left}"

    @cached_property
    def terms(self) -> Terms:
        if self.asked is not None:
            return terms_of(self.record, self.asked, self.node, 1.0)
        if self.inner is not None:
            return self.inner.terms
        return Terms(self.record, [], by_size=False)

    @property
    def inputs(self) -> list[tuple[str, str]]:
        """For an opaque number: each argument of its operation, and the tensor that it was."""
        if self.operation is None:
            return []
        time = self.operation.time
        return [(name, self.record.names.of_view(view, time)) for name, view in self.operation.inputs()]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecordedNumber):
            return NotImplemented
        return self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> tuple[int, int, int, int]:
        """The same number, however it was found: where it lies, and which write put it there."""
        written = -1 if self.write is None else self.write[0].time
        return id(self.record), self.storage.number, self.offset, written


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def drawn(operation: Operation, output: int) -> bool:
    """Whether a result is a random draw."""
    name = operation.facts.packet.partition(".")[2]
    return name in DRAWN and (name != "native_dropout" or output == 1)


def explainable(operation: Operation, output: int) -> bool:
    """Whether something computed this result, so that it may have a formula."""
    return not drawn(operation, output) and operation.facts.packet.partition(".")[2] not in UNFILLED


def recorded_only(number: Number) -> RecordedNumber:
    """A number that stands in a tensor: only such a one can be changed."""
    if not isinstance(number, RecordedNumber):
        raise UsageError(
            f"{number.name} stands in no tensor of the pass: it is a part of a formula, and cannot be changed",
            wanted="a number such as record['logits'][0, -1, 5]",
            advice="change one of its terms",
        )
    return number
