"""The first network: is it a leaf or a flower? Four numbers in, two out, 4 × 3 + 3 × 2 = 18 weights."""

from __future__ import annotations

from collections.abc import Sequence

from everysum.plain.number import Number
from everysum.plain.softmax import softmax
from everysum.plain.vector import Vector, numbers, total

# red, green and blue of the main color, and the volume in milliliters
LEAF = numbers("32 107 56 11.2")
FLOWER = numbers("241 200 4 59.5")

MIDDLE = [
    numbers("0.10 −0.29 −0.07 0.46"),  # blue
    numbers("0.12 −0.05 0.04 0.16"),  # grey
    numbers("−0.36 −0.21 −0.27 0.18"),  # orange
]
OUTPUT = [
    numbers("−0.17 0.39 0.10"),  # leaf
    numbers("0.05 −0.12 −0.04"),  # flower
]
LAYERS = [MIDDLE, OUTPUT]

KINDS = ("leaf", "flower")
WEATHER = ("sunny", "rainy")
"""The same two outputs could as well be asked what the next hour brings, from cloud cover, humidity and so on: trained
for both, one network serves both. What its numbers mean is our reading."""


def largest(outputs: Sequence[Number], names: Sequence[str] = KINDS) -> str:
    """One output for each name: the verdict is the name of the largest. This goes on to any number of names."""
    return names[max(range(len(names)), key=lambda place: outputs[place].value)]


def by_sign(output: Number, names: Sequence[str] = KINDS) -> str:
    """One output for two names: positive means the first. `difference` makes it of two outputs."""
    return names[0] if output.value > 0 else names[1]


def difference(outputs: Sequence[Number]) -> Number:
    """The one number that says what two outputs say: how far the first is ahead."""
    first, second = outputs
    return first - second


def shares(outputs: Sequence[Number]) -> Vector:
    """Outputs as shares of their sum, which only works while none is negative."""
    if any(output.value < 0 for output in outputs):
        raise ValueError("a negative output has no share of the sum: use softmax, which takes any numbers")
    whole = total(outputs)
    return [output / whole for output in outputs]


def chances(outputs: Sequence[Number]) -> Vector:
    """Outputs as chances, whatever they are: softmax."""
    return softmax(outputs)
