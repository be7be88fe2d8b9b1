"""Residual connections: adding to what flows past, and why gradients like it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Diagram, Heading, Progress, Text, Try, row, sums_of, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.gradient import gradients_down, tower
from everysum.plain.network import layer
from everysum.plain.normalization import layer_norm
from everysum.plain.residual import Layer, post_norm, pre_norm, residual
from everysum.plain.vector import Matrix, Vector

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = (
    Figure("x", "1 −2 0.5", "what flows in", "numbers", -10, 10, 0.1, shortest=3, longest=3),
    Figure("row1", "0.5 0.1 −0.2", "weights of the layer's first neuron", "numbers", -3, 3, shortest=3, longest=3),
    Figure("row2", "−0.3 0.4 0.6", "weights of its second", "numbers", -3, 3, shortest=3, longest=3),
    Figure("row3", "0.2 −0.5 0.3", "weights of its third", "numbers", -3, 3, shortest=3, longest=3),
    Figure("weight", "0.1", "the weight on each floor of a tower", "number", -2, 2, 0.1),
    Figure("layers", "12", "its height", "count", 1, 40, 1),
)

DRAWING = (
    "      ┌─────────┐",
    "x ─┬──┤  layer  ├──(+)──  x + layer(x)",
    "   │  └─────────┘   │",
    "   └────────────────┘",
)


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    x, weights = given.vector("x"), given.matrix("row1", "row2", "row3")
    yield Text(
        "So far every layer replaced the numbers that came in by its own. A residual connection leads what came in "
        "around the layer, and adds it to what the layer made of it. For that both must have the same size."
    )
    yield Diagram(DRAWING)

    def through(hidden: Matrix) -> Matrix:
        return [layer(vector, weights) for vector in hidden]

    (together,) = residual([x], through)
    yield Heading("The layer, and the sum")
    yield sums_of("layer", layer(x, weights))
    yield sums_of("sum", together)
    yield Text("A layer need not pass on what is already right: it only says what to change.")
    yield from towers(given)
    yield from with_normalization(x, through)
    yield Heading("The same in torch")
    yield compared(
        "pre-norm, then post-norm",
        in_torch,
        [x, weights],
        [pre_norm([x], layer_norm(3), through)[0], post_norm([x], layer_norm(3), through)[0]],
    )
    yield Try(("weight=0",), "Layers that do nothing: with the sum everything still gets through.")
    yield Try(("weight=-1",), "What a layer takes away exactly, no sum brings back.")


def towers(given: Given) -> Iterator[Block]:
    weight, height = given.number("weight"), given.count("layers")
    yield Heading("Gradients get through")
    yield Text(
        f"A tower of {height} layers of one neuron each, of weight {weight:g}, once without and once with a sum "
        "around each. How far does the top move with the number at the bottom? Without, the gradient is multiplied "
        "by the weight on each floor; with the sum it is multiplied by 1 + the weight, for it also goes around."
    )
    start = given.single("layers")
    plain = gradients_down(tower(start, lambda number: number * weight, height))
    around = gradients_down(tower(start, lambda number: number + number * weight, height))
    floors = [0, height // 4, height // 2, height - 1]
    yield table(("without", "with"), [row(f"from floor {at}", [plain[at], around[at]]) for at in dict.fromkeys(floors)])
    yield Text(
        "Small weights, as networks have at first, make the one vanish; the other does not, so the lowest floor learns "
        "from the first step on. This is what made deep networks trainable."
    )


def with_normalization(x: Vector, through: Layer) -> Iterator[Block]:
    yield Heading("Where the normalization goes")
    yield Text(
        "In a transformer each sum comes with a normalization (the next chapter). The article, like the first paper, "
        'normalizes the sum: post-norm, "Add & Norm". Today the layer\'s input is normalized and the sum left alone: '
        "pre-norm. Then one path leads from the top to the bottom that nothing but sums stand on."
    )
    norm = layer_norm(3)
    yield table(
        ("1", "2", "3"),
        [
            row("pre-norm:  x + layer(norm(x))", pre_norm([x], norm, through)[0]),
            row("post-norm: norm(x + layer(x))", post_norm([x], norm, through)[0]),
        ],
        alike=True,
    )


def in_torch(x: Tensor, weights: Tensor) -> Tensor:
    import torch

    from everysum.layers.normalization import LayerNorm
    from everysum.layers.residual import post_norm, pre_norm

    norm = LayerNorm(3).double()
    norm.load_state_dict({"weight": torch.ones(3), "bias": torch.zeros(3)})
    before = pre_norm(x, norm, lambda x: weights @ x)
    after = post_norm(x, norm, lambda x: weights @ x)
    return torch.stack([before, after])


CHAPTER = Chapter(
    "residual",
    "Adding instead of replacing",
    "x + layer(x), and why gradients get through",
    "Residual connections",
    FIGURES,
    ("plain/residual.py", "layers/residual.py"),
    teach,
)
