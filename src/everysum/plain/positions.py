"""Positions: attention cannot tell first from last, so each word's vector gets numbers that say where it stands.

Either they are learned, a row for each position (an `Embedding` of positions), or made by a rule, below; both are added
to the word's vector. The last rule adds nothing: it turns queries and keys instead.
"""

from __future__ import annotations

from collections.abc import Callable

from everysum.plain import operations as of
from everysum.plain.number import Number, made
from everysum.plain.vector import Matrix, Vector, added, numbers, weighted_sum

Table = Callable[[int, int], Matrix]
"""From context length and width: a row for each position."""


def placed(vectors: Matrix, rows: Matrix) -> Matrix:
    """Each vector plus the row of its position."""
    if len(vectors) > len(rows):
        raise ValueError(f"{len(vectors)} tokens do not fit into a context of {len(rows)}: give the last ones")
    return [added(vector, row) for vector, row in zip(vectors, rows[: len(vectors)], strict=True)]


def counting(context_length: int, width: int) -> Matrix:
    """[p, p, …] with p = 1, 2, 3, …: the simplest rows that differ, but far positions get large numbers."""
    return [numbers([position] * width) for position in range(1, context_length + 1)]


def fractions(context_length: int, width: int) -> Matrix:
    """[p/max, p/max, …]: never above 1, but in a text of another length every position has other numbers."""
    return [[number / context_length for number in row] for row in counting(context_length, width)]


def sines(context_length: int, width: int) -> Matrix:
    """sin(p / 10000^(i/d)) for number i of row p, both from 0, and d the context length: the article's first curves."""
    return [[sine(wave(p, i / context_length)) for i in range(width)] for p in range(context_length)]


def unpaired_sines_and_cosines(context_length: int, width: int) -> Matrix:
    """The article's second: sin(p / 10000^(i/d)) for even i, cos(p / 10000^(i/d)) for odd i, each at its own speed."""
    waves = [[wave(p, i / context_length) for i in range(width)] for p in range(context_length)]
    return [[cosine(angle) if i % 2 else sine(angle) for i, angle in enumerate(row)] for row in waves]


def sines_and_cosines(context_length: int, width: int) -> Matrix:
    """The paper's: numbers 2j and 2j + 1 are sine and cosine of one angle, p / 10000^(2j/width).

    Like the hands of many clocks: the row of p + k is the row of p with each hand turned on, by the same at every p.
    """
    waves = [[wave(p, 2 * (i // 2) / width) for i in range(width)] for p in range(context_length)]
    return [[cosine(angle) if i % 2 else sine(angle) for i, angle in enumerate(row)] for row in waves]


TABLES: dict[str, Table] = {
    table.__name__: table for table in (counting, fractions, sines, unpaired_sines_and_cosines, sines_and_cosines)
}


def wave(position: int, exponent: float) -> Number:
    """p / 10000^exponent: an angle that grows with the position, the slower the higher the exponent."""
    return Number(position) / float(10_000**exponent)


def sine(angle: Number) -> Number:
    return made(of.SINE, angle)


def cosine(angle: Number) -> Number:
    return made(of.COSINE, angle)


Pairs = list[tuple[int, int]]


def neighbors(size: int) -> Pairs:
    """(0, 1), (2, 3), …: the pairs of the paper on rotary positions and of Meta's Llama files."""
    return [(i, i + 1) for i in range(0, size, 2)]


def halves(size: int) -> Pairs:
    """(0, size/2), (1, size/2 + 1), …: Hugging Face's pairs: the same network with its query and key rows reordered."""
    return [(i, i + size // 2) for i in range(size // 2)]


def speeds(size: int, base: float = 10_000.0) -> list[float]:
    """How far each pair turns from one position to the next: base^(−2j/size) for pair j."""
    return [base ** (-2 * j / size) for j in range(size // 2)]


def turned(vector: Vector, position: int, pairs: Pairs, turning: list[float]) -> Vector:
    """Rotary positions: each pair (x, y) is a point, turned around 0 by position × speed (Su et al., 2021).

    Query · key then depends only on how far apart the two stand: turning both by the same changes no angle between.
    """
    result = list(vector)
    for (x, y), speed in zip(pairs, turning, strict=True):
        angle = Number(position) * speed
        along, across = cosine(angle), sine(angle)
        result[x] = weighted_sum([vector[x], vector[y]], [along, -across])
        result[y] = weighted_sum([vector[y], vector[x]], [along, across])
    return result
