"""What every tokenizer can do: text to token ids and back, without losing a byte."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

END_OF_TEXT = "<|endoftext|>"
"""How the token between two documents is written in files; the same characters in a text are ordinary characters."""
SEPARATOR = "<SEP>"
"""How the token between a sentence and its translation is written, in a vocabulary that has one."""


class Tokenizer(Protocol):
    """Text cut into pieces from a fixed vocabulary, each with a number.

    Where it is trained here, ``decode(encode(text)) == text`` for every text: what is not in the vocabulary is spelled
    in bytes, and all 256 bytes are. A published tokenizer may change a text before it cuts it; ids and texts are then
    those of its own library. Token ids are 0 … ``vocabulary_size - 1``, the special ones included.
    """

    @property
    def kind(self) -> str:
        """``"characters"``, ``"words"`` or ``"byte_pair"``; of published ones also ``"unigram"``, ``"word_piece"``."""

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are, special ones included."""

    @property
    def end_of_text(self) -> int:
        """The id of the token between two documents; ModelFolderError where a published tokenizer has none."""

    @property
    def ends(self) -> frozenset[int]:
        """The tokens that end what a model generates: ``end_of_text``, or what the model's own files list."""

    @property
    def before(self) -> tuple[int, ...]:
        """What stands in front of every text that this family of models reads, such as Llama's begin-of-text."""

    @property
    def padding(self) -> int | None:
        """A published translator's token that stands for nothing: its translations begin behind it. None otherwise."""

    @property
    def special_tokens(self) -> Mapping[str, int]:
        """How special tokens are written in files, and their ids: what no text given by a user ever becomes."""

    @property
    def drops_first_space(self) -> bool:
        """Whether ``decode`` takes one space away in front of a text, because ``encode`` puts one there."""

    def encode(self, text: str) -> list[int]:
        """The token ids of a text; never a special token, whatever the text says.

        Raises InputError for a lone surrogate (half a UTF-16 pair, such as ``"\\ud83d"``): it is not a character, no
        UTF-8 file can hold it, and replacing it would change the text.
        """

    def encode_target(self, text: str) -> list[int]:
        """The token ids of a translation, where a tokenizer cuts two languages apart; else those of `encode`."""

    def encode_parts(self, parts: Iterable[str | int]) -> list[int]:
        """The token ids of a text in which numbers stand for special tokens; the strings are text and nothing else.

        `special_parts` makes such parts of a text that is trusted to name special tokens.
        """

    def decode(self, token_ids: Iterable[int]) -> str:
        """The text of token ids; bytes that are not UTF-8 become U+FFFD, special tokens become nothing."""

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes one token stands for inside a text, perhaps a part of a character; ``b""`` for special tokens."""

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files, which its own library and transformers open."""


def special_parts(text: str, special_tokens: Mapping[str, int]) -> Iterator[str | int]:
    """A trusted text as parts for `Tokenizer.encode_parts`: what reads as a special token is one.

    The leftmost comes first, of several at one place the longest.
    """
    if not special_tokens:
        yield from filter(None, (text,))
        return
    longest_first = sorted(special_tokens, key=len, reverse=True)
    for place, part in enumerate(re.split(f"({'|'.join(map(re.escape, longest_first))})", text)):
        if part:
            yield special_tokens[part] if place % 2 else part


class StreamDecoder:
    """Text from tokens that come one by one, never half a character.

    The texts returned by `push`, and at the end by `finish`, joined, are what ``tokenizer.decode`` gives for all the
    tokens at once (of a run of broken bytes, published decoders make other numbers of U+FFFD). A text that goes on
    behind another one is not ``alone``: then its first space counts.
    """

    def __init__(self, tokenizer: Tokenizer, *, alone: bool = True) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._drops_space = alone and tokenizer.drops_first_space

    def push(self, token_id: int) -> str:
        """The characters that this token completes; the bytes of an unfinished one wait for the next token."""
        spelled = self._tokenizer.token_bytes(token_id)
        if spelled and self._drops_space:
            spelled = spelled.removeprefix(b" ")
            self._drops_space = False
        return self._decoder.decode(spelled)

    def finish(self) -> str:
        """What is left: U+FFFD if the tokens ended inside a character, otherwise nothing."""
        return self._decoder.decode(b"", final=True)
