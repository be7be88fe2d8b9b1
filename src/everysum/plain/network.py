"""A network: layers of neurons, each of which is a number, the sum of all inputs times its weights.

Its weights and biases are its parameters: training sets them. Computing the outputs from the inputs, layer by layer, is
a forward pass. What inputs and outputs mean is not in the network: we say it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from everysum.plain import operations as of
from everysum.plain.matrix import product
from everysum.plain.number import Number, made
from everysum.plain.vector import Matrix, Vector, weighted_sum

Activation = Callable[[Number], Number]


def neuron(inputs: Sequence[Number], weights: Sequence[Number], bias: Number | None = None) -> Number:
    """One neuron: what it takes from each input, added up; the bias is what it is without any input."""
    return weighted_sum(inputs, weights, bias)


def layer(inputs: Sequence[Number], weights: Matrix, biases: Sequence[Number] | None = None) -> Vector:
    """A layer of neurons, one for each row of weights; all of them see the same inputs ("linear" elsewhere)."""
    if biases is None:
        return [neuron(inputs, row) for row in weights]
    return [neuron(inputs, row, bias) for row, bias in zip(weights, biases, strict=True)]


def relu(number: Number) -> Number:
    """The number itself, or 0 if it is negative: the simplest bend ("rectified linear unit")."""
    return made(of.RELU, number)


def activated(numbers: Iterable[Number], activation: Activation = relu) -> Vector:
    """Each number bent by itself: an activation between two layers."""
    return [activation(number) for number in numbers]


def forward(inputs: Sequence[Number], layers: Sequence[Matrix], activation: Activation | None = None) -> list[Vector]:
    """Through all layers: the sums of each, the outputs last. An activation bends what goes on to the next layer."""
    sums: list[Vector] = []
    for weights in layers:
        sums.append(layer(inputs, weights))
        inputs = sums[-1] if activation is None else activated(sums[-1], activation)
    return sums


def collapsed(first: Matrix, second: Matrix) -> Matrix:
    """The one layer that does what two layers without an activation between them do together.

    An output takes each input along every path, so its weight for that input is the sum over the neurons between of
    weight there × weight on. With a bend between, no such layer exists.
    """
    return product(second, first)
