"""tiktoken's rank files: a token in base64 and its rank on each line, and everything else known by heart.

Such a file says neither where a text is cut nor which tokens are special: programs know that of the few files there
are. The number of ranks tells which one it is. ``tokenizer.model`` of Llama 3 has this form too.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from everysum.errors import ModelFolderError
from everysum.files import write_atomically
from everysum.tokenizers import fast
from everysum.tokenizers.byte_pair import Merge
from everysum.tokenizers.merging import merge_steps
from everysum.tokenizers.patterns import CL100K, GPT2, LLAMA3, O200K, SplitPattern
from everysum.tokenizers.published import Published
from everysum.tokenizers.settings import Settings
from everysum.tokenizers.tokenizer import END_OF_TEXT

LINE = re.compile(rb"[A-Za-z0-9+/]+={0,2} [0-9]{1,9}")


@dataclass(frozen=True)
class Encoding:
    """What programs know of one rank file."""

    name: str
    ranks: int
    pattern: SplitPattern
    special_tokens: Mapping[str, int]
    begins: str | None = None
    ends: str = END_OF_TEXT


def _llama3() -> dict[str, int]:
    """The 256 special tokens of Llama 3.1 and later; 3.0 has other names for some that it never uses."""
    named = {
        0: "begin_of_text",
        1: "end_of_text",
        4: "finetune_right_pad_id",
        6: "start_header_id",
        7: "end_header_id",
        8: "eom_id",
        9: "eot_id",
        10: "python_tag",
    }
    reserved = iter(range(256))
    return {f"<|{named.get(n) or f'reserved_special_token_{next(reserved)}'}|>": 128_000 + n for n in range(256)}


ENCODINGS = (
    Encoding("r50k_base", 50_256, GPT2, {END_OF_TEXT: 50_256}),
    Encoding(
        "cl100k_base",
        100_256,
        CL100K,
        {
            END_OF_TEXT: 100_257,
            "<|fim_prefix|>": 100_258,
            "<|fim_middle|>": 100_259,
            "<|fim_suffix|>": 100_260,
            "<|endofprompt|>": 100_276,
        },
    ),
    Encoding("o200k_base", 199_998, O200K, {END_OF_TEXT: 199_999, "<|endofprompt|>": 200_018}),
    Encoding("Llama 3", 128_000, LLAMA3, _llama3(), begins="<|begin_of_text|>", ends="<|end_of_text|>"),
)


class RankTokenizer(Published):
    """Byte-pair encoding as tiktoken does it: of all pairs the one that is the token of the lowest rank is merged."""

    kind = "byte_pair"

    def __init__(self, content: bytes, path: Path, settings: Settings) -> None:
        tokens = read_ranks(content, path)
        encoding = _encoding_of(len(tokens), path)
        super().__init__(path, settings, _special_tokens(encoding, settings, len(tokens)))
        self._content, self._tokens = content, tokens
        self._ranks = {token: rank for rank, token in enumerate(tokens)}
        self._encoder = fast.Encoder(tokens, encoding.pattern)
        self.vocabulary_size = max(len(tokens) - 1, *self.special_ids) + 1
        if encoding.begins is not None and settings.flag("add_bos_token", True):
            self.before = (self.special_tokens[encoding.begins],)
        self._end = self.special_tokens[encoding.ends]

    @property
    def end_of_text(self) -> int:
        end = self.role("eos_token")
        return self._end if end is None else end

    def _ids(self, parts: list[str | int]) -> list[int]:
        ids: list[int] = []
        for part in parts:
            ids.extend(self._encoder.encode(part) if isinstance(part, str) else [part])
        return ids

    def _text(self, ids: list[int]) -> str:
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", errors="replace")

    def _bytes(self, token_id: int) -> bytes:
        return self._tokens[token_id] if token_id < len(self._tokens) else b""  # ids may have gaps

    def history(self, token_id: int) -> list[tuple[int, Merge]]:
        """The merges behind one token as they were learned, each with its number; the 256 bytes have none."""
        spelled = self.token_bytes(token_id)
        steps = merge_steps([spelled[at : at + 1] for at in range(len(spelled))], self._rank)
        return [
            (rank - 255, Merge((self._ranks[left], self._ranks[right]), rank, left + right))
            for rank, left, right in steps
        ]

    def _rank(self, left: bytes, right: bytes) -> int | None:
        return self._ranks.get(left + right)

    def save(self, folder: Path) -> None:
        write_atomically(folder / self.path.name, self._content)
        self.settings.save(folder)


def looks_like_ranks(content: bytes) -> bool:
    """Whether the first line of a file is one of a rank file; a sentencepiece model begins otherwise."""
    return LINE.fullmatch(content[:1000].partition(b"\n")[0].rstrip(b"\r")) is not None


def read_ranks(content: bytes, path: Path) -> list[bytes]:
    """The tokens in the order of their ranks; ModelFolderError, with the line, for a file that is not complete."""
    tokens: dict[int, bytes] = {}
    for number, line in enumerate(content.splitlines(), 1):
        if not line:
            continue
        if not LINE.fullmatch(line):
            raise _broken(path, f"line {number}: {line[:60]!r}")
        token, rank = line.split(b" ")
        try:
            tokens[int(rank)] = base64.b64decode(token, validate=True)
        except binascii.Error as problem:
            raise _broken(path, f"line {number}: {problem}") from problem
    missing = next((rank for rank in range(len(tokens)) if rank not in tokens), None)
    if missing is not None:
        raise _broken(path, f"{len(tokens)} ranks without {missing}")
    in_order = [tokens[rank] for rank in range(len(tokens))]
    if len({*in_order}) != len(in_order) or {bytes([byte]) for byte in range(256)} - {*in_order}:
        raise _broken(path, "a token twice, or a byte that is no token")
    return in_order


def _broken(path: Path, came: str) -> ModelFolderError:
    return ModelFolderError(
        f"{path} is not a rank file", wanted="a token in base64 and its rank on each line, ranks 0, 1, 2, …", came=came
    )


def _encoding_of(ranks: int, path: Path) -> Encoding:
    for encoding in ENCODINGS:
        if encoding.ranks == ranks:
            return encoding
    known = ", ".join(f"{encoding.name} ({encoding.ranks:,})" for encoding in ENCODINGS)
    raise ModelFolderError(
        f"{path} is a rank file whose split pattern and special tokens are not known",
        wanted=f"one of {known}",
        came=f"{ranks:,} ranks",
        advice="use the model's tokenizer.json, which says everything",
    )


def _special_tokens(encoding: Encoding, settings: Settings, ranks: int) -> dict[str, int]:
    """The encoding's own, called as the settings call them where they do."""
    renamed = {token.id: token.content for token in settings.added if token.id is not None and token.id >= ranks}
    listed = {token_id: content for content, token_id in encoding.special_tokens.items()} | renamed
    return {content: token_id for token_id, content in sorted(listed.items())}
