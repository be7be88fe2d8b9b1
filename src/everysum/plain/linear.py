"""A layer of neurons that owns its weights: what networks are put together from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from everysum.plain.network import layer
from everysum.plain.number import Number
from everysum.plain.vector import Matrix, Vector, numbers


@dataclass
class Linear:
    """output = weight · input + bias; `weight` has a row for each output."""

    weight: Matrix
    bias: Vector | None = None

    def __call__(self, inputs: Sequence[Number]) -> Vector:
        return layer(inputs, self.weight, self.bias)


def random_vector(length: int, random: Random, deviation: float) -> Vector:
    """Numbers around 0, most of them not farther from it than the deviation."""
    return numbers(random.gauss(0.0, deviation) for _ in range(length))


def random_matrix(rows: int, columns: int, random: Random, deviation: float) -> Matrix:
    return [random_vector(columns, random, deviation) for _ in range(rows)]


def random_linear(inputs: int, outputs: int, random: Random, *, bias: bool = True) -> Linear:
    """Random weights, the smaller the more inputs are added up, so that numbers keep their size; biases start at 0."""
    return Linear(random_matrix(outputs, inputs, random, inputs**-0.5), numbers([0.0] * outputs) if bias else None)
