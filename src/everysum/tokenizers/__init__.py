"""Text to numbers and back: characters, words and byte-pair encoding, behind one protocol."""

from __future__ import annotations

from collections.abc import Iterable

from everysum.errors import UsageError
from everysum.tokenizers.byte_pair import train_byte_pair
from everysum.tokenizers.characters import train_characters
from everysum.tokenizers.files import load_tokenizer
from everysum.tokenizers.tokenizer import END_OF_TEXT, SEPARATOR, StreamDecoder, Tokenizer
from everysum.tokenizers.vocabulary import Vocabulary
from everysum.tokenizers.words import train_words

__all__ = ["END_OF_TEXT", "KINDS", "SEPARATOR", "StreamDecoder", "Tokenizer", "load_tokenizer", "train_tokenizer"]

KINDS = ("characters", "words", "byte_pair")


def train_tokenizer(
    kind: str, texts: str | Iterable[str], vocabulary_size: int | None = None, pattern: str = "gpt2"
) -> Vocabulary:
    """A tokenizer of this kind whose vocabulary is learned from the texts.

    ``vocabulary_size`` counts everything, the 256 bytes and end of text included; it may be left out for characters.
    ``pattern``, ``"gpt2"`` or ``"llama3"``, says how texts are cut into words; it does not concern characters.
    Raises UsageError for an unknown kind or pattern and for a size that cannot hold the bytes, InputError for a text
    with a lone surrogate.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no tokenizer {kind!r}", wanted=" or ".join(KINDS))
    if kind == "characters":
        return train_characters(texts, vocabulary_size)
    if vocabulary_size is None:
        raise UsageError(f"a tokenizer of {kind} needs a vocabulary size", wanted="a number of tokens, such as 2048")
    return (train_words if kind == "words" else train_byte_pair)(texts, vocabulary_size, pattern)
