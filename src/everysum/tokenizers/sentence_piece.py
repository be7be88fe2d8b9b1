"""Sentencepiece models: ``tokenizer.model`` of Llama 1, Llama 2 and Mistral, and every ``*.model`` and ``*.spm``.

The sentencepiece library runs them, so ids are its own (an extra: it is needed for these files alone). It never makes a
control token of a text. Where a text goes on behind a special token it must not put its space in front; a second copy
of the model, told not to, does that part.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from everysum.errors import MachineError
from everysum.files import write_atomically
from everysum.tokenizers.byte_pair import Merge
from everysum.tokenizers.merging import merge_steps
from everysum.tokenizers.published import Published, refused
from everysum.tokenizers.settings import Settings

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

SPACE = "▁"
"""How pieces write a space: U+2581."""

KINDS = {1: "unigram", 2: "byte_pair", 3: "words", 4: "characters"}
TRAINER, MODEL_TYPE = 2, 3
"""Fields of the file: a ModelProto has a TrainerSpec, and this has a model_type, 1 if it is not written."""
NO_SPACE_IN_FRONT = b"\x1a\x02\x18\x00"
"""A NormalizerSpec (field 3, two bytes long) that says add_dummy_prefix (field 3) is false. A message may come in
parts: put behind the file, it changes this one value."""


class SentencePieceTokenizer(Published):
    """A model of the sentencepiece library."""

    def __init__(self, content: bytes, path: Path, settings: Settings) -> None:
        self._content = content
        self._processor = processor(content, path)
        with refused(f"{path} is not a sentencepiece model"):
            pieces = range(self._processor.get_piece_size())
            special = {self._processor.id_to_piece(at): at for at in pieces if self._processor.is_control(at)}
            behind = [token for token in settings.added if token.id is not None and token.id >= len(pieces)]
            self._bos, self._eos = self._processor.bos_id(), self._processor.eos_id()
        super().__init__(path, settings, special | {token.content: token.id or 0 for token in behind})
        self.kind = KINDS.get(model_type(content), "unigram")
        self.vocabulary_size = max([len(pieces) - 1, *self.special_ids]) + 1
        self._pieces = len(pieces)
        if self._bos >= 0 and settings.flag("add_bos_token", True):
            self.before = (self._bos,)

    @property
    def end_of_text(self) -> int:
        if self.role("eos_token") is None and self._eos >= 0:
            return self._eos
        return super().end_of_text

    def _ids(self, parts: list[str | int]) -> list[int]:
        ids: list[int] = []
        space_each_time = self.settings.flag("legacy", False)
        for place, part in enumerate(parts):
            if isinstance(part, str):
                first = place == 0 or space_each_time
                ids.extend((self._processor if first else self._going_on).encode(part))
            else:
                ids.append(part)
        return ids

    @functools.cached_property
    def _going_on(self) -> SentencePieceProcessor:
        return processor(self._content + NO_SPACE_IN_FRONT, self.path)

    def _text(self, ids: list[int]) -> str:
        return str(self._processor.decode([token_id for token_id in ids if token_id < self._pieces]))

    def _bytes(self, token_id: int) -> bytes:
        if token_id >= self._pieces:  # ids may have gaps
            return b""
        piece = self._processor.id_to_piece(token_id)
        if self._processor.is_byte(token_id):
            return bytes([int(piece[3:5], 16)])
        if self._processor.is_unknown(token_id):
            return str(self._processor.decode([token_id])).encode()
        return str(piece).replace(SPACE, " ").encode()

    def save(self, folder: Path) -> None:
        write_atomically(folder / self.path.name, self._content)
        self.settings.save(folder)

    def history(self, token_id: int) -> list[tuple[int, Merge]]:
        """The merges behind one token as they were learned, each with its number; none in a unigram model."""
        piece = self._processor.id_to_piece(token_id) if token_id < self._pieces else ""
        found = []
        for rank, left, right in merge_steps(piece, self._rank):
            made = self._processor.piece_to_id(left + right)
            pair = self._processor.piece_to_id(left), self._processor.piece_to_id(right)
            found.append((rank + 1, Merge(pair, made, self.token_bytes(made))))
        return found if found and found[-1][1].token_id == token_id else []

    def _rank(self, left: str, right: str) -> int | None:
        """Scores of byte-pair models count downwards from 0: the score of what comes out is the merge's rank."""
        made = self._processor.piece_to_id(left + right)
        if self.kind != "byte_pair" or self._processor.id_to_piece(made) != left + right or self._is_unmade(made):
            return None
        return round(-self._processor.get_score(made))

    def _is_unmade(self, token_id: int) -> bool:
        there = self._processor
        return there.is_control(token_id) or there.is_unknown(token_id) or there.is_byte(token_id)


def processor(content: bytes, path: Path) -> SentencePieceProcessor:
    """The library's object for this file; MachineError without the library, ModelFolderError for a broken file."""
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError:
        raise MachineError(
            f"{path} is a sentencepiece model, and the library for these is not installed",
            advice="pip install 'everysum[sentencepiece]'",
        ) from None
    with refused(f"{path} is not a sentencepiece model"):
        made = SentencePieceProcessor()
        made.LoadFromSerializedProto(content)
        return made


def model_type(content: bytes) -> int:
    """Which algorithm the model was trained for, as its file numbers them."""
    for number, value in _fields(content):
        if number == TRAINER and isinstance(value, bytes):
            return next((kind for inner, kind in _fields(value) if inner == MODEL_TYPE and isinstance(kind, int)), 1)
    return 1


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol-buffer message: number, and a number or bytes; it ends where something is wrong."""
    at = 0
    try:
        while at < len(message):
            key, at = _varint(message, at)
            if key & 7 == 0:
                value, at = _varint(message, at)
                yield key >> 3, value
                continue
            length, at = (8, at) if key & 7 == 1 else (4, at) if key & 7 == 5 else _varint(message, at)
            yield key >> 3, message[at : at + length]
            at += length
    except IndexError:
        return


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
