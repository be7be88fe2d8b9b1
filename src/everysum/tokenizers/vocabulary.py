"""The tokens themselves: which bytes each id stands for, and which id ends a text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from everysum.errors import InputError, UsageError
from everysum.tokenizers.byte_characters import BYTES
from everysum.tokenizers.patterns import SplitPattern
from everysum.tokenizers.tokenizer import END_OF_TEXT, SEPARATOR
from everysum.tokenizers.tokenizer_json import TokenizerJson

SMALLEST_VOCABULARY = len(BYTES) + 1


class Vocabulary(ABC):
    """A tokenizer's table of tokens: the 256 bytes, then the learned tokens, ``end_of_text`` last.

    With ``add_separator`` the token before the last is `SEPARATOR`. ``ends_texts`` is what is written into files for
    other programs: whether they are to put ``end_of_text`` behind each text, as an encoder-decoder wants its sources.
    """

    kind: ClassVar[str]
    before: tuple[int, ...] = ()
    padding: int | None = None
    drops_first_space = False
    ends_texts = False

    def __init__(self, learned: Iterable[bytes], pattern: SplitPattern) -> None:
        self.pattern = pattern
        self._tokens = [*BYTES, *learned, b""]
        self._specials = [END_OF_TEXT]

    @property
    def vocabulary_size(self) -> int:
        return len(self._tokens)

    @property
    def end_of_text(self) -> int:
        return len(self._tokens) - 1

    @property
    def ends(self) -> frozenset[int]:
        return frozenset([self.end_of_text])

    @property
    def special_tokens(self) -> Mapping[str, int]:
        first = len(self._tokens) - len(self._specials)
        return {name: token_id for token_id, name in enumerate(self._specials, first)}

    def add_separator(self) -> None:
        """Have a `SEPARATOR` too, with the id that ``end_of_text`` has had, which moves up."""
        if SEPARATOR not in self._specials:
            self._specials.insert(0, SEPARATOR)
            self._tokens.append(b"")

    @property
    def learned(self) -> Sequence[bytes]:
        """The tokens beside the 256 bytes, in the order of their ids, from 256 on."""
        return self._tokens[len(BYTES) : -len(self._specials)]

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The token ids of a text; never a special token."""

    def encode_target(self, text: str) -> list[int]:
        return self.encode(text)

    def encode_parts(self, parts: Iterable[str | int]) -> list[int]:
        ids: list[int] = []
        for part in parts:
            ids.extend(self.encode(part) if isinstance(part, str) else [part])
        return ids

    def token_bytes(self, token_id: int) -> bytes:
        if not 0 <= token_id < len(self._tokens):
            raise InputError(
                f"there is no token {token_id}", wanted=f"a token id from 0 to {self.end_of_text}", came=str(token_id)
            )
        return self._tokens[token_id]

    def decode(self, token_ids: Iterable[int]) -> str:
        return b"".join(map(self.token_bytes, token_ids)).decode("utf-8", errors="replace")

    def save(self, folder: Path) -> None:
        saved = TokenizerJson(self.learned, self._pairs(), self.pattern, SEPARATOR in self._specials, self.ends_texts)
        saved.write(folder)

    def _pairs(self) -> list[tuple[bytes, bytes]] | None:
        """The two tokens that each learned token was merged from; None where tokens are whole pieces."""
        return None


def learned_size(vocabulary_size: int) -> int:
    """How many tokens are to be learned for a vocabulary of this size; UsageError if it cannot hold the bytes."""
    if vocabulary_size < SMALLEST_VOCABULARY:
        raise UsageError(
            f"a vocabulary of {vocabulary_size} tokens is too small",
            wanted=f"at least {SMALLEST_VOCABULARY}: the 256 bytes, which can spell every text, and the end of text",
            came=str(vocabulary_size),
        )
    return vocabulary_size - SMALLEST_VOCABULARY
