"""Vectors and matrices: numbers in a fixed order, and rows of them; and the sums that they are put into."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from everysum.plain import operations as of
from everysum.plain.number import Number, made

Vector = list[Number]
Matrix = list[Vector]
"""A list of rows."""


def numbers(values: str | Iterable[float | str]) -> Vector:
    """A vector of given numbers: `numbers("0.10 −0.29 −0.07 0.46")` or `numbers([32, 107])`."""
    return [Number(value) for value in (values.split() if isinstance(values, str) else values)]


def total(terms: Iterable[Number]) -> Number:
    """All of them added up, as one sum."""
    return made(of.SUM, *terms)


def weighted_sum(inputs: Sequence[Number], weights: Sequence[Number], bias: Number | None = None) -> Number:
    """Each input times its weight, all added up, and the bias if there is one; also called a dot product."""
    refuse_unequal(inputs, weights, "a weighted sum needs one weight for each input")
    return made(of.WEIGHTED_SUM, *inputs, *weights, *(() if bias is None else (bias,)))


def added(first: Sequence[Number], second: Sequence[Number]) -> Vector:
    """Two vectors added, number by number."""
    refuse_unequal(first, second, "vectors that are added must have the same length")
    return [one + other for one, other in zip(first, second, strict=True)]


def refuse_unequal(first: Sequence[object], second: Sequence[object], why: str) -> None:
    if len(first) != len(second):
        raise ValueError(f"{len(first)} numbers on one side, {len(second)} on the other: {why}")
