"""Positions: numbers that say where a word stands, five ways to make them, and one that turns instead."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Heading, Progress, Text, Try, row, sums, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.attention import last_word_attention
from everysum.plain.linear import random_matrix
from everysum.plain.network import layer
from everysum.plain.positions import TABLES, halves, placed, speeds, turned
from everysum.plain.vector import Matrix, added, numbers, weighted_sum

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = (
    Figure("length", "6", "how many positions there are: the context length", "count", 3, 12, 1),
    Figure("width", "6", "how many numbers for each word", "count", 1, 6, 1),
    Figure("distance", "3", "how far apart two words stand, for rotary positions", "count", 0, 50, 1),
    Figure("seed", "1", "which random numbers", "count", 0, 9999, 1),
)

ABOUT = {
    "counting": "The simplest: full of the position's number, counted from 1. Far positions get large numbers, which "
    "disturb training.",
    "fractions": "Divided by the last position, none is above 1. But in a longer text the first word would have other "
    "numbers than in a shorter one.",
    "sines": "Waves keep between −1 and 1: number i of position p (both from 0) is sin(p ÷ 10000^(i ÷ d)), d the "
    "context length. Each column is a wave, slower and slower, so that it takes very long until a row comes again.",
    "unpaired_sines_and_cosines": "The article's: every second wave is a cosine.",
    "sines_and_cosines": "The paper's: sine and cosine of the same angle are neighbors, p ÷ 10000^(2j ÷ width). Then a "
    "step of k positions turns each pair by the same angle everywhere, like the hands of clocks.",
}


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    length, width = given.count("length"), given.count("width")
    yield Text(
        "Attention does not see order. So each word's vector gets numbers added that say where it stands. They can "
        "be learned: an embedding of the positions 1, 2, 3, …, a row for each, trained like that of the words. "
        "That is what GPT does. Or they are made by a rule."
    )
    made = {name: TABLES[name](length, width) for name in ABOUT}
    for name, rows in made.items():
        yield Heading(name.replace("_", " ").capitalize())
        yield Text(ABOUT[name])
        yield table(
            [f"{at}" for at in range(width)], [row(f"position {at}", line) for at, line in enumerate(rows)], alike=True
        )
        last = rows[min(1, length - 1)][-1]
        yield sums({f"position 1, number {width - 1}": last}, depth=3)
    yield from seeing_order(given, made["sines_and_cosines"])
    yield from rotary(given)
    yield Heading("The same in torch")
    yield compared("all five tables", in_torch, [length, width], list(made.values()))
    yield Try(
        ("length=10", "width=2"), "With d = 10 the article's number 1 of position 1 is .92180, the paper's .54030."
    )
    yield Try(("distance=0",), "A word and itself.")


def seeing_order(given: Given, rows: Matrix) -> Iterator[Block]:
    yield Heading("Now order counts")
    width, random = given.count("width"), Random(given.count("seed"))
    humpty, dumpty, sat = random_matrix(3, width, random, 1.0)
    query, key, value = (partial(layer, weights=random_matrix(width, width, random, 1.0)) for _ in range(3))
    yield Text("Three random words, their positions added (the paper's), before and after two of them change places:")
    answers = {
        name: last_word_attention(placed(words, rows), query, key, value)
        for name, words in (("humpty dumpty sat", [humpty, dumpty, sat]), ("dumpty humpty sat", [dumpty, humpty, sat]))
    }
    yield table([f"{at}" for at in range(width)], [row(name, answer) for name, answer in answers.items()], alike=True)
    yield sums({"humpty at position 1, number 0": added(humpty, rows[1])[0]})


def rotary(given: Given) -> Iterator[Block]:
    yield Heading("Turning instead of adding")
    distance = given.count("distance")
    yield Text(
        "Llama adds nothing. It takes each pair of numbers of a query or key as a point, and turns it around 0, by "
        "an angle that grows with the position (rotary positions). If both are turned, only the difference of "
        "their positions is left in query · key. For a query (1, 0.5, −0.3, 2) and a key (0.4, 1, 1.5, −1), "
        f"{distance} apart:"
    )
    query, key = numbers("1 0.5 −0.3 2"), numbers("0.4 1 1.5 −1")
    turn = partial(turned, pairs=halves(4), turning=speeds(4))
    yield sums({"query at 1, number 1": turn(query, 1)[0]}, depth=2)
    yield table(
        ("query · key",),
        [
            row(f"at {start + distance} and {start}", [weighted_sum(turn(query, start + distance), turn(key, start))])
            for start in (0, 1, 10, 1000)
        ],
    )


def in_torch(length: int, width: int) -> Tensor:
    import torch

    from everysum.layers.positions import TABLES, FixedPositions

    positions = torch.arange(length)
    made = [FixedPositions(length, width, rule) for rule in TABLES.values()]
    return torch.stack([rows.double()(positions) for rows in made])


CHAPTER = Chapter(
    "positions",
    "Where a word stands",
    "learned, counted, waves; and turning instead of adding",
    "Positional encoding and embedding; Appendix: Positional Encoding",
    FIGURES,
    ("plain/positions.py", "layers/positions.py"),
    teach,
)
