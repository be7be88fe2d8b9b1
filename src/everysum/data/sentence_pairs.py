"""Sentence pairs: two texts that say the same in two languages, line by line.

Line n of the sources goes with line n of the targets; a side may be several files, or a folder of them, in the same
order on both sides. White space around a sentence does not count. A pair with an empty side teaches nothing and is
passed over, which a survey tells; texts whose numbers of lines differ are refused, since from some line on they would
say different things. What is not UTF-8 is treated as in `everysum.data.text`.

Held-out pairs are chosen by a hash of the source sentence, so that one sentence never stands on both sides, and the
same texts are always parted in the same way.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from everysum.data.text import Errors, decoded, find_texts
from everysum.errors import InputError, UsageError

HELD_OUT_PAIRS = 2000
"""Enough to measure a loss to three digits; never more are held out."""


class Pair(NamedTuple):
    """A sentence, and what it is to become."""

    source: str
    target: str


@dataclass(frozen=True)
class Sides:
    """The files of both sides; `errors` says what becomes of bytes that are not UTF-8."""

    sources: tuple[Path, ...]
    targets: tuple[Path, ...]
    errors: Errors = "strict"


@dataclass(frozen=True)
class PairSurvey:
    """What one pass over the pairs has found; `bytes` counts those of both sides' files."""

    bytes: int
    pairs: int
    empty: int
    """Pairs of which a side is empty."""
    first_empty: str
    """Where the first of them stands."""
    sha256: str
    files: tuple[str, ...]
    """The SHA-256 of each file, the sources' before the targets'."""


def find_sides(sources: Sequence[Path], targets: Sequence[Path], errors: Errors = "strict") -> Sides:
    """The files meant by these paths, folders searched through; refuses sides that cannot go together."""
    sides = Sides(find_texts(sources), find_texts(targets), errors)
    if len(sides.sources) != len(sides.targets):
        raise InputError(
            "the two sides of the pairs have different numbers of files",
            wanted="a file of targets for each file of sources, in the same order",
            came=f"{len(sides.sources)} of sources, {len(sides.targets)} of targets",
        )
    for source, target in zip(sides.sources, sides.targets, strict=True):
        if source.resolve() == target.resolve():
            raise InputError(
                f"{source} is given for both sides of the pairs", wanted="a file of sentences and one of translations"
            )
    return sides


def survey_pairs(sides: Sides) -> PairSurvey:
    """Read everything once: how many pairs there are, and whether all of it is text and goes together."""
    digests = [hashlib.sha256() for _ in (*sides.sources, *sides.targets)]
    pairs = empty = 0
    first_empty = ""
    for path, number, pair in numbered_pairs(sides, digests):
        if pair.source and pair.target:
            pairs += 1
        else:
            empty += 1
            first_empty = first_empty or f"{path} line {number}"
    if pairs == 0:
        raise InputError(f"{sides.sources[0]} and {sides.targets[0]} have no pair of sentences")
    files = tuple(digest.hexdigest() for digest in digests)
    size = sum(path.stat().st_size for path in (*sides.sources, *sides.targets))
    return PairSurvey(size, pairs, empty, first_empty, hashlib.sha256("\n".join(files).encode()).hexdigest(), files)


def read_pairs(sides: Sides) -> Iterator[Pair]:
    """Every pair that has two sides, in order."""
    return (pair for _, _, pair in numbered_pairs(sides) if pair.source and pair.target)


def read_lines(path: Path, errors: Errors = "strict", digest: hashlib._Hash | None = None) -> Iterator[str]:
    """The file's lines without their ends; a last line without one counts, and nothing behind the last end does."""
    rest = ""
    for text in decoded(path, errors, digest):
        *lines, rest = (rest + text).split("\n")
        yield from (line.removesuffix("\r") for line in lines)
    if rest:
        yield rest


def numbered_pairs(sides: Sides, digests: Sequence[hashlib._Hash] = ()) -> Iterator[tuple[Path, int, Pair]]:
    """Each pair with its source's file and the number of its line."""
    count = len(sides.sources)
    for place, (source, target) in enumerate(zip(sides.sources, sides.targets, strict=True)):
        first, second = (digests[place], digests[count + place]) if digests else (None, None)
        lines = zip_longest(read_lines(source, sides.errors, first), read_lines(target, sides.errors, second))
        for number, (one, other) in enumerate(lines, 1):
            if one is None or other is None:
                raise _unpaired(sides, *((source, target) if one is None else (target, source)), number)
            yield source, number, Pair(one.strip(), other.strip())


def _unpaired(sides: Sides, shorter: Path, longer: Path, number: int) -> InputError:
    more = sum(1 for _ in read_lines(longer, sides.errors)) - number + 1
    return InputError(
        f"{shorter} ends before line {number}, which {longer} has",
        wanted="as many lines on both sides: line n says the same on each",
        came=f"{number - 1} lines in {shorter}, {number - 1 + more} in {longer}",
        advice="find where a line is missing, or was broken in two, before anything is trained on them",
    )


# --- held-out pairs ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PairPart:
    """One side of a split: iterating reads its pairs from the disk, as often as one likes, in bounded memory."""

    sides: Sides
    threshold: int
    """Pairs whose source hashes to less are held out."""
    is_held_out: bool

    def __iter__(self) -> Iterator[Pair]:
        return (pair for pair in read_pairs(self.sides) if (_hash(pair.source) < self.threshold) == self.is_held_out)


def split_pairs(sides: Sides, held_out_share: float = 0.1) -> tuple[PairPart, PairPart]:
    """The pairs to train on and those held out, about this share of them (0: none), at most HELD_OUT_PAIRS.

    Reads the pairs once; keeps eight bytes a pair in memory.
    """
    if not 0 <= held_out_share < 1:
        raise UsageError("impossible held-out share", wanted="0 ≤ share < 1", came=str(held_out_share))
    hashes = sorted(array("Q", (_hash(pair.source) for pair in read_pairs(sides))))
    wanted = min(int(len(hashes) * held_out_share), HELD_OUT_PAIRS)
    threshold = hashes[wanted] if wanted else 0
    return PairPart(sides, threshold, False), PairPart(sides, threshold, True)


def _hash(sentence: str) -> int:
    return int.from_bytes(hashlib.blake2b(sentence.encode(), digest_size=8).digest(), "big")
