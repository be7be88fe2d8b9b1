"""Each character a token: the vocabulary that needs no explaining, and the longest sequences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from everysum.tokenizers.patterns import EACH_CHARACTER, texts_of, utf8
from everysum.tokenizers.pieces import PieceTokenizer, most_frequent
from everysum.tokenizers.vocabulary import learned_size


class CharacterTokenizer(PieceTokenizer):
    """One token for each character that was seen in training; a character that was not is spelled in its bytes.

    The characters of ASCII are single bytes, so they are always there; ``characters`` are the others.
    """

    kind = "characters"

    def __init__(self, characters: Iterable[str]) -> None:
        super().__init__(characters, EACH_CHARACTER)

    def encode(self, text: str) -> list[int]:
        utf8(text)
        return self.encode_pieces(text)


def train_characters(texts: str | Iterable[str], vocabulary_size: int | None = None) -> CharacterTokenizer:
    """A token for each character seen anywhere in the texts, or for the most frequent ones that fit."""
    number = None if vocabulary_size is None else learned_size(vocabulary_size)
    counts: Counter[str] = Counter()
    for text in texts_of(texts):
        counts.update(text)
    return CharacterTokenizer(most_frequent(counts, number))
