"""The part of a text that a model is never trained on, so that its loss there says what it has learned.

Decided on the text itself, before any tokenizer has seen it, and by the text alone: the same text is always parted the
same way. Of twenty documents or more, whole ones are held out: those with the smallest hashes, so that two equal
documents stay on one side. Of fewer, or where a few documents hold most of the text, the end of each is: from the first
line end, else the first white space, in the first half of its last tenth. Never more than HELD_OUT_CHARACTERS in all,
which is enough to measure a loss to three digits.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from everysum.data.text import Errors, TextPiece, read_pieces
from everysum.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HELD_OUT_CHARACTERS = 5_000_000
DOCUMENTS_TO_CHOOSE_FROM = 20

_WHITE_SPACE = re.compile(r"\s")


@dataclass(frozen=True)
class TextPart:
    """One side of a split text: iterating reads its pieces from the disk, as often as one likes, in bounded memory.

    `held_out_lengths` has one number per document: how many of the `lengths` characters at its end are held out.
    """

    paths: tuple[Path, ...]
    errors: Errors
    lengths: NDArray[np.int64]
    held_out_lengths: NDArray[np.int64]
    is_held_out: bool

    @property
    def characters(self) -> int:
        """About how many characters this side has: cutting at a line's end moves a few to the other side."""
        held_out = int(self.held_out_lengths.sum())
        return held_out if self.is_held_out else int(self.lengths.sum()) - held_out

    def __iter__(self) -> Iterator[TextPiece]:
        return (piece for piece, is_held_out in self._sides() if is_held_out == self.is_held_out)

    def _sides(self) -> Iterator[tuple[TextPiece, bool]]:
        """Every piece, cut where its document's held-out end begins, and whether it is held out."""
        document, train, starts_held_out, unread = -1, 0, False, int(self.lengths.sum())
        for text, starts_document in read_pieces(self.paths, self.errors):
            document += starts_document
            unread -= len(text)
            if unread < 0 or document == len(self.lengths):
                raise self._changed()
            if starts_document:
                held_out = int(self.held_out_lengths[document])
                train, starts_held_out = int(self.lengths[document]) - held_out, True
            if train == 0:
                yield TextPiece(text, starts_held_out), True
                starts_held_out = False
                continue
            end = len(text) if train >= len(text) else _line_end(text, train, train + held_out // 2)
            yield TextPiece(text[:end], starts_document), False
            if text[end:]:
                yield TextPiece(text[end:], True), True
                starts_held_out = False
            train = max(0, train - len(text))
        if unread:
            raise self._changed()

    def _changed(self) -> InputError:
        names = ", ".join(str(path) for path in self.paths[:3]) + (" …" if len(self.paths) > 3 else "")
        return InputError(f"the text changed while it was being read: {names}", advice="start again, on a copy of it")


def split_texts(
    paths: Sequence[Path], errors: Errors = "strict", held_out_fraction: float = 0.1
) -> tuple[TextPart, TextPart]:
    """The part to train on and the part held out, about `held_out_fraction` of the characters (0: nothing).

    Reads the text once; keeps twelve bytes per document in memory. Raises InputError where a file is not text.
    """
    import numpy as np

    if not 0 <= held_out_fraction < 1:
        raise UsageError("impossible held-out fraction", wanted="0 ≤ fraction < 1", came=str(held_out_fraction))
    lengths, hashes = array("q"), array("I")
    for length, digest in _documents(paths, errors):
        lengths.append(length)
        hashes.append(digest)
    all_lengths = np.asarray(lengths, dtype=np.int64)
    held_out = _held_out_lengths(all_lengths, np.asarray(hashes), held_out_fraction)
    training, other = (TextPart((*paths,), errors, all_lengths, held_out, is_held_out) for is_held_out in (False, True))
    return training, other


def _documents(paths: Sequence[Path], errors: Errors) -> Iterator[tuple[int, int]]:
    """Each document's length in characters, and 32 bits of its text's hash."""
    length, digest = 0, hashlib.blake2b(digest_size=4)
    for text, starts_document in read_pieces(paths, errors):
        if starts_document and length:
            yield length, int.from_bytes(digest.digest(), "big")
            length, digest = 0, hashlib.blake2b(digest_size=4)
        length += len(text)
        digest.update(text.encode())
    yield length, int.from_bytes(digest.digest(), "big")


def _held_out_lengths(lengths: NDArray[np.int64], hashes: NDArray[np.uint32], fraction: float) -> NDArray[np.int64]:
    import numpy as np

    total = int(lengths.sum())
    wanted = min(int(total * fraction), HELD_OUT_CHARACTERS)
    if len(lengths) >= DOCUMENTS_TO_CHOOSE_FROM:
        order = np.argsort(hashes, kind="stable")
        fitting = int(np.searchsorted(lengths[order].cumsum(), wanted, side="right"))
        chosen: NDArray[np.int64] = np.where(hashes < hashes[order[fitting]], lengths, 0)
        if chosen.sum() * 2 >= wanted:
            return chosen
    ends: NDArray[np.int64] = np.floor(lengths * (wanted / max(1, total))).astype(np.int64)
    return ends


def _line_end(text: str, start: int, stop: int) -> int:
    """Where to cut: after the first line end from `start` on, else before the first white space, else at `start`.

    A piece that ends before `stop` ends between a letter and white space: that will do as well.
    """
    line_end = text.find("\n", start - 1, stop)
    if line_end >= 0:
        return line_end + 1
    if white_space := _WHITE_SPACE.search(text, start, stop):
        return white_space.start()
    return len(text) if stop >= len(text) else start
