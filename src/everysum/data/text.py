"""Text as people keep it, files and folders of UTF-8, read in pieces so that a text may be larger than memory.

Text is taken exactly as it is, line ends included; only a byte-order mark is dropped. A line of its own that reads
`<|endoftext|>` parts two documents within a file (as in TinyStories); each file starts a document of its own, and a
document without a single character does not count. What is not UTF-8 text is refused with the place of the first bad
byte, or, with errors="replace", each bad byte becomes U+FFFD (�).
"""

from __future__ import annotations

import codecs
import difflib
import hashlib
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from everysum.errors import InputError
from everysum.files import replacing

END_OF_TEXT_LINE = "<|endoftext|>"
TEXT_SUFFIXES = (".txt", ".text", ".md")
CHUNK_BYTES = 1 << 20
PIECE_CHARACTERS = 1 << 18

Errors = Literal["strict", "replace"]

_SEPARATOR = re.compile(rf"^{re.escape(END_OF_TEXT_LINE)}\r?(?:\n|\Z)", re.MULTILINE)
_UP_TO_A_WORDS_END = re.compile(r".*[^\W\d_](?=\s)", re.DOTALL)


class TextPiece(NamedTuple):
    """A stretch of a document; `starts_document` says whether it is the document's first."""

    text: str
    starts_document: bool


@dataclass(frozen=True)
class TextSurvey:
    """What one pass over the texts has found.

    `sha256` stands for all files in their order, `files` holds the SHA-256 of each; `bytes` counts the files' bytes,
    `characters` those that are read from them.
    """

    bytes: int
    characters: int
    documents: int
    sha256: str
    files: tuple[str, ...]


# --- which files ------------------------------------------------------------------------------------------------------


def find_texts(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The text files meant by these paths: files as given, folders searched through for *.txt, *.text and *.md.

    A folder's files come sorted by path; names that begin with a dot are passed over. Raises InputError for a path
    that does not exist and for a folder without text.
    """
    try:
        return tuple(text for path in paths for text in (_texts_in(path) if path.is_dir() else [_existing(path)]))
    except OSError as problem:
        raise InputError(f"{problem.filename} cannot be read: {problem.strerror}") from problem


def spool_stdin(folder: Path, stream: BinaryIO | None = None) -> Path:
    """Keep what comes in on standard input as `stdin.txt` in this folder, since training reads its text twice."""
    stream = stream or sys.stdin.buffer
    path = folder / "stdin.txt"
    with replacing(path) as file:
        while chunk := stream.read(CHUNK_BYTES):
            file.write(chunk)
    return path


def _texts_in(folder: Path) -> list[Path]:
    found = []
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        texts = (name for name in names if name.lower().endswith(TEXT_SUFFIXES) and not name.startswith("."))
        found += [Path(parent) / name for name in texts]
    if not found:
        raise InputError(
            f"the folder {folder} holds no text",
            wanted="files whose names end in " + ", ".join(TEXT_SUFFIXES),
            advice="name the files themselves, whatever their endings",
        )
    return sorted(found, key=lambda path: path.parts)


def _raise(problem: OSError) -> None:
    raise problem


def _existing(path: Path) -> Path:
    if path.is_file():
        return path
    if path.exists():
        raise InputError(
            f"{path} is neither a file nor a folder", advice="write its text to a file, or pipe it in as -"
        )
    names = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    raise InputError(f"there is no file {path}", advice=f"did you mean {path.with_name(near[0])}?" if near else None)


# --- what is in them --------------------------------------------------------------------------------------------------


def survey(paths: Sequence[Path], *, errors: Errors = "strict") -> TextSurvey:
    """Read everything once: how much there is, its SHA-256, and whether all of it is text.

    Raises InputError for a file that is missing, empty, binary, UTF-16 or, with errors="strict", not UTF-8.
    """
    sizes = [0, 0, 0]
    digests = []
    for path in paths:
        digest = hashlib.sha256()
        for piece in _pieces(path, errors, digest):
            sizes[0] += len(piece.text)
            sizes[1] += piece.starts_document
        sizes[2] += path.stat().st_size
        digests.append(digest.hexdigest())
    characters, documents, size = sizes
    return TextSurvey(size, characters, documents, hashlib.sha256("\n".join(digests).encode()).hexdigest(), (*digests,))


def read_pieces(paths: Sequence[Path], errors: Errors = "strict") -> Iterator[TextPiece]:
    """All documents in order, in pieces of at most PIECE_CHARACTERS characters.

    A document is cut only between a letter and the white space after it. GPT-2's and Llama 3's split patterns always
    part the text there, so the pieces' tokens, one after the other, are the whole document's tokens. The one exception:
    where PIECE_CHARACTERS characters offer no such place, the cut falls at their end.
    """
    for path in paths:
        yield from _pieces(path, errors)


def _pieces(path: Path, errors: Errors, digest: hashlib._Hash | None = None) -> Iterator[TextPiece]:
    rest, starts_document, empty = "", True, True
    for stretch in _stretches(path, errors, digest):
        rest += stretch or ""
        while len(rest) > PIECE_CHARACTERS or (rest and stretch is None):
            end = _cut(rest)
            yield TextPiece(rest[:end], starts_document)
            rest, starts_document, empty = rest[end:], False, False
        starts_document = starts_document or stretch is None
    if empty:
        raise InputError(f"{path} holds no text", wanted="some text besides separators and a byte-order mark")


def _cut(text: str) -> int:
    if len(text) <= PIECE_CHARACTERS:
        return len(text)
    found = _UP_TO_A_WORDS_END.match(text, 0, PIECE_CHARACTERS + 1)
    return found.end() if found else PIECE_CHARACTERS


def _stretches(path: Path, errors: Errors, digest: hashlib._Hash | None) -> Iterator[str | None]:
    """The file's text as it comes from the disk, with None wherever a document ends."""
    held, at_line_start = "", True
    for text in decoded(path, errors, digest):
        held += text
        line = held.rfind("\n") + 1
        unsure = (line > 0 or at_line_start) and f"{END_OF_TEXT_LINE}\r\n".startswith(held[line:])
        ready, held = (held[:line], held[line:]) if unsure else (held, "")
        yield from _parted(ready, at_line_start)
        at_line_start = unsure
    yield from _parted(held, at_line_start)
    yield None


def _parted(text: str, at_line_start: bool) -> Iterator[str | None]:
    start = 0
    for separator in _SEPARATOR.finditer(text):
        if separator.start() > 0 or at_line_start:
            yield text[start : separator.start()]
            yield None
            start = separator.end()
    yield text[start:]


# --- from bytes to characters -----------------------------------------------------------------------------------------


def decoded(path: Path, errors: Errors, digest: hashlib._Hash | None = None) -> Iterator[str]:
    """The file's characters as they come from the disk, which is told to `digest` too; refuses what is not text."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors)
    position, first = 0, True
    for chunk in _chunks(path):
        if digest:
            digest.update(chunk)
        if position == 0:
            _refuse_utf16(path, chunk)
        pending = decoder.getstate()[0]
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as problem:
            raise _not_text(path, position - len(pending), (pending + chunk)[: problem.start + 1]) from None
        if "\0" in text and errors == "strict":
            raise _not_text(path, position, chunk)
        text = text.replace("\0", "\ufffd")
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        position += len(chunk)
        yield text


def _chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes, and last an empty chunk that says that no more will come."""
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except OSError as problem:
        raise InputError(f"{path} cannot be read: {problem.strerror}") from problem
    yield b""


def _refuse_utf16(path: Path, chunk: bytes) -> None:
    if not chunk:
        raise InputError(f"{path} is empty", wanted="a file with text in it")
    zeros = sorted(chunk[start:4096:2].count(0) for start in (0, 1))  # Latin text has one in every pair of bytes
    if chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or zeros[0] * 10 < zeros[1] > len(chunk[:4096]) / 4:
        converted = shlex.quote(f"{path.with_suffix('')}-utf8.txt")
        raise InputError(
            f"{path} looks like UTF-16",
            wanted="text in UTF-8",
            advice=f"convert it first: iconv -f UTF-16 -t UTF-8 {shlex.quote(str(path))} > {converted}",
        )


def _not_text(path: Path, position: int, read: bytes) -> InputError:
    """The refusal of the bytes read at `position` of the file: the first NUL among them is bad, else the last byte."""
    bad = read.index(0) if 0 in read else len(read) - 1
    return InputError(
        f"{path} is not text in UTF-8" + (": it looks binary" if read[bad] == 0 else ""),
        came=f"the byte 0x{read[bad]:02x} at offset {position + bad}",
        advice="convert or mend the file, or use --errors replace to read each bad byte as � (U+FFFD)",
    )
