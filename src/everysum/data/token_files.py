"""Token files: a text as its token ids, made once, then mapped into memory rather than read.

A stream of tokens is: end of text, document 1, end of text, document 2, …, end of text. It starts and ends with the
end-of-text token, so that the first token of every document is predicted from it, and its end is predicted as well.
Ids are little-endian, two bytes each where the vocabulary fits (65,536), else four.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from everysum.data.held_out import TextPart, split_texts
from everysum.data.text import Errors, TextPiece, survey
from everysum.errors import InputError, ModelFolderError
from everysum.files import (
    commit_folder,
    output_errors,
    read_json,
    remove,
    sha256_of,
    sweep_temporary,
    verify_folder,
    write_json,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAYOUT = 1
Progress = Callable[[int, int], None]


class Encoder(Protocol):
    """What a tokenizer must offer for a text to become token files."""

    @property
    def vocabulary_size(self) -> int: ...
    @property
    def end_of_text(self) -> int: ...
    def encode(self, text: str, /) -> list[int]: ...
    def save(self, folder: Path, /) -> None: ...


@dataclass(frozen=True)
class TokenFile:
    """One stream of tokens on the disk; `byte_count` is the size in UTF-8 of the text that it stands for."""

    path: Path
    vocabulary_size: int
    end_of_text: int
    token_count: int
    document_count: int
    byte_count: int

    def __len__(self) -> int:
        return self.token_count

    @cached_property
    def tokens(self) -> NDArray[np.unsignedinteger[Any]]:
        """The token ids, mapped from the file: only the pages that are looked at take up memory."""
        return np.memmap(self.path, dtype=token_type(self.vocabulary_size), mode="r", shape=(self.token_count,))


@dataclass(frozen=True)
class TokenFiles:
    """The two sides of a text; `reused` says that they were there already."""

    train: TokenFile
    held_out: TokenFile
    reused: bool


def token_type(vocabulary_size: int) -> np.dtype[np.unsignedinteger[Any]]:
    """How a token id is stored."""
    return np.dtype("<u2" if vocabulary_size <= 1 << 16 else "<u4")


def prepare_tokens(
    train_texts: Sequence[Path],
    held_out_texts: Sequence[Path] | None,
    tokenizer: Encoder,
    *,
    folder: Path,
    held_out_fraction: float = 0.1,
    errors: Errors = "strict",
    progress: Progress | None = None,
) -> TokenFiles:
    """The texts as token files, in a folder within `folder` whose name stands for all that they depend on.

    They are made again only when a text, the tokenizer, the split or `errors` is another, or when they are damaged
    (found by SHA-256, which takes less time than reading the text has). With held-out texts of their own nothing of the
    others is held out; with a fraction of 0 the held-out file is the end-of-text token alone. `progress` is told how
    many characters of how many are done. Raises InputError for what is not text, and for a text that is to be both
    trained on and held out; OutputError when there is no room.
    """
    depends_on = _depends_on(train_texts, held_out_texts, tokenizer, held_out_fraction, errors)

    def make(temporary: Path) -> None:
        if held_out_texts is None:
            train, held_out = split_texts(train_texts, errors, held_out_fraction)
        else:
            train, held_out = (split_texts(texts, errors, 0)[0] for texts in (train_texts, held_out_texts))
        _encode_both(train, held_out, tokenizer, temporary, progress)

    target, reused = made_once(folder, depends_on, make)
    return _open(target, reused=reused)


def made_once(folder: Path, depends_on: Mapping[str, Any], make: Callable[[Path], None]) -> tuple[Path, bool]:
    """The folder within `folder` that stands for all of this, made now, or found whole; and whether it was found."""
    target = folder / hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]
    sweep_temporary(folder)
    try:
        verify_folder(target)
        return target, True
    except ModelFolderError:
        with output_errors(target):
            remove(target)
    with commit_folder(target) as temporary:
        make(temporary)
    return target, False


def write_tokens(
    pieces: Iterable[TextPiece], tokenizer: Encoder, path: Path, progress: Callable[[int], None] | None = None
) -> TokenFile:
    """Encode one stream into a file, piece by piece; `progress` is told the number of characters of each."""
    stored = token_type(tokenizer.vocabulary_size)
    end_of_text = np.array([tokenizer.end_of_text], dtype=stored).tobytes()
    documents = size = 0
    with path.open("wb") as file:
        for text, starts_document in pieces:
            if starts_document:
                documents += 1
                file.write(end_of_text)
            file.write(np.array(tokenizer.encode(text), dtype=stored).tobytes())
            size += len(text.encode())
            if progress:
                progress(len(text))
        file.write(end_of_text)
        count = file.tell() // stored.itemsize
    return TokenFile(path, tokenizer.vocabulary_size, tokenizer.end_of_text, count, documents, size)


def _encode_both(
    train: TextPart, held_out: TextPart, tokenizer: Encoder, folder: Path, progress: Progress | None
) -> None:
    done, total = 0, train.characters + held_out.characters

    def advance(characters: int) -> None:
        nonlocal done
        done += characters
        if progress:
            progress(done, total)

    described = {}
    for name, part in (("train", train), ("held_out", held_out)):
        described[name] = asdict(write_tokens(part, tokenizer, folder / f"{name}.bin", advance))
        described[name]["path"] = f"{name}.bin"
    write_json(folder / "tokens.json", described)


def _open(folder: Path, *, reused: bool) -> TokenFiles:
    described = read_json(folder / "tokens.json")
    train, held_out = (
        TokenFile(**{**described[name], "path": folder / f"{name}.bin"}) for name in ("train", "held_out")
    )
    return TokenFiles(train, held_out, reused)


def _depends_on(
    train_texts: Sequence[Path],
    held_out_texts: Sequence[Path] | None,
    tokenizer: Encoder,
    held_out_fraction: float,
    errors: Errors,
) -> dict[str, Any]:
    train = survey(train_texts, errors=errors)
    held_out = survey(held_out_texts, errors=errors) if held_out_texts is not None else None
    if held_out and held_out_texts:
        refuse_shared(held_out_texts, held_out.files, train.files)
    return {
        "layout": LAYOUT,
        "train": train.sha256,
        "held_out": held_out.sha256 if held_out else held_out_fraction,
        "errors": errors,
        "tokenizer": tokenizer_digests(tokenizer),
    }


def refuse_shared(held_out: Sequence[Path], digests: Sequence[str], training_digests: Sequence[str]) -> None:
    """Refuse a held-out file that is also among those to train on."""
    for path, digest in zip(held_out, digests, strict=True):
        if digest in training_digests:
            raise InputError(
                f"{path} is held out, and also among the texts to train on",
                wanted="held-out text that the model never sees",
                advice="leave it out of one of the two; to see how well a text was memorized, evaluate it after "
                "training",
            )


def tokenizer_digests(tokenizer: Encoder) -> dict[str, str]:
    """The SHA-256 of each file that this tokenizer is saved as."""
    with tempfile.TemporaryDirectory() as saved:
        tokenizer.save(Path(saved))
        return {path.name: sha256_of(path) for path in sorted(Path(saved).iterdir())}
