"""Mean, variance and standard deviation: where numbers lie, and how far apart."""

from __future__ import annotations

from collections.abc import Sequence

from everysum.plain import operations as of
from everysum.plain.number import Number, made
from everysum.plain.vector import Vector, total, weighted_sum


def mean(numbers: Sequence[Number]) -> Number:
    """Their sum, divided by how many there are."""
    return total(numbers) / len(numbers)


def differences(numbers: Sequence[Number]) -> Vector:
    """How far each is from the mean; these always add up to 0."""
    middle = mean(numbers)
    return [number - middle for number in numbers]


def variance(numbers: Sequence[Number]) -> Number:
    """The mean of the squared differences: divided by N, not by N − 1 as where a sample stands for more than itself."""
    apart = differences(numbers)
    return weighted_sum(apart, apart) / len(numbers)


def deviation(numbers: Sequence[Number]) -> Number:
    """The root of the variance, in the unit of the numbers themselves: 0 if all are the same."""
    return root(variance(numbers))


def root(number: Number) -> Number:
    return made(of.ROOT, number)
