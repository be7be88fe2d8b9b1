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
"""What is done to a head's query and key for the place they stand at."""


def itself_and_the_past(place: int, _: int) -> range:
    return range(place + 1)


def everything(_: int, count: int) -> range:
    return range(count)


def no_turn(vector: Vector, _: int) -> Vector:
    return vector


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
    sees: Sees = itself_and_the_past
    turn: Turn = no_turn

    def __call__(self, words: Matrix, others: Matrix | None = None) -> Matrix:
        """Each word asks `others`, or where there are none the words themselves, as far as it sees them."""
        asked = words if others is None else others
        queries = [self.turned_heads(self.query(word), place) for place, word in enumerate(words)]
        keys = [self.turned_heads(self.key(other), place) for place, other in enumerate(asked)]
        values = [self.heads(self.value(other)) for other in asked]
        return [self.output(self.brought_home(queries, keys, values, place)) for place in range(len(words))]

    def brought_home(self, queries: list[Matrix], keys: list[Matrix], values: list[Matrix], place: int) -> Vector:
        """What the heads of the word at this place find, side by side."""
        seen = self.sees(place, len(keys))
        group = len(queries[place]) // len(keys[0])
        found = []
        for head, query in enumerate(queries[place]):
            shared = head // group
            found += attend(query, [keys[i][shared] for i in seen], [values[i][shared] for i in seen], self.score)
        return found

    def heads(self, vector: Vector) -> Matrix:
        """A vector cut into those of its heads."""
        return [vector[start : start + self.head_size] for start in range(0, len(vector), self.head_size)]

    def turned_heads(self, vector: Vector, place: int) -> Matrix:
        return [self.turn(part, place) for part in self.heads(vector)]


def random_attention(width: int, heads: int, random: Random, sees: Sees = itself_and_the_past) -> Attention:
    if width % heads:
        raise ValueError(
            f"{heads} heads cannot share a width of {width} evenly: take a number of heads that divides it"
        )
    query, key, value, output = (random_linear(width, width, random) for _ in range(4))
    return Attention(query, key, value, output, width // heads, sees=sees)


@dataclass
class SharedThenPerHead:
    """The article's way to a query, key or value: a layer that all heads share, then one of each head's own."""

    shared: Linear
    per_head: Linear

    def __call__(self, vector: Vector) -> Vector:
        return self.per_head(self.shared(vector))

    def folded(self) -> Linear:
        """One layer for the two: its weights are the product of theirs."""
        return Linear(product(self.per_head.weight, self.shared.weight))


Way = SharedThenPerHead


def shared_heads(query: Way, key: Way, value: Way, head_size: int) -> Attention:
    """The article's heads: shared query, key and value, a layer for each head, q · k as it is, and no output matrix."""
    return Attention(query, key, value, lambda side_by_side: side_by_side, head_size, product_score)


def standard(query: Way, key: Way, value: Way, head_size: int) -> Attention:
    """The standard heads that compute just the same; their output matrix leaves every number as it is."""
    width = len(value.per_head.weight)
    as_it_is = Linear([numbers(int(row == column) for column in range(width)) for row in range(width)])
    return Attention(query.folded(), key.folded(), value.folded(), as_it_is, head_size, product_score)
