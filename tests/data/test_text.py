"""From files to documents: exactly what was written, in pieces that cannot be told from the whole."""

from __future__ import annotations

import hashlib
import io
import os
import tracemalloc
from pathlib import Path

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from everysum.data import text as text_module
from everysum.data.text import find_texts, read_pieces, spool_stdin, survey
from everysum.errors import InputError

GPT2_PATTERN = regex.compile(r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
LLAMA3_PATTERN = regex.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SEPARATOR = "<|endoftext|>"


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def documents(*paths: Path) -> list[str]:
    found: list[str] = []
    for piece in read_pieces(paths):
        if piece.starts_document:
            found.append("")
        found[-1] += piece.text
    return found


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "CHUNK_BYTES", 5)
    monkeypatch.setattr(text_module, "PIECE_CHARACTERS", 7)


def test_a_file_is_one_document_and_keeps_every_character(tmp_path: Path) -> None:
    content = "One.\r\n\r\n  Two.\n\tÄ — 京 🙂 \x0c\u2028\r end"
    assert documents(write(tmp_path / "a", content)) == [content]


def test_a_byte_order_mark_is_dropped_but_only_at_the_start(tmp_path: Path) -> None:
    assert documents(write(tmp_path / "a", "\ufeffa\ufeffb")) == ["a\ufeffb"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("one\n<|endoftext|>\ntwo\n", ["one\n", "two\n"]),
        ("one\r\n<|endoftext|>\r\ntwo", ["one\r\n", "two"]),
        ("<|endoftext|>\none\n<|endoftext|>", ["one\n"]),
        ("one\n<|endoftext|>\n<|endoftext|>\r\ntwo\n<|endoftext|>\r", ["one\n", "two\n"]),
        ("one<|endoftext|>\n<|endoftext|> two\n", ["one<|endoftext|>\n<|endoftext|> two\n"]),
        ("\ufeff<|endoftext|>\none", ["one"]),
        ("one\n<|endoftext|>x\n<|endoftex\n", ["one\n<|endoftext|>x\n<|endoftex\n"]),
    ],
)
def test_a_line_of_its_own_parts_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, expected: list[str]
) -> None:
    path = write(tmp_path / "a", content)
    for chunk in (1 << 20, *range(1, 20)):
        monkeypatch.setattr(text_module, "CHUNK_BYTES", chunk)
        assert documents(path) == expected
    monkeypatch.setattr(text_module, "PIECE_CHARACTERS", 4)
    assert documents(path, path) == expected * 2


@given(
    st.lists(
        st.sampled_from([SEPARATOR, "\n", "\r\n", "<|end", "of", " ", "a word", "é", "🙂", "\r", "\u0300", "12", "!"])
    ),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_pieces_make_up_the_documents_however_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], chunk: int, piece: int
) -> None:
    content = "".join(parts)
    expected = [document for document in regex.split(r"(?m)^<\|endoftext\|>\r?(?:\n|\Z)", content) if document]
    path = write(tmp_path_factory.mktemp("text") / "a", content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "CHUNK_BYTES", chunk)
        patch.setattr(text_module, "PIECE_CHARACTERS", piece)
        if expected:
            assert documents(path) == expected
            assert all(0 < len(text) <= piece for text, _ in read_pieces([path]))
        else:
            with pytest.raises(InputError, match=r"is empty|holds no text"):
                documents(path)


@given(st.text(st.sampled_from("ae's  \n\r\t!.12²½ⅧéЖ京\u0300\u0903\u3000\x1c\x85\u200b🙂")), st.integers(2, 30))
@example("it's  \n\n a!\n\n\nb's\u3000c\x1cd½ e²\nn\u0300\no\r\n", 4)
@example("Ⅷ\n ١٢٣٤ \u0903\n x", 2)
def test_cutting_between_a_letter_and_white_space_cannot_change_the_tokens(content: str, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "PIECE_CHARACTERS", limit)
        end = text_module._cut(content)
    if end < min(limit, len(content)):
        for pattern in (GPT2_PATTERN, LLAMA3_PATTERN):
            assert pattern.findall(content[:end]) + pattern.findall(content[end:]) == pattern.findall(content)


def test_pieces_of_a_real_text_have_the_tokens_of_the_whole(
    small_chunks: None, test_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = test_data / "text" / "gutenberg" / "alice_11-0.txt"
    monkeypatch.setattr(text_module, "PIECE_CHARACTERS", 400)
    whole = path.read_bytes().decode("utf-8-sig")
    pieces = [text for text, _ in read_pieces([path])]
    assert len(pieces) > 360
    for pattern in (GPT2_PATTERN, LLAMA3_PATTERN):
        assert [token for piece in pieces for token in pattern.findall(piece)] == pattern.findall(whole)


def test_a_piece_ends_before_the_white_space_or_where_nothing_else_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_module, "PIECE_CHARACTERS", 8)
    path = write(tmp_path / "a", "one two three!\n0123456789abcd e")
    assert [text for text, _ in read_pieces([path])] == ["one two", " three!\n", "01234567", "89abcd e"]


def test_a_line_without_an_end_is_read_in_bounded_memory_and_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        for _ in range(24):
            file.write(b"x" * (1 << 20))
    tracemalloc.start()
    total = sum(len(text) for text, _ in read_pieces([path]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 24 << 20
    assert peak < 8 << 20


def test_a_survey_counts_and_hashes(tmp_path: Path) -> None:
    paths = write(tmp_path / "a", "\ufeffé\n<|endoftext|>\nb"), write(tmp_path / "b", "cd")
    found = survey(paths)
    files = tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    assert (found.bytes, found.characters, found.documents, found.files) == (6 + 14 + 1 + 2, 5, 3, files)
    assert found.sha256 != survey(paths[::-1]).sha256


@pytest.mark.parametrize("chunk", [1 << 20, 4])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty\n  wanted: a file with text in it"),
        (b"\xef\xbb\xbf", "holds no text\n  wanted: some text besides separators and a byte-order mark"),
        (b"<|endoftext|>\n", "holds no text\n  wanted: some text besides separators and a byte-order mark"),
        (b"abcd\0ef", "is not text in UTF-8: it looks binary\n  came: the byte 0x00 at offset 4\n  do: "),
        (b"abc\0\xff", "came: the byte 0x00 at offset 3"),
        (
            b"abc\xc3\xa9d\xe9fg",
            "is not text in UTF-8\n  came: the byte 0xe9 at offset 6\n  do: convert or mend the file",
        ),
        (b"\xff\xff", "came: the byte 0xff at offset 0"),
        (b"abc\xe2\x82", "came: the byte 0xe2 at offset 3"),
        (b"a\xe2\x82z", "use --errors replace to read each bad byte as "),
        (
            "hello".encode("utf-16"),
            "looks like UTF-16\n  wanted: text in UTF-8\n  do: convert it first: iconv -f UTF-16",
        ),
        ("hello there".encode("utf-16-le"), "looks like UTF-16"),
        ("hello there".encode("utf-16-be"), "looks like UTF-16"),
    ],
)
def test_what_is_not_text_is_refused_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str, chunk: int
) -> None:
    monkeypatch.setattr(text_module, "CHUNK_BYTES", chunk)
    path = write(tmp_path / "my book.txt", content)
    with pytest.raises(InputError) as refusal:
        survey([path])
    assert str(refusal.value).startswith(f"{path} ")
    assert message in str(refusal.value)


@given(st.binary(min_size=1), st.integers(1, 9))
def test_replacing_reads_any_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes, chunk: int) -> None:
    content = b"start " + content
    path = write(tmp_path_factory.mktemp("text") / "a", content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "CHUNK_BYTES", chunk + 6)
        read = "".join(text for text, _ in read_pieces([path], "replace"))
    assert read == content.decode(errors="replace").replace("\0", "\ufffd")


@given(st.binary(min_size=1), st.integers(4, 9))
def test_the_offset_is_that_of_the_first_bad_byte(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, chunk: int
) -> None:
    content = b"start " + content
    path = write(tmp_path_factory.mktemp("text") / "a", content)
    first_zero = content.find(b"\0") % (len(content) + 1)
    try:
        bad = min(len(content.decode().encode()), first_zero)
    except UnicodeDecodeError as problem:
        bad = min(problem.start, first_zero)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "CHUNK_BYTES", chunk)
        if bad == len(content):
            assert survey([path]).bytes == len(content)
        else:
            with pytest.raises(InputError, match=rf"at offset {bad}\n|looks like UTF-16"):
                survey([path])


def test_folders_are_searched_for_text_in_order(tmp_path: Path) -> None:
    for name in ("b/2.txt", "b/10.TXT", "a.md", "c.text", "b/picture.png", ".git/notes.txt", "b/.hidden.txt"):
        write(tmp_path / "books" / name, "x")
    write(tmp_path / "odd.name", "x")
    found = find_texts([tmp_path / "odd.name", tmp_path / "books"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "odd.name",
        "books/a.md",
        "books/b/10.TXT",
        "books/b/2.txt",
        "books/c.text",
    ]


def test_paths_without_text_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "my_book.txt", "x")
    write(tmp_path / "pictures" / "a.png", "x")
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (
            tmp_path / "mybook.txt",
            f"there is no file {tmp_path}/mybook.txt\n  do: did you mean {tmp_path}/my_book.txt?",
        ),
        (tmp_path / "pictures", "holds no text\n  wanted: files whose names end in .txt, .text, .md\n  do: name the"),
        (tmp_path / "pipe", "is neither a file nor a folder\n  do: write its text to a file, or pipe it in as -"),
        (tmp_path / ("x" * 300), "cannot be read: File name too long"),
    ):
        with pytest.raises(InputError) as refusal:
            find_texts([path])
        assert message in str(refusal.value)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone cannot be read: No such file or directory"):
        survey([tmp_path / "gone"])


def test_standard_input_is_kept_as_it_came(tmp_path: Path) -> None:
    path = spool_stdin(tmp_path / "run", io.BytesIO(b"from a\r\npipe \xff"))
    assert path == tmp_path / "run" / "stdin.txt"
    assert path.read_bytes() == b"from a\r\npipe \xff"
