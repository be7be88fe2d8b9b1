"""Cross-entropy: the loss of all language models, and why the simple one is not used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Heading, Progress, Text, Try, row, sums, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.classifier import KINDS
from everysum.plain.loss import cross_entropy, sum_of_differences
from everysum.plain.number import Number, made
from everysum.plain.operations import LOGARITHM
from everysum.plain.softmax import softmax
from everysum.plain.training import gradients
from everysum.plain.vector import numbers

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = (
    Figure("outputs", "5 1", "what the network says for a leaf", "numbers", -50, 50, 0.1, KINDS),
    Figure("wrong", "0 1", "what another network says for it", "numbers", -50, 50, 0.1, KINDS),
    Figure("wanted", "leaf", "the right answer", "choice", choices=KINDS),
)


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    outputs, wrong, wanted = given.vector("outputs"), given.vector("wrong"), KINDS.index(given.text("wanted"))
    target = [float(place == wanted) for place in range(2)]
    yield Text(
        "Which outputs do we want for a leaf? The larger the number for leaf, the better; but a loss needs a number to "
        f"measure from. Say 1 for {KINDS[wanted]} and 0 for the other, and add up the differences:"
    )
    yield sums(
        {name: sum_of_differences(vector, target) for name, vector in (("outputs", outputs), ("wrong", wrong))}, 3
    )
    yield Text(
        "The article's network that says 5 and 1 is right, very clearly. Yet it is punished for overshooting, harder "
        "than one that says 0 and 1 and is wrong. The outputs must be brought between 0 and 1 first, in the same order."
    )
    yield Heading("From outputs to chances")
    yield Text(
        "Softmax does that: take e = 2.71828… to the power of each, which is positive and grows with it, and let "
        "each be its share of the sum. (The largest is taken from all of them first, which changes no share.)"
    )
    chances = softmax(outputs)
    yield sums({f"chance of {kind}": chance for kind, chance in zip(KINDS, chances, strict=True)}, depth=4)
    yield Heading("From a chance to a loss")
    yield Text(
        "Only the chance that the right answer got counts. Its loss is −ln of it: 0 for a chance of 1, 0.693 for a "
        "half, and more the smaller it is, without end: being sure and wrong is what costs most. (ln asks: e to "
        "which power is this? Adding up ln of chances is multiplying the chances.)"
    )
    yield table(
        ("−ln",), [row(f"chance {chance:g}", [-made(LOGARITHM, Number(chance))]) for chance in (1, 0.9, 0.5, 0.1, 0.01)]
    )
    loss = cross_entropy(outputs, wanted)
    yield Text(
        "Written without the division it is ln(e^a + e^b + …) − the wanted output. It is called cross-entropy, and "
        "it is the loss that every language model is trained with."
    )
    yield sums({"right": loss, "wrong": cross_entropy(wrong, wanted)}, depth=2)
    yield Heading("Its gradient is simple")
    yield Text(
        "For each output it is the chance that it got, less 1 for the wanted one: push the right one up by as much "
        "as it lacks, and all the others down by as much as they have."
    )
    slopes = gradients(loss, outputs)
    yield table(
        ("chance", "wanted", "gradient"),
        [row(kind, [chances[at], target[at], slopes[at]]) for at, kind in enumerate(KINDS)],
    )
    yield compared("loss, and its gradient for each output", in_torch, [outputs, wanted], loss, gradients=True)
    losses = [cross_entropy(numbers([a, 0]), 0) for a in (-2, 0, 2, 4)]
    yield Text("The further the right output is ahead, the smaller the loss; no overshooting is punished any more:")
    yield table(
        ("loss",),
        [row(f"ahead by {a}".replace("-", "−"), [each]) for a, each in zip((-2, 0, 2, 4), losses, strict=True)],
    )
    yield Try(("outputs=0.79584 0.25122",), "The outputs of the first network.")
    yield Try(("wanted=flower",), "The same outputs, and the answer was flower.")


def in_torch(outputs: Tensor, wanted: int) -> Tensor:
    import torch

    return torch.nn.functional.cross_entropy(outputs, torch.tensor(wanted))


CHAPTER = Chapter(
    "cross-entropy",
    "How wrong is it?",
    "the loss of language models, and why not the simple one",
    "Softmax (the first part)",
    FIGURES,
    ("plain/loss.py", "training/loss.py"),
    teach,
)
