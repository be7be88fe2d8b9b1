"""Leaf or flower: the first network, every sum of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from everysum.lessons.blocks import (
    Block,
    Diagram,
    Heading,
    Progress,
    Text,
    Try,
    row,
    sums,
    table,
)
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.classifier import KINDS, WEATHER, by_sign, chances, difference, largest, shares
from everysum.plain.network import collapsed, forward, neuron, relu
from everysum.plain.vector import Vector

if TYPE_CHECKING:
    from torch import Tensor

INPUTS = ("red", "green", "blue", "volume")
MIDDLE = ("blue", "grey", "orange")

FIGURES = (
    Figure("object", "32 107 56 11.2", "its color and its volume in ml", "numbers", 0, 1000, 1, INPUTS),
    Figure("blue", "0.10 −0.29 −0.07 0.46", "weights of the blue neuron", "numbers", -2, 2, labels=INPUTS),
    Figure("grey", "0.12 −0.05 0.04 0.16", "weights of the grey neuron", "numbers", -2, 2, labels=INPUTS),
    Figure("orange", "−0.36 −0.21 −0.27 0.18", "weights of the orange neuron", "numbers", -2, 2, labels=INPUTS),
    Figure("leaf", "−0.17 0.39 0.10", "weights of the output leaf", "numbers", -2, 2, labels=MIDDLE),
    Figure("flower", "0.05 −0.12 −0.04", "weights of the output flower", "numbers", -2, 2, labels=MIDDLE),
    Figure("bias", "0.25", "a bias for the blue neuron, where biases are shown", least=-100, most=100),
)

DRAWING = (
    "red    ●──┐",
    "green  ●──┤   ● blue   ──┐   ● leaf",
    "blue   ●──┼── ● grey   ──┼── ",
    "volume ●──┘   ● orange ──┘   ● flower",
    "",
    "4 inputs      3 neurons      2 outputs     4 × 3 + 3 × 2 = 18 weights",
)


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    inputs = given.vector("object")
    middle, output = given.matrix("blue", "grey", "orange"), given.matrix("leaf", "flower")
    sums_between, outputs = forward(inputs, [middle, output])
    verdict = largest(outputs)

    yield Text(
        "A network takes numbers and gives numbers; everything else is how we read them. Here four numbers describe "
        "a thing: how red, green and blue it is, and its volume. Is it a leaf or a flower?"
    )
    yield Diagram(DRAWING)
    yield Text(
        "Each circle behind the first column is a neuron: it takes every number before it, multiplies each by a "
        "weight of its own, and adds the products up. That is all it does."
    )
    yield Heading("The three neurons in the middle")
    yield sums(dict(zip(MIDDLE, sums_between, strict=True)))
    yield Heading("The two outputs, made of those three in the same way")
    yield sums(dict(zip(KINDS, outputs, strict=True)))
    yield Text(
        f"The larger one wins: this is a {verdict}. Going once through all layers like this is a forward pass; the "
        "weights are the network's parameters."
    )
    yield from other_readings(outputs)
    yield Heading("A bias")
    yield Text("Most neurons have one more number, which is simply added: the bias. On the blue neuron:")
    yield sums({"blue": neuron(inputs, middle[0], given.single("bias"))})
    yield from with_a_bend(inputs, given)
    yield from without_a_bend(given)
    yield Heading("The same in torch")
    yield compared("both outputs", in_torch, [inputs, middle, output], outputs)
    yield Try(("orange.volume=-0.18",), "one sign turned, and the leaf is taken for a flower")
    yield Try(("object=241 200 4 59.5",), "a sunflower goes in")


def other_readings(outputs: Vector) -> Iterator[Block]:
    yield Heading("Other ways to read the same two numbers")
    one = difference(outputs)
    yield Text("One output would do: let a positive number mean leaf and a negative one flower.")
    yield sums({"leaf − flower": one})
    rows = [row("softmax", chances(outputs))]
    if all(output.value > 0 for output in outputs):
        rows.insert(0, row("shares of their sum", shares(outputs)))
    yield Text(
        f"It says {by_sign(one)} too. Or they become chances, which are positive and add up to 1: as shares of their "
        "sum while both are positive, by softmax always (a chapter of its own)."
    )
    yield table(KINDS, rows, alike=True)
    yield Text(
        f"And feed it cloud cover and humidity, call the outputs {WEATHER[0]} and {WEATHER[1]}, and the same machine "
        "forecasts the weather, given weights that are good for it. It knows nothing of leaves; we do."
    )


def with_a_bend(inputs: Vector, given: Given) -> Iterator[Block]:
    middle, output = given.matrix("blue", "grey", "orange"), given.matrix("leaf", "flower")
    between, outputs = forward(inputs, [middle, output], relu)
    yield Heading("A bend between the layers")
    yield Text(
        "Real networks bend each number on its way to the next layer; that is an activation. The simplest, ReLU, makes "
        "every negative number 0."
    )
    yield sums(dict(zip(MIDDLE, [relu(number) for number in between], strict=True)))
    yield sums(dict(zip(KINDS, outputs, strict=True)))
    yield Text(
        f"Now the verdict is {largest(outputs)}. These weights were not made for the bend: with it the article's leaf "
        "and its flower both come out as leaf, so the network must be trained again."
    )


def without_a_bend(given: Given) -> Iterator[Block]:
    together = collapsed(given.matrix("blue", "grey", "orange"), given.matrix("leaf", "flower"))
    yield Heading("Why bend at all?")
    yield Text(
        "Without a bend, two layers are only one. Red reaches leaf along three paths, through blue, grey and orange; "
        "the products along the paths, added up, are one weight that does the same:"
    )
    yield sums({"red → leaf": together[0][0], "red → flower": together[1][0]})
    yield table(INPUTS, [row(f"→ {kind}", weights) for kind, weights in zip(KINDS, together, strict=True)], alike=True)
    yield Text("Eight weights instead of eighteen, and the same outputs for every object. A bend prevents that.")


def in_torch(inputs: Tensor, middle: Tensor, output: Tensor) -> Tensor:
    from everysum.models.classifier import Classifier

    network = Classifier([4, 3, 2]).double()
    network.layers[0].weight.data = middle
    network.layers[1].weight.data = output
    return network(inputs)


CHAPTER = Chapter(
    "network",
    "Leaf or flower",
    "neurons, weights, layers: a first network, sum by sum",
    "A simple neural network",
    FIGURES,
    ("plain/network.py", "plain/classifier.py", "models/classifier.py"),
    teach,
)
