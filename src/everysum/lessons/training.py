"""Training: a loss, a gradient for every weight, a small step, and again."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Curve, Heading, Progress, Text, Try, row, sums, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.classifier import FLOWER, KINDS, LEAF, largest
from everysum.plain.linear import random_matrix
from everysum.plain.loss import sum_of_differences
from everysum.plain.network import forward
from everysum.plain.number import Number, gradient_by_nudging, nudged
from everysum.plain.training import gradients, parameters, train
from everysum.plain.vector import Matrix, Vector, numbers
from everysum.plain.writing import figure

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = (
    Figure("outputs", "0.6 0.4", "what a network might say", "numbers", -10, 10, labels=KINDS),
    Figure("wanted", "0.8 0.2", "what we want it to say", "numbers", -10, 10, labels=KINDS),
    Figure("seed", "1", "which random weights to start from", "count", 0, 9999, 1),
    Figure("rate", "0.005", "how large a step is", "number", 0, 0.5, 0.001),
    Figure("epochs", "150", "how often to go through the examples", "count", 1, 500, 1),
)

Example = tuple[Vector, list[float]]


def in_hundreds(things: Vector) -> Vector:
    return numbers(round(number.value / 100, 4) for number in things)


EXAMPLES: tuple[Example, ...] = ((in_hundreds(LEAF), [1.0, 0.0]), (in_hundreds(FLOWER), [0.0, 1.0]))


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    yield Text(
        "Nobody chose the weights of the leaf network by hand. They start as random numbers and are moved, a little at "
        "a time, until the outputs are what they should be. For that we need examples with the right answer (labelled "
        "data), and one number that says how wrong the network still is: the loss."
    )
    yield Heading("The loss")
    wanted = [float(number) for number in given.vector("wanted")]
    lost = sum_of_differences(given.vector("outputs"), wanted)
    yield Text("Take how far each output is from the wanted one, forget the minus signs, add up:")
    yield sums({"loss": lost}, depth=3)

    random = Random(given.count("seed"))
    layers = [random_matrix(3, 4, random, 0.5), random_matrix(2, 3, random, 0.5)]
    yield from one_step(layers, given)
    yield from many_steps(layers, given, progress)
    yield Text(
        "That is gradient descent, and a model with billions of parameters is trained in just this way; only the loss "
        "is another one (chapter cross-entropy), and the steps are chosen more cleverly."
    )
    yield Try(("rate=0.3",), "Steps that are too large jump over the valley: the loss does not settle.")
    yield Try(("seed=2",), "Another random start.")


def loss_of(layers: list[Matrix], example: Example) -> Number:
    inputs, wanted = example
    return sum_of_differences(forward(inputs, layers)[-1], wanted)


def one_step(layers: list[Matrix], given: Given) -> Iterator[Block]:
    yield Heading("Which way is down?")
    yield Text(
        "Here is a network with random weights (4 inputs, 3 neurons, 2 outputs), and our leaf, measured in hundreds so "
        "that all numbers are of a size. Leaf should be 1 and flower 0:"
    )
    loss = loss_of(layers, EXAMPLES[0])
    yield sums({"loss": loss}, depth=4)
    weight = layers[1][0][0]
    yield Text(
        f"Take one weight, the first of the output leaf, which is {figure(weight.value)}, and nudge it up and down a "
        "little. How far the loss moves, for each unit that the weight moved, is this weight's gradient."
    )
    rows = [
        row(f"weight {figure(value)}", [nudged(loss, weight, value)])
        for value in (weight.value - 0.01, weight.value, weight.value + 0.01)
    ]
    yield table(("loss",), rows)
    by_nudging, (by_formula,) = gradient_by_nudging(loss, weight), gradients(loss, [weight])
    yield Text(
        "We need not really nudge. The weight multiplies what its neuron sends, so the output moves by that much, and "
        "the loss with it: a formula gives the same number, and in one pass backwards those of all 18 weights."
    )
    yield table(("gradient",), [row("by nudging", [by_nudging]), row("by formula", [by_formula])])
    rate = given.number("rate")
    yield Text(
        f"Where the gradient is positive, more of the weight makes things worse. So the step goes against it: "
        f"weight − {rate:g} × gradient = {figure(weight.value - rate * by_formula)}. Every weight is moved like this."
    )


def many_steps(layers: list[Matrix], given: Given, progress: Progress) -> Iterator[Block]:
    yield Heading("Again and again, for all examples")
    yield Text(
        "A step that helps the leaf may harm the flower. So the loss is the average over all examples, here these two; "
        "going through them once is an epoch."
    )
    start = [[numbers(number.value for number in line) for line in layer] for layer in layers]
    epochs, rate = given.count("epochs"), given.number("rate")
    losses = train(
        EXAMPLES,
        lambda example: loss_of(layers, example),
        parameters(layers),
        epochs=epochs,
        rate=rate,
        progress=lambda step, loss: progress(step, epochs, loss),
    )
    yield Curve("average loss", "epoch", tuple(losses))
    answers = [forward(inputs, layers)[-1] for inputs, _ in EXAMPLES]
    rows = [row(f"the {kind}", [*outputs, largest(outputs)]) for kind, outputs in zip(KINDS, answers, strict=True)]
    yield Text("What the trained network says:")
    yield table(("leaf", "flower", "verdict"), rows)
    few = min(epochs, 5)
    yield Text(f"The same in torch, from the same start; the losses of the first {few} epochs must be the same.")
    inputs, targets = [inputs for inputs, _ in EXAMPLES], [numbers(wanted) for _, wanted in EXAMPLES]
    yield compared("losses", in_torch, [*start, inputs, targets, few, rate], numbers(losses[:few]))


def in_torch(middle: Tensor, output: Tensor, inputs: Tensor, wanted: Tensor, epochs: int, rate: float) -> Tensor:
    import torch

    losses, optimizer = [], torch.optim.SGD([middle, output], lr=rate)
    for _ in range(epochs):
        outputs = inputs @ middle.T @ output.T
        loss = (outputs - wanted).abs().sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)


CHAPTER = Chapter(
    "training",
    "Learning from mistakes",
    "loss, gradient, a small step, and again",
    "How are these models trained?",
    FIGURES,
    ("plain/training.py", "plain/loss.py", "training/loop.py"),
    teach,
)
