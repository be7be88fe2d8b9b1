"""Characters: a network of fixed size reads twelve of them, says the next, and by sliding on says a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Curve, Diagram, Heading, Progress, Text, Try, row, sums, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.characters import ALPHABET, SENTENCE, WINDOW, as_numbers, number_of, said, windows
from everysum.plain.number import Number
from everysum.plain.softmax import softmax
from everysum.plain.window import WindowNetwork, learn, random_window_network

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = (
    Figure("sentence", SENTENCE, "what it learns to say", "text", shortest=14, longest=36, alphabet=ALPHABET),
    Figure("epochs", "300", "how often it goes through the sentence", "count", 0, 2000, 1),
    Figure("rate", "0.02", "how large a step is", "number", 0, 0.1, 0.001),
    Figure("neurons", "20", "how many neurons between inputs and outputs", "count", 1, 60, 1),
    Figure("seed", "1", "which random weights to start from", "count", 0, 9999, 1),
)

LOOKS = (0, 0.1, 0.3, 1)
"""Shares of the training after which we listen to it."""


def visible(text: str) -> str:
    """A text in which a space can be seen."""
    return text.replace(" ", "␣")


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    sentence = given.text("sentence")
    first = sentence[:WINDOW]
    yield Text(
        "A network that tells leaves from flowers chooses between two outputs. Give it one output for each "
        "character, and it chooses a character: the next one of a text. But what goes in must be numbers. The "
        f"simplest way: a = 1, b = 2, and so on to z = 26, and 27 for the space. So these {WINDOW} characters are "
        f"{WINDOW} inputs:"
    )
    yield Diagram(
        ("  ".join(f"{visible(c):>2}" for c in first), "  ".join(f"{number_of(character):>2}" for character in first))
    )
    yield Text(
        "Out come 27 numbers, one for each letter and one for the space (26 would never let it say a space). The "
        "largest one is what the network says. In and out are read in different ways, and that is no mistake: "
        "nothing says they must be alike, and the ways that work best are not."
    )
    yield Heading("The window slides")
    yield Text(
        f"The first layer has {WINDOW} inputs, so exactly {WINDOW} characters can go in: that is the context "
        "length. To go on, the character that was said is appended, and the oldest one leaves. Every such window "
        "is an example to learn from:"
    )
    examples = windows(sentence)
    shown = [*examples[:4], *(examples[-1:] if len(examples) > 4 else ())]
    yield table(("then",), [row(visible(window), [visible(character)]) for window, character in shown])
    yield Text(
        "By the end the beginning is forgotten. Today's models do the same, with windows of many thousand words."
    )

    network = random_window_network(as_numbers, Random(given.count("seed")), neurons=given.count("neurons"))
    yield from trained(network, sentence, given, progress)
    yield from looked_into(network, first)
    yield Try(("sentence=jack and jill went up",), "Another sentence, of letters and spaces.")
    yield Try(("epochs=30",), "Too little training: it stammers.")


def trained(network: WindowNetwork, sentence: str, given: Given, progress: Progress) -> Iterator[Block]:
    yield Heading("It learns to speak")
    epochs, rate = given.count("epochs"), given.number("rate")
    yield Text(
        f"The weights start at random; {epochs} times through all {len(sentence) - WINDOW} windows, cross-entropy "
        f"as the loss, and after each round a step down. Asked from {sentence[:WINDOW]!r} alone, it says:"
    )
    losses: list[float] = []
    heard = []
    for until in sorted({round(share * epochs) for share in LOOKS}):
        before = len(losses)
        losses += learn(
            network,
            sentence,
            epochs=until - before,
            rate=rate,
            progress=lambda step, loss, before=before: progress(before + step, epochs, loss),  # type: ignore[misc]
        )
        speech = said(network.next_character, sentence[:WINDOW], len(sentence) - WINDOW)
        heard.append(row(f"after {until}", [visible(speech)], strong=speech == sentence))
    yield table(("",), heard)
    if len(losses) > 1:
        yield Curve("loss", "epoch", tuple(losses))


def looked_into(network: WindowNetwork, window: str) -> Iterator[Block]:
    yield Heading("Behind the first character it says")
    inputs = network.inputs(window)
    hidden, outputs = network.hidden(inputs), network(window)
    chances = softmax(outputs)
    best = sorted(range(len(ALPHABET)), key=lambda place: -chances[place].value)[:3]
    yield Text(
        "The first neuron, made of the twelve inputs and a bias, before its bend (ReLU); and the largest output, "
        "made of all neurons; then the likeliest outputs and their chances:"
    )
    yield sums({"neuron 1": hidden[0]})
    yield sums({f"output {visible(ALPHABET[best[0]])}": outputs[best[0]]})
    yield table(
        ("output", "chance"),
        [row(f"output {visible(ALPHABET[at])}", [outputs[at], chances[at]]) for at in best],
        bars=1,
    )
    ids = [Number(number.value - 1) for number in inputs]
    weights = [network.hidden.weight, network.hidden.bias, network.output.weight, network.output.bias]
    yield compared(f"all 27 outputs after {window!r}", in_torch, [ids, *weights], outputs)


def in_torch(characters: Tensor, first: Tensor, bias: Tensor, second: Tensor, last: Tensor) -> Tensor:
    import torch

    from everysum.layers.embedding import AsNumber
    from everysum.models.window import Window

    network = Window(
        AsNumber(), 1, window=12, hidden_width=len(bias),
        vocabulary_size=27, activation=torch.relu,
    ).double()  # fmt: skip
    hidden, output = network.network.layers
    hidden.weight.data, hidden.bias.data = first, bias
    output.weight.data, output.bias.data = second, last
    return network(characters.long())


CHAPTER = Chapter(
    "characters",
    "Humpty Dumpty",
    "characters in, the next one out: a network learns to speak",
    "How does all this help generate language?",
    FIGURES,
    ("plain/characters.py", "plain/window.py", "models/window.py"),
    teach,
)
