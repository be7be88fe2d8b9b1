"""Sentence pairs as token files, made once, then mapped into memory rather than read.

Each side is one row of token ids, every sentence ending with the end-of-text token, and beside it the places where the
sentences end. Ids are stored as in `everysum.data.token_files`, places as little-endian 64-bit numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from everysum.data.sentence_pairs import Pair, Sides, split_pairs, survey_pairs
from everysum.data.token_files import Encoder, made_once, refuse_shared, token_type, tokenizer_digests
from everysum.files import read_json, write_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAYOUT = 1
PLACES = np.dtype("<u8")


class PairEncoder(Encoder, Protocol):
    """What a tokenizer must offer for pairs to become token files."""

    def encode_target(self, text: str, /) -> list[int]: ...


@dataclass(frozen=True)
class SentenceFile:
    """One side's sentences on the disk; `byte_count` is the size in UTF-8 of what they say."""

    path: Path
    vocabulary_size: int
    end_of_text: int
    sentences: int
    token_count: int
    byte_count: int

    def __len__(self) -> int:
        return self.sentences

    def __getitem__(self, number: int) -> NDArray[np.unsignedinteger[Any]]:
        """A sentence's tokens, the last of them the end of text."""
        start = self.ends[number - 1] if number else 0
        return self.tokens[start : self.ends[number]]

    @cached_property
    def tokens(self) -> NDArray[np.unsignedinteger[Any]]:
        stored = token_type(self.vocabulary_size)
        return _mapped(self.path, stored, self.token_count)

    @cached_property
    def ends(self) -> NDArray[np.unsignedinteger[Any]]:
        return _mapped(_places(self.path), PLACES, self.sentences)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """How many tokens each sentence has, its end included."""
        return np.diff(np.asarray(self.ends), prepend=0).astype(np.int64)


@dataclass(frozen=True)
class PairFile:
    """Pairs of sentences on the disk."""

    sources: SentenceFile
    targets: SentenceFile

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def token_count(self) -> int:
        """Tokens of both sides, ends included."""
        return self.sources.token_count + self.targets.token_count

    @property
    def byte_count(self) -> int:
        return self.sources.byte_count + self.targets.byte_count


@dataclass(frozen=True)
class PairFiles:
    """The pairs to train on and those held out; `reused` says that they were there already."""

    train: PairFile
    held_out: PairFile
    reused: bool


def prepare_pairs(
    train: Sides, held_out: Sides | None, tokenizer: PairEncoder, *, folder: Path, held_out_share: float = 0.1
) -> PairFiles:
    """The pairs as token files, in a folder within `folder` whose name stands for all that they depend on.

    Without held-out pairs of their own a share of the others is held out. Raises InputError for what is not text, sides
    that do not go together, and a file that is to be both trained on and held out.
    """
    found = survey_pairs(train)
    other = survey_pairs(held_out) if held_out else None
    if held_out and other:
        refuse_shared((*held_out.sources, *held_out.targets), other.files, found.files)
    depends_on = {
        "pair_layout": LAYOUT,
        "train": found.sha256,
        "held_out": other.sha256 if other else held_out_share,
        "errors": train.errors,
        "tokenizer": tokenizer_digests(tokenizer),
    }

    def make(temporary: Path) -> None:
        training, parted = split_pairs(train, 0.0 if held_out else held_out_share)
        measured = split_pairs(held_out, 0.0)[0] if held_out else parted
        parts = {"train": training, "held_out": measured}
        written = {name: write_pairs(part, tokenizer, temporary / name) for name, part in parts.items()}
        write_json(temporary / "pairs.json", {name: described(pairs) for name, pairs in written.items()})

    target, reused = made_once(folder, depends_on, make)
    names = read_json(target / "pairs.json")
    return PairFiles(_opened(names["train"], target), _opened(names["held_out"], target), reused)


def write_pairs(pairs: Iterable[Pair], tokenizer: PairEncoder, stem: Path) -> PairFile:
    """Encode pairs into four files whose names begin with `stem`: ids and places, of sources and of targets."""
    stored = token_type(tokenizer.vocabulary_size)
    paths = [stem.with_name(f"{stem.name}.{side}.bin") for side in ("sources", "targets")]
    counts, sizes, sentences = [0, 0], [0, 0], 0
    with (
        paths[0].open("wb") as sources,
        paths[1].open("wb") as targets,
        _places(paths[0]).open("wb") as source_places,
        _places(paths[1]).open("wb") as target_places,
    ):
        files = ((sources, source_places), (targets, target_places))
        for pair in pairs:
            sentences += 1
            for side, (text, (tokens, places)) in enumerate(zip(pair, files, strict=True)):
                ids = [*(tokenizer.encode_target if side else tokenizer.encode)(text), tokenizer.end_of_text]
                tokens.write(np.array(ids, dtype=stored).tobytes())
                counts[side] += len(ids)
                sizes[side] += len(text.encode())
                places.write(np.array([counts[side]], dtype=PLACES).tobytes())
    both = (
        SentenceFile(path, tokenizer.vocabulary_size, tokenizer.end_of_text, sentences, counts[side], sizes[side])
        for side, path in enumerate(paths)
    )
    return PairFile(*both)


def described(pairs: PairFile) -> dict[str, dict[str, Any]]:
    """Both sides as JSON, their files without the folder."""
    sides = {"sources": pairs.sources, "targets": pairs.targets}
    return {name: {**asdict(side), "path": side.path.name} for name, side in sides.items()}


def _opened(names: dict[str, Any], folder: Path) -> PairFile:
    sides = (names[side] for side in ("sources", "targets"))
    return PairFile(*(SentenceFile(**{**side, "path": folder / side["path"]}) for side in sides))


def _places(path: Path) -> Path:
    return path.with_suffix(".ends.bin")


def _mapped(path: Path, stored: np.dtype[Any], count: int) -> NDArray[Any]:
    """The numbers in a file, read from the disk as they are looked at; an empty file cannot be mapped."""
    return np.memmap(path, dtype=stored, mode="r", shape=(count,)) if count else np.zeros(0, dtype=stored)
