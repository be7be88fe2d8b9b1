"""What published tokenizers have in common, whatever library reads them: special tokens, and how a text begins."""

from __future__ import annotations

import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from everysum.errors import EverysumError, InputError, ModelFolderError
from everysum.tokenizers.patterns import utf8
from everysum.tokenizers.settings import Settings

USUAL_ENDS = ("<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "<|im_end|>")
"""Where no file says which token ends a text, it is the first of these that is a special token."""


class Published(ABC):
    """A tokenizer of other people's: its own library cuts the text, and no text becomes a special token."""

    kind: str
    vocabulary_size: int
    before: tuple[int, ...] = ()
    padding: int | None = None

    def __init__(self, path: Path, settings: Settings, special_tokens: Mapping[str, int]) -> None:
        self.path, self.settings, self.special_tokens = path, settings, special_tokens
        self.special_ids = frozenset(special_tokens.values())
        self._spelled: dict[int, bytes] = {}

    # --- special tokens ----------------------------------------------------------------------------------------------

    def role(self, name: str) -> int | None:
        """The id of ``"bos_token"``, ``"eos_token"`` and so on; None where the files name none."""
        return self.special_tokens.get(self.settings.roles.get(name, ""))

    @property
    def end_of_text(self) -> int:
        usual = (self.special_tokens.get(text) for text in USUAL_ENDS)
        for end in (self.role("eos_token"), *self.settings.ends, *usual):
            if end is not None:
                return end
        raise ModelFolderError(
            f"{self.path} does not say which token ends a text",
            advice='name it in a tokenizer_config.json beside it: {"eos_token": "…"}',
        )

    @property
    def ends(self) -> frozenset[int]:
        try:
            return frozenset(self.settings.ends or [self.end_of_text])
        except ModelFolderError:
            return frozenset()

    # --- text and ids ------------------------------------------------------------------------------------------------

    def encode(self, text: str) -> list[int]:
        return self.encode_parts([text])

    def encode_target(self, text: str) -> list[int]:
        return self.encode(text)

    def encode_parts(self, parts: Iterable[str | int]) -> list[int]:
        parts = list(parts)
        for part in parts:
            if isinstance(part, str):
                utf8(part)
            elif part not in self.special_ids:
                raise InputError(f"there is no special token {part}")
        with refused(f"{self.path} cannot encode this text"):
            return self._ids(parts)

    def decode(self, token_ids: Iterable[int]) -> str:
        ids = list(token_ids)
        for token_id in ids:
            self._refuse_unknown(token_id)
        with refused(f"{self.path} cannot decode these tokens"):
            return self._text(ids)

    def token_bytes(self, token_id: int) -> bytes:
        if token_id not in self._spelled:
            self._refuse_unknown(token_id)
            self._spelled[token_id] = b"" if token_id in self.special_ids else self._bytes(token_id)
        return self._spelled[token_id]

    @functools.cached_property
    def drops_first_space(self) -> bool:
        ids = self.encode("a a")
        for start in range(len(ids)):
            if b"".join(map(self.token_bytes, ids[start:])).startswith(b" "):
                return not self.decode(ids[start:]).startswith(" ")
        return False

    def _refuse_unknown(self, token_id: int) -> None:
        if not 0 <= token_id < self.vocabulary_size:
            raise InputError(
                f"there is no token {token_id}",
                wanted=f"a token id from 0 to {self.vocabulary_size - 1}",
                came=str(token_id),
            )

    @abstractmethod
    def _ids(self, parts: list[str | int]) -> list[int]:
        """The token ids of texts that are UTF-8, and of special tokens that exist."""

    @abstractmethod
    def _text(self, ids: list[int]) -> str:
        """The text of ids that exist, special ones left out."""

    @abstractmethod
    def _bytes(self, token_id: int) -> bytes:
        """The bytes of an ordinary token inside a text."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the files as they came."""


@contextmanager
def refused(problem: str, wanted: str | None = None) -> Iterator[None]:
    """Whatever a library raises on a file that it cannot digest, as one of our refusals.

    A panic of the tokenizers library is a BaseException: it must be caught here, and Ctrl-C must not.
    """
    try:
        yield
    except (EverysumError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as reason:
        said = " ".join(str(reason).split())[:300]
        raise ModelFolderError(problem, wanted=wanted, came=said or type(reason).__name__) from reason


@contextmanager
def silenced() -> Iterator[None]:
    """Let what a library writes about its own panics go nowhere: a refusal follows, and says what was wrong."""
    try:
        kept = os.dup(2)
    except OSError:  # no standard error
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
