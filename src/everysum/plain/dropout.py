"""Dropout: training with parts missing, so that none can be relied on alone, as if many networks were trained at once.

The article deletes connections and makes up for it after training; the standard silences neurons and does so at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

from everysum.plain.network import neuron
from everysum.plain.number import Number
from everysum.plain.vector import Matrix, Vector, total


def connections_deleted(weights: Matrix, probability: float, random: Random) -> Matrix:
    """The article's, while training: each weight is missing with this probability (Wan et al., 2013)."""
    return [[Number(0) if random.random() < probability else weight for weight in row] for row in weights]


def afterwards(weights: Matrix, probability: float) -> Matrix:
    """And after training: all weights at once, each times (1 − p), since 1/(1 − p) times as many are there."""
    return [[weight * (1 - probability) for weight in row] for row in weights]


@dataclass
class Dropout:
    """The standard's, while training: each neuron's number becomes 0 with this probability, the others ÷ (1 − p) grow.

    So the sum that the next layer makes of them stays the same on average, and after training nothing is to be done:
    `unchanged` takes its place (Srivastava et al., 2014).
    """

    probability: float
    random: Random

    def __post_init__(self) -> None:
        if not 0 <= self.probability < 1:
            raise ValueError(f"a probability of {self.probability} leaves nothing to train: take one from 0 to below 1")

    def __call__(self, vector: Sequence[Number]) -> Vector:
        kept = 1 - self.probability
        return [Number(0) if self.random.random() < self.probability else number / kept for number in vector]


def unchanged(vector: Vector) -> Vector:
    """No dropout."""
    return vector


def ways_to_delete(weights: Sequence[Number], probability: float) -> Iterator[tuple[float, Vector]]:
    """Every way to delete some of a neuron's n connections, 2ⁿ in all: how likely it is, and the weights it leaves."""
    for kept in product((True, False), repeat=len(weights)):
        likelihood = 1.0
        for stays in kept:
            likelihood *= 1 - probability if stays else probability
        yield likelihood, [weight if stays else Number(0) for weight, stays in zip(weights, kept, strict=True)]


def ensemble(inputs: Sequence[Number], weights: Sequence[Number], probability: float) -> Number:
    """A neuron's average over all those ways, the likely ones counting more: many networks asked instead of one.

    For one layer it is exactly the neuron with all weights times (1 − p): an ensemble in disguise. Through a bend it is
    so only nearly.
    """
    ways = ways_to_delete(weights, probability)
    return total(neuron(inputs, left) * likelihood for likelihood, left in ways)
