"""Softmax: any numbers as chances; drawing by them; trying several ways to go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Heading, Progress, Text, Try, row, sums, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.continuations import tree, ways
from everysum.plain.number import Number
from everysum.plain.softmax import capped, drawn, logistic, softmax
from everysum.plain.vector import Vector, numbers, total

if TYPE_CHECKING:
    from torch import Tensor

CHARACTERS = ("u", "m", "a", "t")

FIGURES = (
    Figure(
        "outputs", "2.1 1.9 −0.5 −1.2", "what the network says after 'humpty du'", "numbers", -30, 30, 0.1, CHARACTERS
    ),
    Figure("temperature", "1", "below 1 bolder, above 1 more daring", "number", 0.05, 20, 0.05),
    Figure("draws", "1000", "how often to draw a character", "count", 1, 100_000, 1),
    Figure("seed", "1", "how the dice fall", "count", 0, 9999, 1),
)


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    outputs, temperature = given.vector("outputs"), given.number("temperature")
    yield Text(
        "A network wrote 'humpty du' and must go on; the right character would be m. These are its outputs for four "
        "characters. Which numbers ought they to be? Any number larger than the others will do, without end. We would "
        "rather have chances: each between 0 and 1, in the same order, all of them adding up to 1."
    )
    yield from one_at_a_time(outputs)
    yield Heading("All of them together: softmax")
    yield Text(
        "e to the power of each is positive and grows with it (e = 2.71828…); its share of the sum is its chance. The "
        "largest output is taken from all of them first: that changes no share, and no power gets too large to write."
    )
    chances = softmax(outputs)
    yield sums({f"chance of {name}": chance for name, chance in zip(CHARACTERS, chances, strict=True)}, depth=3)
    yield table(
        ("output", "chance"),
        [row(name, pair) for name, *pair in zip(CHARACTERS, outputs, chances, strict=True)],
        bars=1,
    )
    yield sums({"all chances": total(chances)})
    first, second = sorted(outputs, key=float, reverse=True)[:2]
    yield Text("With two outputs softmax is the logistic function of their difference; the two likeliest here:")
    yield table(
        ("", ""),
        [
            row("softmax", softmax([first, second])),
            row("logistic", [logistic(first - second), logistic(second - first)]),
        ],
    )
    yield from cold_and_warm(outputs, temperature)
    yield from dice(outputs, temperature, given)
    yield from several_ways(chances)
    yield compared("the chances, at that temperature", in_torch, [outputs, temperature], softmax(outputs, temperature))
    yield Try(("temperature=0.3",), "The likely become likelier; towards 0 only the largest is ever drawn.")
    yield Try(("outputs.m=2.1",), "A tie: an even chance for u and m.")


def one_at_a_time(outputs: Vector) -> Iterator[Block]:
    yield Heading("Each by itself")
    yield Text(
        "Cutting off below 0 and above 1 makes different numbers the same. The logistic function, 1 ÷ (1 + e^−x), "
        "brings every number between 0 and 1 and keeps the order; but the results do not add up to anything in "
        "particular."
    )
    names = ("output", "cut off", "logistic")
    yield table(names, [row(name, [x, capped(x), logistic(x)]) for name, x in zip(CHARACTERS, outputs, strict=True)])


def cold_and_warm(outputs: Vector, temperature: float) -> Iterator[Block]:
    yield Heading("Temperature")
    yield Text("Divide all outputs by a number first: below 1 it makes the likely likelier, above 1 all more alike.")
    degrees = sorted({0.5, 1.0, 2.0, temperature})
    yield table(
        CHARACTERS,
        [row(f"{degree:g}", softmax(outputs, degree), strong=degree == temperature) for degree in degrees],
        alike=True,
    )


def dice(outputs: Vector, temperature: float, given: Given) -> Iterator[Block]:
    yield Heading("Drawing")
    draws, random = given.count("draws"), Random(given.count("seed"))
    chances = softmax(outputs, temperature)
    counts = [0] * len(CHARACTERS)
    for _ in range(draws):
        counts[drawn(chances, random)] += 1
    yield Text(
        f"Always taking the largest gives the same text each time, and often a dull one. So lay the chances end to end "
        f"and drop a pin on them. {draws:,} times, at temperature {temperature:g}:"
    )
    yield table(
        ("chance", "drawn", "share"),
        [
            row(name, [chance, count, count / draws])
            for name, chance, count in zip(CHARACTERS, chances, counts, strict=True)
        ],
        bars=2,
    )


AFTER: dict[str, str] = {"u": "1.1 0.6 1.3 1.2", "m": "−4 −4 −3 −4"}
"""Outputs after 'duu' and 'dum' for the four characters, and p as a fifth: few words begin with duu."""
FIFTH = {"": "−3", "u": "1.0", "m": "3"}


def several_ways(chances: Sequence[Number]) -> Iterator[Block]:
    yield Heading("Several ways to go on")
    letters = (*CHARACTERS, "p")
    start = [*(chance.value for chance in chances), 0.0]

    def chances_after(tokens: tuple[int, ...]) -> Sequence[Number]:
        if not tokens:
            return numbers(start)
        last = letters[tokens[-1]]
        return softmax(numbers(f"{AFTER.get(last, '0 0 0 0')} {FIFTH.get(last, '0')}"))

    yield Text(
        "A close second may lead to a better whole. So try the two likeliest, go on a little from each, and "
        "multiply the chances along the way. After 'duu' nothing is likely (say, outputs of 1.1, 0.6, 1.3, 1.2, "
        "and 1.0 for p); after 'dum' the network is sure of p:"
    )
    found = ways(tree(chances_after, (), length=2, choices=2))
    yield table(
        ("chance of all",),
        [row("du" + "".join(letters[token] for token in way), [chance]) for way, chance in found],
        bars=0,
    )


def in_torch(outputs: Tensor, temperature: float) -> Tensor:
    return (outputs / temperature).softmax(dim=0)


CHAPTER = Chapter(
    "softmax",
    "Numbers as chances",
    "softmax, temperature, drawing, several ways to go on",
    "Softmax",
    FIGURES,
    ("plain/softmax.py", "plain/continuations.py", "generation/sampling.py"),
    teach,
)
