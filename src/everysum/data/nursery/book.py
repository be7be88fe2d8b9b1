"""The whole text: stories and rhymes dealt from a shuffled deck until there is a megabyte of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from everysum.data.grammars import Chances
from everysum.data.nursery.tables import read_grammar, read_plots

SEED = 1
SIZE = 1_000_000  # bytes
STORIES = ("humpty", "weather", "friends", "village", "wishes")
RHYMES_PER_STORY = 0.25
END_OF_TEXT_LINE = "<|endoftext|>\n"


def nursery_text_path() -> Path:
    """The text that ships with everysum."""
    return Path(__file__).parent / "nursery.txt"


def nursery_documents(seed: int = SEED, size: int = SIZE) -> Iterator[str]:
    """Different stories and rhymes, `size` characters of them in all (a little more)."""
    chances, grammar = Chances(seed), read_grammar()
    stories, rhymes = read_plots(STORIES), read_plots(("verses",), joint="\n")
    told: set[str] = set()
    length = 0
    while length < size:
        rhymes_now = chances.some(rhymes, int(len(stories) * RHYMES_PER_STORY))
        for plot in chances.some([*stories, *rhymes_now], len(stories) + len(rhymes_now)):
            document = grammar.tell(plot, chances) + "\n"
            if document not in told and length < size:
                told.add(document)
                length += len(document) + len(END_OF_TEXT_LINE)
                yield document


def nursery_text(seed: int = SEED, size: int = SIZE) -> str:
    """The documents, parted by a line `<|endoftext|>`."""
    return END_OF_TEXT_LINE.join(nursery_documents(seed, size))
