"""A number of a pass, and the parts of the formula that made it: each again a number that can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import torch

from everysum.errors import UsageError
from everysum.explain.evaluate import Asked, Read, ask, bind, evaluate, holds, statement_of
from everysum.explain.formulas import Writer, factors_of, groups_of, kind_of, reads_of, settled, unnamed
from everysum.explain.opening import opened
from everysum.explain.operations import Operation
from everysum.explain.rules import DRAWN, UNFILLED
from everysum.explain.storage import Storage, Values
from everysum.explain.templates import Node
from everysum.explain.tolerance import EXACT, Tolerance, tolerance_of

if TYPE_CHECKING:
    from everysum.explain.explanation import Explanation
    from everysum.explain.record import Origin, Record

Kind = Literal[
    "sum",
    "product",
    "function",
    "largest",
    "choice",
    "copy",
    "look-up",
    "constant",
    "given",
    "drawn",
    "left over",
    "opaque",
]
"""How a number came to be. "given" is a weight, an input or a constant of the program; "opaque" has no known formula."""


class Number:
    """A number: what it is, and the terms whose sum, product or function it is, each a number again."""

    record: Record
    value: float
    """As it was recorded."""

    @property
    def name(self) -> str:
        """What it is called: the tensor's name and the place in it, or the formula that it is."""
        raise NotImplementedError

    @property
    def kind(self) -> Kind:
        raise NotImplementedError

    @property
    def recomputed(self) -> float | None:
        """The same in float64 from the recorded numbers in its formula; None where it has no formula."""
        raise NotImplementedError

    @property
    def terms(self) -> Terms:
        """What it is made of; those of a sum by size, the largest first."""
        raise NotImplementedError

    @property
    def formula(self) -> str:
        """How it is computed, with the names of the operation's arguments."""
        raise NotImplementedError

    @property
    def magnitude(self) -> float:
        """The formula with every term taken without its sign: rounding errors are a share of this."""
        return abs(self.value)

    @property
    def tolerance(self) -> Tolerance:
        return EXACT

    @property
    def difference(self) -> float | None:
        """How far the recomputed value lies from the recorded one."""
        if self.recomputed is None:
            return None
        return 0.0 if same(self.value, self.recomputed) else self.recomputed - self.value

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance; a number without a formula cannot disagree."""
        if self.recomputed is None:
            return True
        pair = np.asarray(self.value), np.asarray(self.recomputed), np.asarray(self.magnitude)
        return bool(self.tolerance.allows(*pair))

    def explain(self, depth: int = 1, *, shown: int = 20) -> Explanation:
        """What made this number, for `depth` operations back; of a long sum the `shown` largest terms."""
        from everysum.explain.explanation import Explanation

        return Explanation(self, depth, shown)

    def path(self) -> list[Number]:
        """From this number always on to its largest term, down to a token, a weight or a constant."""
        from everysum.explain.path import path_from

        return path_from(self)

    def __float__(self) -> float:
        return float(self.value)

    def __repr__(self) -> str:
        return f"{self.name} = {self.value:.7g}"


def same(one: float, other: float) -> bool:
    return one == other or (one != one and other != other)


@dataclass(frozen=True)
class Group:
    """Terms of one form: `node` for every value of the variable `over`, each times `factor`."""

    asked: Asked
    node: Node
    factor: float
    over: str | None
    values: Values


class Terms(Sequence[Number]):
    """The terms of a formula. They are made when they are looked at, so that a sum of 50,000 is no burden."""

    def __init__(self, record: Record, groups: Sequence[Group | Number], *, by_size: bool) -> None:
        self.record, self.groups = record, groups
        arrays = [group.values if isinstance(group, Group) else np.array([group.value]) for group in groups]
        self.starts = np.cumsum([0, *(len(array) for array in arrays)])
        unsorted = np.concatenate(arrays) if arrays else np.zeros(0)
        self.order = np.arange(len(unsorted))
        if by_size:
            self.order = np.argsort(-np.abs(np.nan_to_num(unsorted, posinf=np.inf, neginf=-np.inf)), kind="stable")
        self.values: Values = unsorted[self.order]
        """All terms' values, in order."""

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, place: int) -> Number: ...
    @overload
    def __getitem__(self, place: slice) -> list[Number]: ...
    def __getitem__(self, place: int | slice) -> Number | list[Number]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        return self.made(int(self.order[place]))

    def __iter__(self) -> Iterator[Number]:
        return (self[place] for place in range(len(self)))

    def made(self, spot: int) -> Number:
        number = int(np.searchsorted(self.starts, spot, side="right")) - 1
        group = self.groups[number]
        if isinstance(group, Number):
            return group
        place = spot - int(self.starts[number])
        asked = group.asked
        if group.over is not None:
            asked = asked.with_variable(group.over, np.full((1,) * len(asked.shape), place, dtype=np.int64))
        return number_of(self.record, asked, group.node, group.factor)


def number_of(record: Record, asked: Asked, node: Node, factor: float = 1.0) -> Number:
    """The number that a piece of a formula is: a recorded one where it only reads one."""
    node = settled(node, asked)
    if factor == 1.0 and "read" in node and (reads := reads_of(node, asked)):
        return recorded_number(record, reads[-1])
    return Part(record, asked, node, factor)


def recorded_number(record: Record, read: Read) -> RecordedNumber:
    return RecordedNumber(record, read.view.storage, read.offset, read.time, read.view.dtype)


class Part(Number):
    """A piece of a formula: a product in a sum, or the sum in a mean. It was never stored; its value is recomputed."""

    def __init__(self, record: Record, asked: Asked, node: Node, factor: float = 1.0) -> None:
        self.record, self.asked, self.node, self.factor = record, asked, node, factor

    @cached_property
    def pair(self) -> tuple[float, float]:
        with np.errstate(all="ignore"):
            value, size = evaluate(self.node, self.asked)
        return float(value.reshape(-1)[0]) * self.factor, float(size.reshape(-1)[0]) * abs(self.factor)

    @property
    def value(self) -> float:  # type: ignore[override]
        return self.pair[0]

    @property
    def recomputed(self) -> float:
        return self.pair[0]

    @property
    def magnitude(self) -> float:
        return self.pair[1]

    @cached_property
    def kind(self) -> Kind:  # type: ignore[override]
        return kind_of(self.node, self.asked, self.factor)  # type: ignore[no-any-return]

    @property
    def formula(self) -> str:
        return Writer(self.asked).formula(self.node, self.factor)

    @property
    def word(self) -> str:
        """What people call this piece, such as "mean"; empty where there is no word."""
        node = settled(self.node, self.asked)
        return str(node.get("name", "")).replace("_", " ") if self.factor == 1.0 else ""

    @property
    def name(self) -> str:
        text = Writer(self.asked, lambda read: recorded_number(self.record, read).name).formula(self.node, self.factor)
        return f"{self.word} = {text}" if self.word else text

    @cached_property
    def terms(self) -> Terms:  # type: ignore[override]
        return terms_of(self.record, self.asked, self.node, self.factor)

    @cached_property
    def parts(self) -> list[Number]:
        """Its terms, all of them made."""
        return list(self.terms)


def terms_of(record: Record, asked: Asked, node: Node, factor: float) -> Terms:
    """The terms of a formula, whatever it is."""
    with np.errstate(all="ignore"):
        groups = [Group(*group) for group in groups_of(node, asked, factor)]
        if groups:
            return Terms(record, groups, by_size=True)
        plain = unnamed(node, asked)
        if factor == 1.0 and "read" in plain:
            reads = reads_of(plain, asked)  # the last is the number, those before chose it
            return Terms(record, [recorded_number(record, read) for read in reads[-1:] + reads[:-1]], by_size=False)
        parts: list[Number] = [number_of(record, asked, part, scale) for part, scale in factors_of(node, asked, factor)]
    if "reduce" in node and kind_of(node, asked, factor) == "largest":
        parts.sort(key=lambda number: number.value, reverse=node["reduce"] == "max")
    return Terms(record, parts, by_size=False)


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
        value = value.reshape(-1)[0]
        return (complex(value) if value.dtype.kind == "c" else float(value)), float(np.abs(size.reshape(-1)[0]))  # type: ignore[return-value]

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
    def kind(self) -> Kind:  # type: ignore[override]
        if self.write is None:
            self.record.check([self.storage])
            return "given"
        if self.asked is not None:
            return kind_of(self.node, self.asked, 1.0)
        if self.inner is not None:
            return self.inner.kind
        operation, output, _ = self.write
        if drawn(operation, output):
            return "drawn"
        return "left over" if operation.facts.packet.partition(".")[2] in UNFILLED else "opaque"

    @property
    def formula(self) -> str:
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
        return "a constant of the program" if origin is None else f"{article(origin.kind)} {origin.kind}"

    @cached_property
    def terms(self) -> Terms:  # type: ignore[override]
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
