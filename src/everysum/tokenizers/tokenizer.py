"""What every tokenizer can do: text to token ids and back, without losing a byte."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

END_OF_TEXT = "<|endoftext|>"
"""How the token between two documents is written in files; the same characters in a text are ordinary characters."""
SEPARATOR = "<SEP>"
"""How the token between a sentence and its translation is written, in a vocabulary that has one."""


class Tokenizer(Protocol):
    """Text cut into pieces from a fixed vocabulary, each with a number.

    ``decode(encode(text)) == text`` for every text: what is not in the vocabulary is spelled in bytes, and all 256
    bytes are. Token ids are 0 … ``vocabulary_size - 1``, ``end_of_text`` included.
    """

    @property
    def kind(self) -> str:
        """``"characters"``, ``"words"`` or ``"byte_pair"``."""

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are, ``end_of_text`` included."""

    @property
    def end_of_text(self) -> int:
        """The id of the token between two documents: the last one."""

    @property
    def special_tokens(self) -> Mapping[str, int]:
        """How special tokens are written in files, and their ids: what no text given by a user ever becomes."""

    def encode(self, text: str) -> list[int]:
        """The token ids of a text; never a special token.

        Raises InputError for a lone surrogate (half a UTF-16 pair, such as ``"\\ud83d"``): it is not a character, no
        UTF-8 file can hold it, and replacing it would change the text.
        """

    def decode(self, token_ids: Iterable[int]) -> str:
        """The text of token ids; bytes that are not UTF-8 become U+FFFD, ``end_of_text`` becomes nothing."""

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes one token stands for, perhaps a part of a character; ``b""`` for ``end_of_text``."""

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json`` and ``tokenizer_config.json``, which tokenizers and transformers open."""


class StreamDecoder:
    """Text from tokens that come one by one, never half a character.

    The texts returned by `push`, and at the end by `finish`, joined, are what ``tokenizer.decode`` gives for all the
    tokens at once.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> str:
        """The characters that this token completes; the bytes of an unfinished one wait for the next token."""
        return self._decoder.decode(self._tokenizer.token_bytes(token_id))

    def finish(self) -> str:
        """What is left: U+FFFD if the tokens ended inside a character, otherwise nothing."""
        return self._decoder.decode(b"", final=True)
