"""Embedding: the numbers that stand for a character are moved by training like any weight."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Heading, Map, Progress, Text, Try, row, sums, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.characters import visible
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.characters import ALPHABET, SENTENCE, WINDOW, place_of, said, windows
from everysum.plain.deviation import mean
from everysum.plain.embedding import EmbeddedCharacters, Embedding, by_one_hot, random_embedding
from everysum.plain.matrix import transposed
from everysum.plain.number import Number
from everysum.plain.one_hot import one_hot
from everysum.plain.training import train
from everysum.plain.vector import Vector, numbers, total
from everysum.plain.window import WindowNetwork, learn, random_window_network

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = (
    Figure("window", "humpty dumpt", "the characters that go in", "text", shortest=12, longest=12, alphabet=ALPHABET),
    Figure("next", "y", "the one that should come out", "text", shortest=1, longest=1, alphabet=ALPHABET),
    Figure("width", "10", "how many numbers for each character", "count", 1, 16, 1),
    Figure("epochs", "60", "how long it trains", "count", 1, 300, 1),
    Figure("seed", "1", "which random numbers to start from", "count", 0, 9999, 1),
)

COLUMNS = 6
"""Characters whose numbers are shown."""
RATE = 0.2
CLOSE = 0.3
"""The deviation of the numbers that make a map, at the start: all characters lie near each other."""


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    window, width = given.text("window"), given.count("width")
    random = Random(given.count("seed"))
    embedding = random_embedding(len(ALPHABET), width, random)
    network = random_window_network(EmbeddedCharacters(embedding), random)
    letters = list(dict.fromkeys(window))[:COLUMNS]
    yield Text(
        "Which numbers should stand for a character? a = 1 was our choice, and a bad one. So let training choose: "
        "nudge the inputs as we nudge the weights, and move them to where the loss gets smaller. And one number is "
        f"little to say what a character is like; it gets {width}, a vector. All of them side by side are the "
        "embedding matrix:"
    )
    yield columns_of(embedding, letters)
    yield Text(
        f"One column for each character (these are the first {len(letters)} here); random to begin with. In code "
        f"each is a row. {WINDOW} characters are now {WINDOW} × {width} = {WINDOW * width} inputs, laid side by "
        "side."
    )
    yield Heading("Looking up is multiplying")
    yield Text(
        "A column is looked up by its number. That is a product too: the one-hot vector times the matrix. For the "
        f"first number of {visible(window[0])}:"
    )
    place = place_of(window[0])
    yield sums({"looked up": by_one_hot(embedding, one_hot(place, len(ALPHABET)))[0]})
    yield from tied(network, embedding, given)
    yield from trained(network, embedding, letters, given, progress)
    yield from mapped(given, progress)
    yield from used_again(embedding, given)
    yield Try(("width=2",), "Two numbers for each character.")
    yield Try(("window=aaaaaaaaaaaa",), "One character in all places: twelve gradients, all for one row.")


def columns_of(embedding: Embedding, letters: list[str]) -> Block:
    shown = transposed([embedding.weight[place_of(letter)] for letter in letters])
    return table(
        [visible(letter) for letter in letters], [row(f"{at}", line) for at, line in enumerate(shown, 1)], alike=True
    )


def tied(network: WindowNetwork, embedding: Embedding, given: Given) -> Iterator[Block]:
    """The gradient of a character that stands in several places is the sum of those of its places."""
    window, wanted = given.text("window"), given.text("next")
    most = max(dict.fromkeys(window), key=window.count)
    places = [at for at, character in enumerate(window) if character == most]
    yield Heading("One character, one vector")
    yield Text(
        f"In {window!r} {visible(most)} stands in {len(places)} place{'s' * (len(places) > 1)}, and it is the same "
        "vector there. Each place asks for a change of it; its gradient is all of these added up. For its first number:"
    )
    apart = apart_from_each_other(network, embedding, given)
    loss = network.loss((window, wanted))
    loss.backward()
    width = given.count("width")
    parts = numbers(apart[at * width].gradient for at in places)
    rows = [row(f"as character {at + 1}", [part]) for at, part in zip(places, parts, strict=True)]
    yield table(("gradient",), rows)
    yield sums({"added up": total(parts)})
    tied_one = embedding.weight[place_of(most)][0].gradient
    yield table(("gradient",), [row(f"vector of {visible(most)}", [tied_one], strong=True)])
    ids = numbers(place_of(character) for character in window)
    layers = [network.hidden.weight, network.hidden.bias, network.output.weight, network.output.bias]
    torchs = [ids, place_of(wanted), embedding.weight, *layers]
    yield compared("loss, and the gradients of all its numbers", in_torch, torchs, loss, gradients=True)


def apart_from_each_other(network: WindowNetwork, embedding: Embedding, given: Given) -> Vector:
    """The inputs as if each place had a vector of its own, with the gradient of each."""
    inputs = numbers(number.value for number in EmbeddedCharacters(embedding)(given.text("window")))
    loss = WindowNetwork(lambda _: inputs, network.hidden, network.output).loss(
        (given.text("window"), given.text("next"))
    )
    loss.backward()
    return inputs


def in_torch(
    characters: Tensor, wanted: int, table: Tensor, first: Tensor, bias: Tensor, second: Tensor, last: Tensor
) -> Tensor:
    import torch
    from torch.nn import functional

    inputs = functional.embedding(characters.long(), table).flatten()
    outputs = second @ torch.relu(first @ inputs + bias) + last
    return functional.cross_entropy(outputs, torch.tensor(wanted))


def trained(
    network: WindowNetwork, embedding: Embedding, letters: list[str], given: Given, progress: Progress
) -> Iterator[Block]:
    yield Heading("Training moves them")
    epochs = given.count("epochs")
    losses = learn(
        network, SENTENCE, epochs=epochs, rate=RATE, progress=lambda step, loss: progress(step, epochs, loss)
    )
    speech = said(network.next_character, SENTENCE[:WINDOW], len(SENTENCE) - WINDOW)
    yield Text(
        f"After {epochs} rounds through {SENTENCE!r} the loss went from {losses[0]:.5g} to {losses[-1]:.5g}, and it "
        f"says {speech!r}. Nobody told it which numbers to use; here is what became of them:"
    )
    yield columns_of(embedding, letters)


def mapped(given: Given, progress: Progress) -> Iterator[Block]:
    """Two numbers for each character, and where every step of their training moves them."""
    epochs, random = given.count("epochs"), Random(given.count("seed"))
    embedding = random_embedding(len(ALPHABET), 2, random, CLOSE)
    network = random_window_network(EmbeddedCharacters(embedding), random)
    letters = list(dict.fromkeys(SENTENCE))
    places = [places_of(embedding, letters)]

    def moved(step: int, loss: float) -> None:
        places.append(places_of(embedding, letters))
        progress(step, epochs, loss)

    losses = learn(network, SENTENCE, epochs=epochs, rate=RATE, progress=moved)
    losses.append(mean([network.loss(example) for example in windows(SENTENCE)]).value)
    yield Heading("Two numbers make a map")
    yield Text(
        "Many numbers cannot be drawn, two can. The same once more with two numbers for each character, which say "
        "where it lies on a map. All begin near each other; characters in one place would be the same to the network, "
        f"so training moves them apart. In {epochs} rounds the loss goes from {losses[0]:.5g} to {losses[-1]:.5g}:"
    )
    shown = tuple(visible(letter) for letter in letters)
    yield Map("the characters", "round", ("first number", "second number"), shown, tuple(places), tuple(losses))
    yield Text(
        "What lies near what says little here: one sentence is not much to learn from. In models that have read much, "
        "tokens that are used alike come to lie near each other."
    )


def places_of(embedding: Embedding, letters: list[str]) -> tuple[tuple[float, float], ...]:
    rows = [embedding.weight[place_of(letter)] for letter in letters]
    return tuple((first.value, second.value) for first, second in rows)


def used_again(embedding: Embedding, given: Given) -> Iterator[Block]:
    yield Heading("Used again")
    text = "on a hill sat humpty"
    other = random_window_network(EmbeddedCharacters(embedding), Random(given.count("seed")), length=5)
    layers = [
        *flat(other.hidden.weight),
        *flat(other.output.weight),
        *(other.hidden.bias or []),
        *(other.output.bias or []),
    ]
    epochs = given.count("epochs")
    losses = train(windows(text, 5), other.loss, layers, epochs=epochs, rate=RATE)
    speech = said(other.next_character, text[:5], len(text) - 5)
    yield Text(
        "What was learned about characters can be taken along. Another network, with a window of 5, takes this "
        f"matrix as it is and trains only its own layers on {text!r}: after {epochs} rounds its loss is "
        f"{losses[-1]:.5g}, and from {text[:5]!r} it says {speech!r}."
    )


def flat(matrix: list[Vector]) -> list[Number]:
    return [number for line in matrix for number in line]


CHAPTER = Chapter(
    "embedding",
    "Numbers that are learned",
    "a vector for each character, moved like any weight",
    "Embeddings",
    FIGURES,
    ("plain/embedding.py", "layers/embedding.py"),
    teach,
)
