"""Why deep networks are hard to train: a gradient is a product along the way back, and it vanishes or explodes.

`number.py` finds gradients, by nudging and by formula. Here is what happens to them in a tower of many layers, one
neuron each: on its way back through a layer, a gradient is multiplied by its weight and by the slope of its bend.
"""

from __future__ import annotations

from collections.abc import Callable

from everysum.plain.number import Number
from everysum.plain.vector import Vector

Layer = Callable[[Number], Number]


def tower(start: Number, layer: Layer, height: int) -> Vector:
    """The start and the number after each layer, each made from the one below."""
    numbers = [start]
    for _ in range(height):
        numbers.append(layer(numbers[-1]))
    return numbers


def gradients_down(numbers: Vector) -> list[float]:
    """How far the top moves with the number on each floor, from the ground up; the last, the top itself, is 1.

    With a weight of 0.5 a layer, ten layers leave 0.5¹⁰ = 0.00098 of it: below, training hardly moves anything (a
    vanishing gradient). With 2 it is 1024 (an exploding one). The logistic function's slope alone is at most ¼.
    """
    numbers[-1].backward()
    return [number.gradient for number in numbers]
