"""How a token was put together, for every tokenizer whose tokens were merged from others, however it keeps the merges.

Merging a token's own characters by rank gives the merges that make it inside a text too: a merge across its edge would
have come first, and then it would not be a token there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar, runtime_checkable

from everysum.tokenizers.byte_pair import Merge

Spelling = TypeVar("Spelling", str, bytes)


@runtime_checkable
class Merging(Protocol):
    """A tokenizer whose tokens were merged from others."""

    def history(self, token_id: int) -> list[tuple[int, Merge]]:
        """The merges behind one token as they were learned, each with its number, counted from 1."""


def merge_steps(
    symbols: Sequence[Spelling], rank: Callable[[Spelling, Spelling], int | None]
) -> Iterator[tuple[int, Spelling, Spelling]]:
    """Merge neighbours, the pair of the lowest rank first, until none has a rank: each rank and pair on the way."""
    symbols = list(symbols)
    while True:
        ranked = [(found, place) for place, pair in enumerate(pairwise(symbols)) if (found := rank(*pair)) is not None]
        if not ranked:
            return
        lowest, place = min(ranked)
        yield lowest, symbols[place], symbols[place + 1]
        symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]
