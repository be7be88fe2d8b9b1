"""A number that remembers how it was made: its value, the operation, and its parents, the numbers that went in.

Everything in this folder is made of these. Their memory gives two things that ordinary numbers cannot: the sum behind
each, by printing it, and its gradient for every number that went in: how far it would move for each unit that that one
moved.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from operator import attrgetter

from everysum.plain import operations as of
from everysum.plain.operations import Operation
from everysum.plain.writing import figure, sums_behind

serials = count()
Parents = tuple["Number", ...]
Sign = Callable[["Number", "Number | float"], "Number"]


def signs(operation: Operation) -> tuple[Sign, Sign]:
    """What `a + b` does, and what it does when a is a bare number."""
    return (
        lambda number, other: made(operation, number, as_number(other)),
        lambda number, other: made(operation, as_number(other), number),
    )


class Number:
    """A value with its history; `gradient` is how far the result of the last `backward` that came here moves with it.

    Given as text, a number is printed as it was written: `Number("0.10")`. Training may change the value of a given
    number. A sum made before still is what it was then: `parts` are the values that its parents had.
    """

    __slots__ = ("gradient", "operation", "parents", "parts", "serial", "value", "written")

    def __init__(
        self, value: float | str, operation: Operation = of.GIVEN, parents: Parents = (), parts: of.Values = ()
    ) -> None:
        self.written = value.replace("−", "-") if isinstance(value, str) else ""
        self.value = float(self.written or value)
        self.operation, self.parents, self.parts = operation, parents, parts
        self.gradient = 0.0
        # a number is always younger than its parents: in the order of serials, every sum comes after its parts
        self.serial = next(serials)

    def backward(self) -> None:
        """The gradient of every number behind this one, by formula, in one pass from the result back to the start.

        A number passes its own gradient on to each parent, times the slope of the operation there; a number that was
        used in several places gets several such parts, and their total is its gradient (the chain rule).
        """
        history = behind(self)
        for number in history:
            number.gradient = 0.0
        self.gradient = 1.0
        for number in reversed(history):
            if number.parents and number.gradient:
                gradient = number.gradient
                slopes = number.operation.slopes(number.parts, number.value)
                for parent, slope in zip(number.parents, slopes, strict=True):
                    parent.gradient += gradient * slope

    def sums(self, depth: int | None = 1) -> str:
        """The sum behind this number, and behind its parts, `depth` steps back; None: down to what was given."""
        return sums_behind(self, depth)

    def __str__(self) -> str:
        return sums_behind(self)

    def __repr__(self) -> str:
        return figure(self.value)

    def __float__(self) -> float:
        return self.value

    # a reader's own 1 − p and 2 × x: a bare number on either side becomes a given one
    __add__, __radd__ = signs(of.SUM)
    __sub__, __rsub__ = signs(of.DIFFERENCE)
    __mul__, __rmul__ = signs(of.PRODUCT)
    __truediv__, __rtruediv__ = signs(of.QUOTIENT)

    def __pow__(self, exponent: int) -> Number:
        return made(of.power(exponent), self)

    def __neg__(self) -> Number:
        return made(of.NEGATIVE, self)

    def __abs__(self) -> Number:
        return made(of.ABSOLUTE, self)


def as_number(value: Number | float | str) -> Number:
    return value if isinstance(value, Number) else Number(value)


def made(operation: Operation, *parents: Number) -> Number:
    """A new number from others."""
    parts = [parent.value for parent in parents]
    return Number(operation.value(parts), operation, parents, parts)


def behind(result: Number) -> list[Number]:
    """Every number that went into this one, however far back, the oldest first and itself last."""
    found, generation = set[Number](), {result}
    while generation:
        found |= generation
        generation = set[Number]().union(*(number.parents for number in generation)) - found
    return sorted(found, key=attrgetter("serial"))


def nudged(result: Number, number: Number, value: float) -> float:
    """What the result would be if one of the numbers behind it had this value: all that depends on it, once more."""
    moved = {number: value}
    for each in behind(result):
        if each is not number and not moved.keys().isdisjoint(each.parents):
            parts = [moved.get(parent, part) for parent, part in zip(each.parents, each.parts, strict=True)]
            moved[each] = each.operation.value(parts)
    return moved.get(result, result.value)


def gradient_by_nudging(result: Number, number: Number, nudge: float = 1e-6) -> float:
    """How far the result moves for each unit that the number moves: try a little more and a little less."""
    more = nudged(result, number, number.value + nudge)
    less = nudged(result, number, number.value - nudge)
    return (more - less) / (2 * nudge)
