"""The smallest tokenizer there is: a byte is its own id, and 256 ends a text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from everysum.data.token_files import TokenFile


class ByteTokenizer:
    def __init__(self, vocabulary_size: int = 257) -> None:
        self.vocabulary_size = vocabulary_size
        self.end_of_text = 256
        self.longest = 0

    def encode(self, text: str) -> list[int]:
        self.longest = max(self.longest, len(text))
        return list(text.encode())

    def decode(self, ids: list[int]) -> str:
        return bytes(ids).decode()

    def save(self, folder: Path) -> None:
        (folder / "tokenizer.json").write_text(json.dumps(self.vocabulary_size))


@pytest.fixture
def byte_tokenizer() -> ByteTokenizer:
    return ByteTokenizer()


@pytest.fixture
def wide_tokenizer() -> ByteTokenizer:
    return ByteTokenizer(70_000)


@pytest.fixture
def stream(tmp_path: Path) -> Callable[[list[int]], TokenFile]:
    """Token ids as a token file; 0 ends a text."""

    def write(ids: list[int]) -> TokenFile:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.bin"
        np.array(ids, dtype="<u2").tofile(path)
        return TokenFile(path, 1 << 16, 0, len(ids), ids.count(0) - 1, len(ids))

    return write
