"""Overfitting, made visible: a network that learns its examples by heart gets worse at those it has not seen.

The rule to learn: of five numbers, do the first two add up to more than 0? About one label in seven is wrong. From 16
examples a network of 16 neurons can learn every label, the wrong ones too: its loss there goes to 0, while its loss on
examples held out from training first falls and then rises. Deleting connections while training makes it rise less.
"""

from __future__ import annotations

from random import Random

from everysum.plain.deviation import mean
from everysum.plain.dropout import afterwards, connections_deleted
from everysum.plain.linear import random_linear, random_vector
from everysum.plain.loss import cross_entropy
from everysum.plain.network import activated, layer
from everysum.plain.number import Number
from everysum.plain.training import parameters, train
from everysum.plain.vector import Matrix, Vector

Example = tuple[Vector, int]
Curve = list[tuple[float, float]]
EVERY = 5
"""Epochs between two looks at the losses."""


def examples(count: int, random: Random, wrong: float = 0.15) -> list[Example]:
    """Five random numbers each, and 1 if the first two add up to more than 0, else 0; some labels are wrong."""
    made = []
    for _ in range(count):
        inputs = random_vector(5, random, 1.0)
        label = int(inputs[0].value + inputs[1].value > 0)
        made.append((inputs, 1 - label if random.random() < wrong else label))
    return made


def curves(probability: float, *, seed: int, epochs: int, rate: float = 0.3, every: int = EVERY) -> Curve:
    """The loss on the 16 examples trained on, and that on 100 held out, after every few epochs.

    `probability` is that of each connection into the neurons to be missing; 0 trains without dropout.
    """
    random = Random(seed)
    seen, held_out = examples(16, random), examples(100, random)
    hidden, output = random_linear(5, 16, random), random_linear(16, 2, random)

    def loss(example: Example, weights: Matrix) -> Number:
        inputs, label = example
        return cross_entropy(output(activated(layer(inputs, weights, hidden.bias))), label)

    def while_training(example: Example) -> Number:
        return loss(example, connections_deleted(hidden.weight, probability, random))

    def measured(some: list[Example]) -> float:
        weights = afterwards(hidden.weight, probability)
        return mean([loss(example, weights) for example in some]).value

    def measure(done: int, _: float) -> None:
        if done % every == 0:
            found.append((measured(seen), measured(held_out)))

    found: Curve = []
    train(
        seen,
        while_training,
        parameters([hidden, output]),
        epochs=epochs,
        rate=rate,
        progress=measure,
    )
    return found
