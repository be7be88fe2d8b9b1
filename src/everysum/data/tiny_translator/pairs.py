"""Pairs of sentences, German and English, to train on; and others with combinations of words that these do not have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal

from everysum.data.grammars import Chances
from everysum.data.sentence_pairs import Pair
from everysum.data.tiny_translator.grammar import Writer, combination, write
from everysum.data.tiny_translator.tables import read_tables

Part = Literal["training", "held_out"]
TRAINING_PAIRS, HELD_OUT_PAIRS = 8_000, 400
SEED = 1
ONE_IN = 12
"""Of so many combinations one is held out."""


def sentence_pairs(part: Part, count: int | None = None, seed: int = SEED) -> list[Pair]:
    """`count` different pairs (German, English) of a part.

    In each held-out sentence the two words that its kind of sentence combines, such as a verb and its object, stand
    together as in no training sentence; each of the two by itself does occur there.
    """
    default = TRAINING_PAIRS if part == "training" else HELD_OUT_PAIRS
    return list(islice(different_pairs(part, seed), default if count is None else count))


def different_pairs(part: Part, seed: int) -> Iterator[Pair]:
    """Pairs of a part without end, none of them twice."""
    tables = read_tables()
    chances = Chances(seed if part == "training" else seed + 1_000_003)
    writer, seen = Writer(tables, chances), set[Pair]()
    while True:
        kind = chances.one(tables.kinds)
        filled = writer.fill(kind)
        if is_held_out(combination(kind, filled)) == (part == "held_out"):
            pair = Pair(*write(kind, filled, tables))
            if pair not in seen:
                seen.add(pair)
                yield pair


def is_held_out(words: Sequence[str]) -> bool:
    """Whether a combination is kept out of the training pairs: a matter of its words alone, not of the seed."""
    return bool(words) and hashlib.sha256(" ".join(words).encode()).digest()[0] % ONE_IN == 0
