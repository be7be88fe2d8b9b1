"""The tokenizer of a Marian translator (Helsinki-NLP's opus-mt): two sentencepiece models, and one table of ids.

``source.spm`` cuts what is translated, ``target.spm`` what it is translated to, and ``vocab.json`` has the ids of both
sides' pieces. A model of many languages is told which one to translate to by a word in front: ``>>fra<< Good morning``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from everysum.errors import ModelFolderError
from everysum.files import read_json, write_atomically
from everysum.tokenizers.published import Published, refused
from everysum.tokenizers.sentence_piece import SPACE, processor
from everysum.tokenizers.settings import Settings

SOURCE, TARGET, VOCABULARY = "source.spm", "target.spm", "vocab.json"
USUAL_ROLES = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


class MarianTokenizer(Published):
    """Sentences to ids as transformers' tokenizer of this name makes them, without the end of text behind.

    ``encode`` is for the source's side and ``encode_target`` for the other; ``decode`` gives the target's text.
    """

    kind = "unigram"

    def __init__(self, folder: Path, settings: Settings) -> None:
        path = folder / VOCABULARY
        self._vocabulary = _read_vocabulary(path)
        roles = {**USUAL_ROLES, **settings.roles}
        special = {text: self._vocabulary[text] for text in roles.values() if text in self._vocabulary}
        if roles["unk_token"] not in special or roles["eos_token"] not in special:
            raise ModelFolderError(
                f"{path} lacks a token that is needed", wanted=f"{roles['unk_token']} and {roles['eos_token']}"
            )
        super().__init__(path, settings, special)
        self._pieces = {token_id: piece for piece, token_id in self._vocabulary.items()}
        self._files = {name: (folder / name).read_bytes() for name in (SOURCE, TARGET, VOCABULARY)}
        self._source = processor(self._files[SOURCE], folder / SOURCE)
        self._target = processor(self._files[TARGET], folder / TARGET)
        self.vocabulary_size = max(self._vocabulary.values()) + 1
        self.unknown, self._end = special[roles["unk_token"]], special[roles["eos_token"]]
        padding = special.get(roles["pad_token"])
        self.padding = None if padding == self._end else padding  # what ends a translation may be written

    @property
    def end_of_text(self) -> int:
        return self._end

    def encode_target(self, text: str) -> list[int]:
        """The ids of a text in the language that is translated to."""
        with refused(f"{self.path} cannot encode this text"):
            return self._of(text, self._target)

    def _ids(self, parts: list[str | int]) -> list[int]:
        ids: list[int] = []
        for part in parts:
            ids.extend(self._of(part, self._source) if isinstance(part, str) else [part])
        return ids

    def _of(self, text: str, side: Any) -> list[int]:
        end = text.find("<<") + 2 if text.startswith(">>") else 0
        pieces = [text[:end]] * (end > 1) + side.encode(text[end:] if end > 1 else text, out_type=str)
        return [self._id_of(piece) for piece in pieces]

    def _id_of(self, piece: str) -> int:
        token_id = self._vocabulary.get(piece, self.unknown)
        return self.unknown if token_id in self.special_ids else token_id

    def _text(self, ids: list[int]) -> str:
        pieces = [self._pieces.get(token_id, "") for token_id in ids if token_id not in self.special_ids]
        # transformers takes the source's model for this: putting pieces together is the same for both
        return str(self._source.decode_pieces(pieces)).replace(SPACE, " ").strip()

    def _bytes(self, token_id: int) -> bytes:
        return self._pieces.get(token_id, "").replace(SPACE, " ").encode()

    def save(self, folder: Path) -> None:
        for name, content in self._files.items():
            write_atomically(folder / name, content)
        self.settings.save(folder)


def is_marian(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (SOURCE, TARGET, VOCABULARY))


def _read_vocabulary(path: Path) -> dict[str, int]:
    vocabulary = read_json(path)
    strange = next((entry for entry in vocabulary.items() if type(entry[1]) is not int or entry[1] < 0), None)
    if strange is not None or not vocabulary:
        raise ModelFolderError(
            f"{path} is not a vocabulary", wanted="pieces with their ids", came=str(strange or "none at all")[:100]
        )
    return vocabulary
