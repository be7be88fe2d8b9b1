"""Mean, variance and standard deviation, worked on a handful of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Heading, Progress, Text, Try, row, sums, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.deviation import deviation, differences, mean, variance

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = (Figure("numbers", "32 107 56 11.2", "how far apart are these?", "numbers", shortest=1, longest=10),)


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    numbers = given.vector("numbers")
    yield Text(
        "Are these numbers close together or far apart? One number shall say it. It is needed once, when numbers in a "
        "network are brought to a common scale (the chapter normalization)."
    )
    yield Heading("Where they lie: the mean")
    middle = mean(numbers)
    yield sums({"mean": middle}, depth=2)
    yield Heading("How far each is from there")
    apart = differences(numbers)
    yield sums({f"number {place}": number for place, number in enumerate(apart, 1)})
    yield Text(
        "Added up, these always cancel: what lies above the mean weighs out what lies below. So each is multiplied by "
        "itself first, which makes them all positive. (A number times itself is written with a small 2, a² = a × a; "
        "a³ = a × a × a goes on so.)"
    )
    squares = [each * each for each in apart]
    yield table(
        ("difference", "squared"),
        [row(f"number {place}", pair) for place, pair in enumerate(zip(apart, squares, strict=True), 1)],
    )
    yield Heading("The mean of the squares, and its root")
    spread, square = deviation(numbers), variance(numbers)
    yield Text("The mean of those squares is the variance. The root undoes the squaring: the standard deviation.")
    yield sums({"variance": square}, depth=2)
    yield sums({"deviation": spread})
    yield Text(
        "It is 0 if all numbers are the same, and grows as they spread. Here we divide by how many there are, as "
        "networks do; statistics often divides by one less, to make up for having seen only a sample."
    )
    yield compared("mean, variance, deviation", in_torch, [numbers], [middle, square, spread])
    yield Try(("numbers=5 5 5",), "Numbers that are all the same: their deviation is 0.")
    yield Try(("numbers=2 4 4 4 5 5 7 9",), "A mean of 5 and a deviation of exactly 2.")


def in_torch(numbers: Tensor) -> Tensor:
    import torch

    spread = numbers.var(correction=0), numbers.std(correction=0)
    return torch.stack([numbers.mean(), *spread])


CHAPTER = Chapter(
    "deviation",
    "How far apart",
    "mean, variance and standard deviation",
    "Appendix: Standard deviation",
    FIGURES,
    ("plain/deviation.py",),
    teach,
)
