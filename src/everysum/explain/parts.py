"""The terms of a formula: each again a number, made when it is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np

from everysum.explain.asked import Asked, Read
from everysum.explain.evaluate import evaluate
from everysum.explain.formulas import factors_of, groups_of, kind_of, reads_of, settled, unnamed
from everysum.explain.number import Kind, Number
from everysum.explain.storage import Values
from everysum.explain.templates import Node
from everysum.explain.writing import Writer

if TYPE_CHECKING:
    from everysum.explain.record import Record
    from everysum.explain.recorded import RecordedNumber


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
    from everysum.explain.recorded import RecordedNumber  # which needs this module

    return RecordedNumber(record, read.view.storage, read.offset, read.time, read.view.dtype)


class Part(Number):
    """A piece of a formula: a product in a sum, or the sum in a mean. It was never stored; its value is recomputed."""

    def __init__(self, record: Record, asked: Asked, node: Node, factor: float = 1.0) -> None:
        self.record, self.asked, self.node, self.factor = record, asked, node, factor

    @cached_property
    def pair(self) -> tuple[float, float]:
        with np.errstate(all="ignore"):
            value, size = evaluate(self.node, self.asked)
        return plain(value) * self.factor, abs(plain(size)) * abs(self.factor)

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
    def kind(self) -> Kind:
        kind: Kind = kind_of(self.node, self.asked, self.factor)
        return kind

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
    def terms(self) -> Terms:
        return terms_of(self.record, self.asked, self.node, self.factor)

    @cached_property
    def parts(self) -> list[Number]:
        """Its terms, all of them made."""
        return list(self.terms)


def plain(values: Values) -> float:
    """The one number of an array; a complex one stays complex."""
    value = np.asarray(values).reshape(-1)[0]
    return complex(value) if value.dtype.kind == "c" else float(value)  # type: ignore[return-value]


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
