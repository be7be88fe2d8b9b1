"""Gradients on a long way back: the chain rule, and how they vanish or explode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Heading, Progress, Text, Try, row, sums, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.gradient import gradients_down, tower
from everysum.plain.number import Number, gradient_by_nudging
from everysum.plain.softmax import logistic

if TYPE_CHECKING:
    from torch import Tensor

BENDS: dict[str, Callable[[Number], Number]] = {"none": lambda number: number, "logistic": logistic}

FIGURES = (
    Figure("start", "1", "the number that goes in at the bottom", "number", -10, 10, 0.1),
    Figure("weight", "0.5", "each layer multiplies by this", "number", -4, 4, 0.1),
    Figure("layers", "10", "how many layers", "count", 1, 40, 1),
)


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    start, weight, height = given.single("start"), given.number("weight"), given.count("layers")
    yield Text(
        "The formula behind the gradient is the same at every step: on the way back from the loss, a gradient is "
        "multiplied by what the number was multiplied by on the way there. Over many steps these factors multiply with "
        "each other; that is called the chain rule."
    )
    yield Heading("A tower of one neuron each")
    first = Number(given.text("weight"))
    short = tower(start, lambda number: number * first, min(3, height))
    yield Text(f"The number that goes in is multiplied by {given.text('weight')} on each floor; here are the first:")
    yield sums({f"floor {floor}": number for floor, number in enumerate(short) if floor})
    yield Text(
        "Nudge the number that goes in by 1, and floor 1 moves by one weight, floor 2 by weight × weight, and so on. "
        f"How far does the top of {height} floors move?"
    )
    towers = {}
    for name, bend in BENDS.items():
        numbers = tower(given.single("start"), lambda number, bend=bend: bend(number * weight), height)  # type: ignore[misc]
        towers[name] = numbers, gradients_down(numbers)
    plain_numbers, slopes = towers["none"]
    factor = abs(slopes[0])
    fate = "has vanished" if factor < 0.01 else "has exploded" if factor > 100 else "has kept its size"
    yield table(
        ("number there", "moves the top by"),
        [row(f"floor {floor}", [plain_numbers[floor], slopes[floor]]) for floor in shown_floors(height)],
    )
    yield sums_of_powers(given.text("weight"), height, slopes[0])
    yield Text(
        f"Seen from the bottom the gradient {fate}. With small factors it vanishes, and the lower floors learn "
        "nothing; with large ones it explodes, and every step is too large. Deep networks are hard to train for "
        "this reason."
    )
    yield Heading("With a bend on each floor")
    bent, bent_slopes = towers["logistic"]
    yield Text(
        "Bends multiply too, by their own slope. The logistic function (chapter softmax) squeezes every number between "
        "0 and 1, and nowhere is its slope more than a quarter:"
    )
    yield table(
        ("number there", "moves the top by"),
        [row(f"floor {floor}", [bent[floor], bent_slopes[floor]]) for floor in shown_floors(height)],
    )
    checked = gradient_by_nudging(plain_numbers[-1], plain_numbers[0])
    yield Text("Is the formula right? Nudging the bottom number of the first tower and computing all floors again:")
    yield table(("gradient",), [row("by formula", [slopes[0]]), row("by nudging", [checked])])
    yield compared(
        "top of both towers and its gradient",
        in_torch,
        [given.single("start"), weight, height],
        [plain_numbers[-1], Number(slopes[0]), bent[-1], Number(bent_slopes[0])],
    )
    yield Text(
        "ReLU lets a gradient through unchanged wherever the number is positive. Residual connections and "
        "normalization (chapters of their own) do the rest: with them, towers of a hundred floors can be trained."
    )
    yield Try(("weight=2",), "A factor of 2 on ten floors is 1,024: the gradient explodes.")
    yield Try(("weight=1", "layers=40"), "Only a factor of 1 keeps it.")


def shown_floors(height: int) -> list[int]:
    """From the top down, about ten of them."""
    floors = list(range(height, 0, -max(1, height // 8)))
    return [*floors, 0]


def sums_of_powers(weight: str, height: int, slope: float) -> Block:
    factors = " × ".join([weight] * min(height, 4)) + (" × …" if height > 4 else "")
    return table(("moves the top by",), [row(f"{height} times: {factors}", [slope], strong=True)])


def in_torch(start: Tensor, weight: float, layers: int) -> Tensor:
    import torch

    found = []
    for bend in (torch.nn.Identity(), torch.sigmoid):
        number = start
        for _ in range(layers):
            number = bend(number * weight)
        found += [number, *torch.autograd.grad(number, start)]
    return torch.stack(found)


CHAPTER = Chapter(
    "gradient",
    "The long way back",
    "the chain rule; vanishing and exploding gradients",
    "How are these models trained? (notes)",
    FIGURES,
    ("plain/gradient.py", "plain/number.py", "plain/operations.py"),
    teach,
)
