"""Matrices: a whole layer, or a layer for many inputs at once, as one product of tables."""

from __future__ import annotations

from collections.abc import Sequence

from everysum.plain.number import Number
from everysum.plain.vector import Matrix, Vector, weighted_sum


def transposed(matrix: Matrix) -> Matrix:
    """Rows become columns."""
    return [list(column) for column in zip(*matrix, strict=True)]


def product(first: Matrix, second: Matrix) -> Matrix:
    """Number (i, j) is row i of the first times column j of the second, added up."""
    if len(first[0]) != len(second):
        raise ValueError(
            f"rows of {len(first[0])} numbers cannot meet columns of {len(second)}: the first matrix needs as many "
            f"columns as the second has rows"
        )
    columns = transposed(second)
    return [[weighted_sum(row, column) for column in columns] for row in first]


def times_vector(matrix: Matrix, vector: Sequence[Number]) -> Vector:
    """Wx, the vector standing upright: one weighted sum for each row of the matrix. With weights in it: a layer."""
    return transposed(product(matrix, as_column(vector)))[0]


def vector_times(vector: Sequence[Number], matrix: Matrix) -> Vector:
    """xW, the vector lying: the same sums if the matrix is transposed. Which of the two is written is taste."""
    return product([list(vector)], matrix)[0]


def as_column(vector: Sequence[Number]) -> Matrix:
    """A vector as a matrix with one column."""
    return [[number] for number in vector]
