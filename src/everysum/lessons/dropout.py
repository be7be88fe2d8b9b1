"""Dropout: training with parts missing, and the crowd of networks that it amounts to."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Curve, Heading, Progress, Text, Try, row, sums, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.lessons.network import INPUTS
from everysum.plain.dropout import Dropout, afterwards, connections_deleted, ensemble, ways_to_delete
from everysum.plain.network import neuron
from everysum.plain.overfitting import EVERY, curves

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = (
    Figure("inputs", "32 107 56 11.2", "what goes into the neuron", "numbers", labels=INPUTS),
    Figure("weights", "0.10 −0.29 −0.07 0.46", "its weights: the blue neuron's", "numbers", -2, 2, labels=INPUTS),
    Figure("p", "0.5", "how likely each part is missing", "number", 0, 0.95, 0.05),
    Figure("seed", "1", "how the dice fall", "count", 0, 9999, 1),
    Figure("epochs", "60", "how long the two networks below train", "count", 10, 200, 1),
)


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    p, inputs, weights = given.number("p"), given.vector("inputs"), given.vector("weights")
    yield Text(
        "A network with many weights can learn its examples by heart, with everything accidental in them, and then "
        "do badly on others: that is overfitting. Asking several networks and taking the average of their answers "
        "helps, for each errs in its own way. But training many is dear. Dropout gets some of that from one "
        "network: it trains with parts missing, other parts each time."
    )
    yield Heading("Connections deleted")
    random = Random(given.count("seed"))
    yield Text(f"The article deletes connections. The blue neuron, three times, each weight missing with chance {p:g}:")
    yield sums({f"time {at}": neuron(inputs, connections_deleted([weights], p, random)[0]) for at in (1, 2, 3)})
    yield Text(
        "Afterwards all connections are there. Then more comes in than it was trained with, so every weight is "
        f"multiplied by 1 − p = {1 - p:g}:"
    )
    kept = afterwards([weights], p)[0]
    yield sums({"afterwards": neuron(inputs, kept)})
    yield from crowd(given)
    yield from neurons_silenced(given)
    yield from by_heart(given, progress)
    yield Heading("The same in torch")
    both = [neuron(inputs, kept), ensemble(inputs, weights, p)]
    yield compared("afterwards, and the average of all 16", in_torch, [inputs, weights, p], both)
    yield Try(("p=0",), "Nothing missing.")
    yield Try(("p=0.9",), "Hardly anything left to learn with.")


def crowd(given: Given) -> Iterator[Block]:
    p, inputs, weights = given.number("p"), given.vector("inputs"), given.vector("weights")
    yield Heading("A crowd in disguise")
    yield Text(
        "There are 16 ways to delete some of four connections: 16 networks that share their weights. Each way is "
        "as likely as its deletions; their answers, the likely ones counting more, average to just what the "
        "weights times 1 − p give."
    )
    rows = []
    for likely, left in ways_to_delete(weights, p):
        shown = " ".join("●" if part is weight else "·" for part, weight in zip(left, weights, strict=True))
        rows.append(row(shown, [likely, neuron(inputs, left)]))
    rows.append(row("average", ["", ensemble(inputs, weights, p)], strong=True))
    yield table(("how likely", "neuron"), rows)


def neurons_silenced(given: Given) -> Iterator[Block]:
    yield Heading("Neurons silenced: today's way")
    p = given.number("p")
    yield Text(
        f"Today the numbers themselves are made 0 at random, and those that stay grow at once, by 1 ÷ (1 − p) = "
        f"{1 / (1 - p):.5g}. So the next layer gets as much as ever on average, and afterwards nothing has to be done."
    )
    dropout = Dropout(p, Random(given.count("seed")))
    inputs = given.vector("inputs")
    yield table(INPUTS, [row("all", inputs), *(row(f"time {at}", dropout(inputs)) for at in (1, 2, 3))], alike=True)


def by_heart(given: Given, progress: Progress) -> Iterator[Block]:
    yield Heading("Does it help?")
    p, epochs, seed = given.number("p"), given.count("epochs"), given.count("seed")
    yield Text(
        "A small network learns from 16 examples of which about one in seven is labelled wrongly; we watch its loss on "
        f"100 others. After {epochs} rounds without dropout, and with p = {p:g}:"
    )
    found = {}
    for at, (name, probability) in enumerate((("without", 0.0), ("with", p))):
        found[name] = curves(probability, seed=seed, epochs=epochs)
        progress(at + 1, 2, found[name][-1][1])
    yield table(
        ("seen: loss", "unseen: best", "unseen: loss"),
        [row(name, [curve[-1][0], min(unseen for _, unseen in curve), curve[-1][1]]) for name, curve in found.items()],
    )
    for name, curve in found.items():
        yield Curve(f"loss on unseen examples, {name} dropout", "round", tuple(unseen for _, unseen in curve), EVERY)


def in_torch(inputs: Tensor, weights: Tensor, p: float) -> Tensor:
    import itertools

    import torch

    from everysum.layers.dropout import ConnectionDropout
    from everysum.layers.linear import Linear

    layer = ConnectionDropout(Linear(4, 1), p).double().eval()
    layer.linear.weight.data = weights[None]
    average = torch.zeros(())
    for kept in itertools.product([1, 0], repeat=4):
        chance = (1 - p) ** sum(kept) * p ** (4 - sum(kept))
        average = average + chance * (torch.tensor(kept) * weights) @ inputs
    return torch.stack([layer(inputs)[0], average])


CHAPTER = Chapter(
    "dropout",
    "With parts missing",
    "training with parts missing, against learning by heart",
    "Dropout",
    FIGURES,
    ("plain/dropout.py", "plain/overfitting.py", "layers/dropout.py"),
    teach,
)
