"""Normalization: numbers brought to a common scale, then scaled and shifted as the network likes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Heading, Progress, Text, Try, row, sums, sums_of, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.deviation import deviation, mean
from everysum.plain.normalization import LayerNorm, RMSNorm, normalized, safely_normalized, scaled_and_shifted

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = (
    Figure("numbers", "32 107 56 11.2", "what comes in", "numbers", -10_000, 10_000, shortest=4, longest=4),
    Figure("scale", "1.5 1 0.5 2", "what each is multiplied by, learned", "numbers", -10, 10, shortest=4, longest=4),
    Figure("shift", "0 0.2 −0.1 0", "what is then added to each, learned", "numbers", -10, 10, shortest=4, longest=4),
)
EPSILON = 1e-5


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    vector, scale, shift = given.vector("numbers"), given.vector("scale"), given.vector("shift")
    yield Text(
        "Through many layers numbers grow or shrink, and a step that is good for some is bad for others. So they are "
        "brought to a common scale again and again: from each take the mean of all, and divide by their deviation."
    )
    yield sums({"mean M": mean(vector), "deviation D": deviation(vector)}, depth=1)
    yield Heading("(x − M) ÷ D")
    if deviation(vector).value > 0:
        ready = normalized(vector)
        yield sums_of("x", ready, depth=2)
        yield table(
            ("mean", "deviation"),
            [
                row("before", [mean(vector), deviation(vector)]),
                row("after", [round(mean(ready).value, 12), deviation(ready)]),
            ],
        )
    else:
        yield Text("These numbers are all the same. Their deviation is 0, and nothing can be divided by 0.")
    yield Heading("Never dividing by zero")
    yield Text(
        "Numbers that are all the same have a deviation of 0. So the standard adds a little, ε = 0.00001, to the "
        "variance before it takes the root. It changes next to nothing, except there."
    )
    safe = safely_normalized(vector, EPSILON)
    yield sums_of("x", safe, depth=1)
    yield Heading("Scale and shift")
    yield Text(
        "What if the network needs numbers that are not like this? Each gets a number of its own to be multiplied "
        "by, and one to be added, and training finds both. These are the only parameters of the layer."
    )
    yield sums_of("out", scaled_and_shifted(safe, scale, shift))
    yield Heading("The short form")
    yield Text(
        "Llama leaves mean and shift out: it divides each number by the root of the mean of their squares, and scales "
        "(RMSNorm). It does as well, with fewer sums."
    )
    (short,) = RMSNorm(scale, EPSILON)([vector])
    yield sums_of("out", short, depth=2)
    yield Heading("The same in torch")
    yield compared(
        "layer norm, then RMSNorm",
        in_torch,
        [vector, scale, shift],
        [LayerNorm(scale, shift, EPSILON)([vector]), [short]],
    )
    yield Try(("numbers=320 1070 560 112",), "All ten times larger: the same comes out.")
    yield Try(("numbers=5 5 5 5",), "All the same.")


def in_torch(numbers: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    import torch
    from torch.nn import functional

    layer = functional.layer_norm(numbers, (4,), scale, shift, 1e-5)
    short = functional.rms_norm(numbers, (4,), scale, 1e-5)
    return torch.stack([layer, short])


CHAPTER = Chapter(
    "normalization",
    "On a common scale",
    "minus the mean, by the deviation; then scale and shift",
    "Layer Normalization",
    FIGURES,
    ("plain/normalization.py", "layers/normalization.py"),
    teach,
)
