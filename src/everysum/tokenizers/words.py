"""Each frequent word a token, with the space before it: short sequences, a large vocabulary, rare words in bytes."""

from __future__ import annotations

from collections.abc import Iterable

from everysum.tokenizers.patterns import split_pattern, utf8
from everysum.tokenizers.pieces import PieceTokenizer, most_frequent
from everysum.tokenizers.sample import count_pieces, even_sample
from everysum.tokenizers.vocabulary import learned_size

BLOCK_LENGTH = 2**16
"""Characters that are cut into words at a time, so that a long text is never held as a list of its words."""


class WordTokenizer(PieceTokenizer):
    """One token for each word (piece of the split pattern) in the vocabulary; other words are spelled in bytes."""

    kind = "words"

    def __init__(self, words: Iterable[str], pattern: str = "gpt2") -> None:
        super().__init__(words, split_pattern(pattern))

    def encode(self, text: str) -> list[int]:
        utf8(text)
        ids: list[int] = []
        for block in self.pattern.blocks(text, BLOCK_LENGTH):
            ids.extend(self.encode_pieces(self.pattern.pieces(block)))
        return ids


def train_words(texts: str | Iterable[str], vocabulary_size: int, pattern: str = "gpt2") -> WordTokenizer:
    """The most frequent words of the texts (of an even sample of very long ones), as many as fit."""
    number, cut = learned_size(vocabulary_size), split_pattern(pattern)
    return WordTokenizer(most_frequent(count_pieces(even_sample(texts, cut), cut), number), pattern)
