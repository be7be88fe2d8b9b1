"""Matrices: the product of two tables, and a whole layer as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Heading, Progress, Text, Try, matrix_table, sums
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import compared
from everysum.lessons.figures import Figure, Given
from everysum.plain.classifier import LEAF, MIDDLE
from everysum.plain.matrix import product, times_vector, transposed, vector_times
from everysum.plain.vector import Matrix

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = (
    Figure("first", "11 12 13 21 22 23", "two rows of three numbers", "numbers", step=1, shortest=6, longest=6),
    Figure("second", "11 12 21 22 31 32", "three rows of two numbers", "numbers", step=1, shortest=6, longest=6),
)


def rows_of(given: Given, name: str, columns: int) -> Matrix:
    """A list of numbers as a matrix, row after row."""
    vector = given.vector(name)
    return [vector[start : start + columns] for start in range(0, len(vector), columns)]


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    first, second = rows_of(given, "first", 3), rows_of(given, "second", 2)
    yield Text(
        "Numbers in a fixed order are a vector; vectors of one size, one below the other, are a matrix. That is only a "
        "way to keep many numbers together. Its use lies in one operation, the product, which is nothing but the "
        "weighted sums of the last chapter, many at once."
    )
    yield matrix_table("first, row", first)
    yield matrix_table("second, row", second)
    together = product(first, second)
    yield Heading("The product")
    yield Text(
        "Lay a row of the first on a column of the second, multiply the numbers that meet, add up. Do so for every row "
        "with every column. A row must be as long as a column: two rows of three, times three rows of two, make two "
        "rows of two."
    )
    names = {(1, 1): "row 1, column 1", (1, 2): "row 1, column 2", (2, 1): "row 2, column 1", (2, 2): "row 2, column 2"}
    yield sums({name: together[i - 1][j - 1] for (i, j), name in names.items()})
    yield matrix_table("product, row", together)
    yield compared("the product", in_torch, [first, second], together)

    yield Heading("A layer is a product")
    yield Text(
        "Write the weights of the leaf's three middle neurons as the rows of a matrix W, and the four inputs as an "
        "upright vector x. Then Wx is the middle layer: each row of W is one neuron."
    )
    between = times_vector(MIDDLE, LEAF)
    yield sums(dict(zip(("blue", "grey", "orange"), between, strict=True)))
    yield Text(
        "With the vector lying and the matrix turned over (its rows made columns: transposed) it is written xW. The "
        "sums are the same; which of the two is written is a matter of taste."
    )
    lying = vector_times(LEAF, transposed(MIDDLE))
    yield sums({"blue, by xW": lying[0]})
    yield compared("the middle layer, both ways", a_layer_in_torch, [MIDDLE, LEAF], [between, lying])
    yield Text(
        "And with many inputs, one a column, a single product computes the layer for all of them. Graphics cards do "
        "little else, billions of times a second."
    )
    yield Try(("first=1 0 0 0 1 0",), "Rows with a single 1 pick out rows of the second matrix: a look-up.")


def in_torch(first: Tensor, second: Tensor) -> Tensor:
    return first @ second


def a_layer_in_torch(weights: Tensor, inputs: Tensor) -> Tensor:
    import torch

    return torch.stack([weights @ inputs, inputs @ weights.T])


CHAPTER = Chapter(
    "matrix",
    "Tables of numbers",
    "the product of two matrices, and a layer as one",
    "Appendix: Matrix Multiplication",
    FIGURES,
    ("plain/matrix.py", "plain/vector.py", "layers/linear.py"),
    teach,
)
