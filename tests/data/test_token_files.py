"""A text becomes token files once, whatever happens meanwhile, and they stand for exactly that text."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from everysum.data import text as text_module
from everysum.data.text import TextPiece
from everysum.data.token_files import TokenFile, TokenFiles, prepare_tokens, write_tokens
from everysum.errors import InputError, OutputError

END = 256
Tokenizer = Any


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text("a line of the book\n" * 100)
    return path


def text_of(tokens: TokenFile) -> list[bytes]:
    """The documents of a stream of bytes."""
    ids = tokens.tokens.tolist()
    assert ids[0] == ids[-1] == END
    ends = [place for place, token in enumerate(ids) if token == END]
    return [bytes(ids[start + 1 : end]) for start, end in pairwise(ends)]


def test_a_stream_starts_ends_and_parts_its_documents_with_the_end_of_text(
    tmp_path: Path, byte_tokenizer: Tokenizer
) -> None:
    pieces = [TextPiece("a", True), TextPiece("é", False), TextPiece("b", True)]
    tokens = write_tokens(pieces, byte_tokenizer, tmp_path / "a.bin")
    assert tokens.tokens.tolist() == [END, 97, 0xC3, 0xA9, END, 98, END]
    assert (len(tokens), tokens.document_count, tokens.byte_count) == (7, 2, 4)
    assert (tmp_path / "a.bin").read_bytes() == b"\0\1a\0\xc3\0\xa9\0\0\1b\0\0\1"


def test_ids_take_four_bytes_only_where_the_vocabulary_needs_them(tmp_path: Path, wide_tokenizer: Tokenizer) -> None:
    tokens = write_tokens([TextPiece("a", True)], wide_tokenizer, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == b"\0\1\0\0a\0\0\0\0\1\0\0"
    assert tokens.tokens.tolist() == [END, 97, END]
    wide_tokenizer.vocabulary_size = 1 << 16
    assert write_tokens([], wide_tokenizer, tmp_path / "b.bin").tokens.dtype == np.uint16


def test_the_two_files_are_the_two_parts_of_the_text(tmp_path: Path, book: Path, byte_tokenizer: Tokenizer) -> None:
    told: list[tuple[int, int]] = []
    files = prepare_tokens(
        [book],
        None,
        byte_tokenizer,
        folder=tmp_path / "tokens",
        progress=lambda done, total: told.append((done, total)),
    )
    assert text_of(files.train) == [b"a line of the book\n" * 90]
    assert text_of(files.held_out) == [b"a line of the book\n" * 10]
    assert (files.train.byte_count, files.held_out.byte_count, files.reused) == (1710, 190, False)
    assert told[-1] == (1900, 1900)


def test_a_held_out_text_of_its_own_leaves_the_other_whole(
    tmp_path: Path, book: Path, byte_tokenizer: Tokenizer
) -> None:
    (tmp_path / "other").write_text("unseen")
    files = prepare_tokens([book], [tmp_path / "other"], byte_tokenizer, folder=tmp_path / "tokens")
    assert text_of(files.train) == [book.read_bytes()]
    assert text_of(files.held_out) == [b"unseen"]


def test_a_text_is_not_both_trained_on_and_held_out(tmp_path: Path, book: Path, byte_tokenizer: Tokenizer) -> None:
    (tmp_path / "copy.txt").write_bytes(book.read_bytes())
    with pytest.raises(InputError) as refusal:
        prepare_tokens([book], [tmp_path / "copy.txt"], byte_tokenizer, folder=tmp_path / "tokens")
    assert "copy.txt is held out, and also among the texts to train on\n  wanted: held-out text that" in str(
        refusal.value
    )


def test_a_fraction_of_nothing_leaves_the_held_out_file_without_targets(
    tmp_path: Path, book: Path, byte_tokenizer: Tokenizer
) -> None:
    files = prepare_tokens([book], None, byte_tokenizer, folder=tmp_path / "tokens", held_out_fraction=0)
    assert text_of(files.train) == [book.read_bytes()]
    assert files.held_out.tokens.tolist() == [END]


def test_token_files_are_used_again_until_something_differs(
    tmp_path: Path, book: Path, byte_tokenizer: Tokenizer, wide_tokenizer: Tokenizer
) -> None:
    def prepare(tokenizer: Tokenizer = byte_tokenizer, **changed: Any) -> TokenFiles:
        return prepare_tokens([book], None, tokenizer, folder=tmp_path / "tokens", **changed)

    first = prepare()
    byte_tokenizer.longest = 0
    again = prepare()
    assert (first.reused, again.reused, byte_tokenizer.longest) == (False, True, 0)
    assert again.train == first.train
    assert not prepare(wide_tokenizer).reused
    assert not prepare(errors="replace").reused
    assert not prepare(held_out_fraction=0.2).reused
    book.write_text("b" + book.read_text()[1:])
    assert not prepare().reused
    assert prepare(held_out_fraction=0.1).reused


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "train.bin").unlink(),
        lambda folder: os.truncate(folder / "train.bin", 100),
        lambda folder: (folder / "held_out.bin").write_bytes((folder / "held_out.bin").read_bytes()[::-1]),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "tokens.json").write_text("{}"),
    ],
)
def test_damaged_token_files_are_made_again(
    tmp_path: Path, book: Path, byte_tokenizer: Tokenizer, damage: Callable[[Path], None]
) -> None:
    first = prepare_tokens([book], None, byte_tokenizer, folder=tmp_path / "tokens")
    expected = text_of(first.train), text_of(first.held_out)
    damage(first.train.path.parent)
    again = prepare_tokens([book], None, byte_tokenizer, folder=tmp_path / "tokens")
    assert not again.reused
    assert (text_of(again.train), text_of(again.held_out)) == expected


def test_a_full_disk_or_a_bad_text_leaves_nothing_half_made(
    tmp_path: Path, book: Path, byte_tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="the disk is full"):
            prepare_tokens([book], None, byte_tokenizer, folder=tmp_path / "tokens")
    assert not list((tmp_path / "tokens").iterdir())
    (tmp_path / "bad").write_bytes(b"a\xff")
    with pytest.raises(InputError, match="the byte 0xff at offset 1"):
        prepare_tokens([tmp_path / "bad"], None, byte_tokenizer, folder=tmp_path / "tokens")


def test_piecewise_encoding_gives_the_tokens_of_the_whole(
    tmp_path: Path, book: Path, byte_tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare_tokens([book], None, byte_tokenizer, folder=tmp_path / "whole")
    monkeypatch.setattr(text_module, "CHUNK_BYTES", 64)
    monkeypatch.setattr(text_module, "PIECE_CHARACTERS", 50)
    byte_tokenizer.longest = 0
    cut = prepare_tokens([book], None, byte_tokenizer, folder=tmp_path / "cut")
    assert byte_tokenizer.longest <= 50
    assert text_of(cut.train) == text_of(whole.train)


def test_memory_does_not_grow_with_the_text(
    tmp_path: Path, byte_tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_module, "CHUNK_BYTES", 1 << 13)
    monkeypatch.setattr(text_module, "PIECE_CHARACTERS", 1 << 12)
    peaks = []
    for lines in (5_000, 40_000):
        (tmp_path / "text").write_text("some words, and some more of them\n" * lines)
        tracemalloc.start()
        prepare_tokens([tmp_path / "text"], None, byte_tokenizer, folder=tmp_path / "tokens")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


PREPARE = """
import resource, sys
from pathlib import Path
from everysum.data.token_files import prepare_tokens
class Bytes:
    vocabulary_size, end_of_text = 257, 256
    def encode(self, text): return list(text.encode())
    def save(self, folder): (folder / "tokenizer.json").write_text("{}")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
files = prepare_tokens([Path(sys.argv[1])], None, Bytes(), folder=Path(sys.argv[2]))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, len(files.train))
"""


@pytest.mark.slow
def test_a_large_file_is_prepared_in_a_few_megabytes(tmp_path: Path) -> None:
    with (tmp_path / "large.txt").open("w") as file:
        for number in range(700_000):
            file.write(f"line {number} of a text that is larger than what may be in memory at a time, told at length\n")
            if number % 10_000 == 9_999:
                file.write("<|endoftext|>\n")
    size = (tmp_path / "large.txt").stat().st_size
    assert size > 60e6
    done = subprocess.run(
        [sys.executable, "-c", PREPARE, tmp_path / "large.txt", tmp_path / "tokens"],
        check=True,
        capture_output=True,
        text=True,
    )
    megabytes, tokens = map(int, done.stdout.split())
    assert megabytes < 40
    assert tokens > 0.85 * size
