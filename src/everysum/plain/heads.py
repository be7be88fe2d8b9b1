"""Heads: several attentions side by side, so that a word can listen for several things at once.

Each head has its own query, key and value; what the heads bring home is laid side by side. The standard has one matrix
for each of these per head, and an output matrix that mixes the results. The article makes one query, key and value for
all heads, and gives each head a further linear layer on top: two layers without a bend, so `standard` makes them one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from everysum.plain.attention import Layer, Score, attend, product_score, scaled_score
from everysum.plain.linear import Linear, random_linear
from everysum.plain.matrix import product
from everysum.plain.vector import Matrix, Vector, numbers

Sees = Callable[[int, int], range]
"""Which of the asked words the word at a place sees: from its place and their number."""
Turn = Callable[[Vector, int], Vector]
"""What a head's query and key are turned by: their place."""


def itself_and_the_past(place: int, _: int) -> range:
    return range(place + 1)


def everything(_: int, count: int) -> range:
    return range(count)


@dataclass
class Attention:
    """All heads' queries are made by one matrix, its rows in order: `head_size` for the first head, and so on.

    With fewer key/value heads than query heads, groups of neighboring queries share them (Ainslie et al., 2023).
    """

    query: Layer
    key: Layer
    value: Layer
    output: Layer
    head_size: int
    score: Score = scaled_score

    def __call__(
        self, words: Matrix, others: Matrix | None = None, sees: Sees = itself_and_the_past, turn: Turn | None = None
    ) -> Matrix:
        """Each word asks `others`, or where there are none the words themselves, as far as it sees them."""
        asked = words if others is None else others
        queries = [self.heads(self.query(word), place, turn) for place, word in enumerate(words)]
        keys = [self.heads(self.key(other), place, turn) for place, other in enumerate(asked)]
        values = [self.heads(self.value(other)) for other in asked]
        mixed = []
        for place, heads in enumerate(queries):
            group = len(heads) // len(keys[0])
            seen = sees(place, len(asked))
            side_by_side = []
            for head, query in enumerate(heads):
                its_keys = [keys[other][head // group] for other in seen]
                its_values = [values[other][head // group] for other in seen]
                side_by_side += attend(query, its_keys, its_values, self.score)
            mixed.append(self.output(side_by_side))
        return mixed

    def heads(self, vector: Vector, place: int = 0, turn: Turn | None = None) -> list[Vector]:
        """A vector cut into those of its heads."""
        parts = [vector[start : start + self.head_size] for start in range(0, len(vector), self.head_size)]
        return parts if turn is None else [turn(part, place) for part in parts]


def random_attention(width: int, heads: int, random: Random, *, bias: bool = True) -> Attention:
    if width % heads:
        raise ValueError(
            f"{heads} heads cannot share a width of {width} evenly: take a number of heads that divides it"
        )
    query, key, value, output = (random_linear(width, width, random, bias=bias) for _ in range(4))
    return Attention(query, key, value, output, width // heads)


@dataclass
class SharedThenPerHead:
    """The article's way to a query, key or value: a layer that all heads share, then one of each head's own."""

    shared: Linear
    per_head: Linear

    def __call__(self, vector: Vector) -> Vector:
        return self.per_head(self.shared(vector))


def side_by_side(vector: Vector) -> Vector:
    """What stands in the place of the output matrix in the article: nothing."""
    return vector


def shared_heads(
    query: SharedThenPerHead, key: SharedThenPerHead, value: SharedThenPerHead, head_size: int
) -> Attention:
    """The article's heads: shared query, key and value, a linear layer each per head; q·k as it is, no output."""
    return Attention(query, key, value, side_by_side, head_size, product_score)


def standard(query: SharedThenPerHead, key: SharedThenPerHead, value: SharedThenPerHead, head_size: int) -> Attention:
    """The standard heads that compute just the same: each head's matrix is its own layer times the shared one."""
    width = len(value.per_head.weight)
    as_it_is = Linear([numbers(int(row == column) for column in range(width)) for row in range(width)])
    return Attention(folded(query), folded(key), folded(value), as_it_is, head_size, product_score)


def folded(way: SharedThenPerHead) -> Linear:
    """One layer for two: its weights are the product of theirs."""
    return Linear(product(way.per_head.weight, way.shared.weight))
