"""One-hot: which character it is, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Diagram, Heading, Progress, Text, Try, row, sums, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.characters import visible
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.characters import ALPHABET, SENTENCE, WINDOW, as_numbers, number_of, place_of, said
from everysum.plain.deviation import root
from everysum.plain.linear import random_linear
from everysum.plain.number import Number
from everysum.plain.one_hot import as_one_hot, one_hot
from everysum.plain.vector import Vector, numbers, weighted_sum
from everysum.plain.window import learn, random_window_network

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = (
    Figure("word", "humpty", "shown one-hot", "text", shortest=1, longest=12, alphabet=ALPHABET),
    Figure("pair", "az", "how far apart are these two?", "text", shortest=2, longest=2, alphabet=ALPHABET),
    Figure("epochs", "20", "how long both networks train", "count", 1, 200, 1),
    Figure("seed", "1", "which random weights to start from", "count", 0, 9999, 1),
)


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    word = given.text("word")
    yield Text(
        "With a = 1 and b = 2 a network is told that b is twice a, and that m lies between a and z. None of that means "
        "anything. One-hot says which character it is and no more: 27 inputs for each, all of them 0 but one, which is "
        "1 (the hot one)."
    )
    yield Diagram(("   " + ALPHABET.replace(" ", "␣"), *(f"{visible(each)}  {drawn(each)}" for each in word)))
    yield Heading("All are equally far apart")
    one, other = tuple(given.text("pair"))
    yield Text(f"As numbers, {visible(one)} and {visible(other)} are this far apart, and one-hot this far:")
    yield sums({"as numbers": abs(numbers([number_of(one)])[0] - number_of(other))})
    yield sums({"one-hot": distance(as_one_hot(one), as_one_hot(other))}, depth=1)
    yield Text("(The root of the squared differences added up: two places differ by 1, so it is √2 for any two.)")
    yield from a_neuron(given)
    yield from both_trained(given, progress)
    yield Try(("pair=ab",), "Neighbors in the alphabet: as numbers they are 1 apart, one-hot as far as any.")
    yield Try(("epochs=60",), "Give both more time.")


def drawn(character: str) -> str:
    return "".join("1" if each == character else "·" for each in ALPHABET)


def distance(first: Vector, second: Vector) -> Number:
    apart = [one - other for one, other in zip(first, second, strict=True)]
    return root(weighted_sum(apart, apart))


def a_neuron(given: Given) -> Iterator[Block]:
    word, size = given.text("word"), len(ALPHABET)
    yield Heading("What a neuron does with it")
    yield Text(
        "A neuron multiplies every input by a weight. All products but one are 0, so what is left is one weight: a "
        "neuron has a number of its own for each character. The first neuron's, for the first character:"
    )
    layer = random_linear(size, 3, Random(given.count("seed")), bias=False)
    place = place_of(word[0])
    yield sums({f"neuron 1, {visible(word[0])}": layer(one_hot(place, size))[0]})
    yield Text(f"which is simply its weight number {place + 1}. That thought leads to the next chapter.")
    outputs = [layer(one_hot(place_of(each), size)) for each in word]
    yield compared("three neurons for each character", in_torch, [word, layer.weight], outputs)


def in_torch(word: str, weights: Tensor) -> Tensor:
    import torch

    places = ["abcdefghijklmnopqrstuvwxyz ".index(each) for each in word]
    inputs = torch.nn.functional.one_hot(torch.tensor(places), 27)
    return inputs.double() @ weights.T


def both_trained(given: Given, progress: Progress) -> Iterator[Block]:
    yield Heading("Does it help?")
    epochs, seed = given.count("epochs"), given.count("seed")
    yield Text(
        f"The network of the last chapter, twice: with {WINDOW} numbers as inputs, and with {WINDOW} × 27 = "
        f"{WINDOW * 27} one-hot ones. Both go {epochs} times through {SENTENCE!r}."
    )
    rows = []
    for at, (name, inputs, rate) in enumerate((("numbers", as_numbers, 0.02), ("one-hot", as_one_hot, 1.0))):
        network = random_window_network(inputs, Random(seed))
        losses = learn(
            network,
            SENTENCE,
            epochs=epochs,
            rate=rate,
            progress=lambda step, loss, at=at: progress(at * epochs + step, 2 * epochs, loss),  # type: ignore[misc]
        )
        speech = said(network.next_character, SENTENCE[:WINDOW], len(SENTENCE) - WINDOW)
        rows.append(row(name, [losses[0], losses[-1], visible(speech)], strong=speech == SENTENCE))
    yield table(("first loss", "last loss", "it says"), rows)
    yield Text("The price is size: the first layer has 27 times as many weights.")


CHAPTER = Chapter(
    "one-hot",
    "One of many",
    "a character as 26 zeros and a one",
    "How does all this help generate language? (the appendix that it promises)",
    FIGURES,
    ("plain/one_hot.py", "layers/embedding.py"),
    teach,
)
