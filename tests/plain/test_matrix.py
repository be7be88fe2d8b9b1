"""Matrix products: the article's figures, and torch's."""

from __future__ import annotations

import pytest
from plain_and_torch import assert_held_together, draw, plain

from everysum.plain.classifier import LEAF, MIDDLE
from everysum.plain.matrix import as_column, product, times_vector, transposed, vector_times
from everysum.plain.vector import numbers


def test_the_articles_product() -> None:
    found = product([numbers("11 12 13"), numbers("21 22 23")], [numbers("11 12"), numbers("21 22"), numbers("31 32")])
    assert [[number.value for number in row] for row in found] == [[776, 812], [1406, 1472]]
    assert str(found[0][0]) == "776 = 11 × 11 + 12 × 21 + 13 × 31"


def test_a_product_is_torchs() -> None:
    first, second = draw(2, 3), draw(3, 4, seed=1)
    ours = plain(first), plain(second)
    assert_held_together(product(*ours), first @ second, [(ours[0], first), (ours[1], second)])


def test_a_vector_may_stand_or_lie() -> None:
    standing = [number.value for number in times_vector(MIDDLE, LEAF)]
    assert standing == [number.value for number in vector_times(LEAF, transposed(MIDDLE))]
    assert standing == [row[0].value for row in product(MIDDLE, as_column(LEAF))]


def test_rows_and_columns_must_fit() -> None:
    with pytest.raises(ValueError, match="rows of 2 numbers cannot meet columns of 3"):
        product([numbers("1 2")], [numbers("1"), numbers("2"), numbers("3")])
