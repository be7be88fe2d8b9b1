"""Softmax: any numbers as chances, and drawing by them.

A network may put out any number, and we want chances: between 0 and 1, in the order of the outputs, adding up to 1.
Capping gives the first, the logistic function the second too, softmax all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from everysum.plain import operations as of
from everysum.plain.number import Number, made
from everysum.plain.vector import Vector, total


def capped(number: Number) -> Number:
    """Cut off below 0 and above 1. Beyond the cut all numbers are the same, and no gradient tells the way back."""
    return 1 - made(of.RELU, 1 - made(of.RELU, number))


def logistic(number: Number) -> Number:
    """1 / (1 + e^−x): from any number to one between 0 and 1, the larger the larger; 0 becomes ½ ("sigmoid")."""
    return made(of.LOGISTIC, number)


def softmax(numbers: Sequence[Number], temperature: float = 1.0) -> Vector:
    """e^x of each, as shares of their sum. Two numbers get logistic(a − b) and logistic(b − a).

    A temperature below 1 makes the likely likelier, one above 1 brings all chances together. The largest number is
    taken from all of them first: every e^x becomes smaller alike, so the shares stay, and none is too large to compute.
    """
    if temperature <= 0:
        raise ValueError(
            f"a temperature of {temperature} cannot divide: take one above 0, or `likeliest` for the limit"
        )
    largest = Number(max(number.value for number in numbers))
    lowered = [number - largest if temperature == 1 else (number - largest) / temperature for number in numbers]
    powers = [made(of.EXPONENTIAL, number) for number in lowered]
    whole = total(powers)
    return [power / whole for power in powers]


def likeliest(numbers: Sequence[Number]) -> int:
    """The place of the largest ("argmax"): always choosing it is what sampling becomes at temperature 0."""
    return max(range(len(numbers)), key=lambda place: numbers[place].value)


def drawn(chances: Sequence[Number], random: Random) -> int:
    """A place, each as often as its chance says: lay the chances end to end, and drop a pin on them."""
    pin = random.random() * sum(chance.value for chance in chances)
    for place, chance in enumerate(chances):
        pin -= chance.value
        if pin < 0:
            return place
    return likeliest(chances)  # the pin fell on the far end, where rounding left nothing
