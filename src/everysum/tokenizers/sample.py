"""The text a vocabulary is learned from: all of it, or an even sample where there is very much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from everysum.tokenizers.patterns import SplitPattern, texts_of

LARGEST_SAMPLE = 2**25
"""Characters that a vocabulary is learned from at most, about 32 MB of English: its merges hardly change with more."""

BLOCK_LENGTH = 256
"""Characters in a block of the sample. Also the longest piece that is learned from, within a factor of two: the time
to learn from one piece grows with the square of its length."""


def even_sample(texts: str | Iterable[str], pattern: SplitPattern, largest: int = LARGEST_SAMPLE) -> list[str]:
    """Every n-th block of all the texts, with the smallest n = 1, 2, 4, … that keeps at most ``largest`` characters.

    The texts are read once and never held together: whenever the sample has grown too large, every other block of it
    is dropped, and from then on only every other one is taken. The same texts always give the same sample.
    """
    sample: list[str] = []
    characters, step = 0, 1
    for number, block in enumerate(_short_blocks(texts, pattern)):
        if number % step:
            continue
        sample.append(block)
        characters += len(block)
        while characters > largest and len(sample) > 1:
            sample = sample[::2]
            characters, step = sum(map(len, sample)), 2 * step
    return sample


def count_pieces(blocks: Iterable[str], pattern: SplitPattern) -> Counter[str]:
    """How often each distinct piece stands in the blocks."""
    counts: Counter[str] = Counter()
    for block in blocks:
        counts.update(pattern.pieces(block))
    return counts


def _short_blocks(texts: str | Iterable[str], pattern: SplitPattern) -> Iterator[str]:
    for text in texts_of(texts):
        for block in pattern.blocks(text, BLOCK_LENGTH):
            if len(block) <= 2 * BLOCK_LENGTH:
                yield block
            else:
                yield from filter(None, _short_parts(block, pattern))


def _short_parts(block: str, pattern: SplitPattern) -> Iterator[str]:
    """A long block cut between its pieces, and within a piece only where the piece itself is long."""
    part = ""
    for piece in pattern.pieces(block):
        if len(piece) > 2 * BLOCK_LENGTH:
            yield part
            yield from (piece[start : start + BLOCK_LENGTH] for start in range(0, len(piece), BLOCK_LENGTH))
            part = ""
        # Not after a space: a row of spaces is cut with an eye to what follows it.
        elif len(part) >= BLOCK_LENGTH and not part[-1].isspace():
            yield part
            part = piece
        else:
            part += piece
    yield part
