"""``tokenizer.json`` of other people: every normalizer, model and decoder that the tokenizers library reads.

The library does the work, so ids are its own. What is ours is that no text becomes a special token. The library looks
for the texts of special tokens wherever they stand, and a unigram model makes them of their letters as well. So before
it sees the file, each special token gets a name that nobody can guess, in the vocabulary and everywhere else; a part of
`encode_parts` that asks for one is written as that name.
"""

from __future__ import annotations

import functools
import json
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from everysum.errors import ModelFolderError
from everysum.files import write_atomically
from everysum.tokenizers.byte_characters import to_bytes
from everysum.tokenizers.byte_pair import Merge
from everysum.tokenizers.merging import merge_steps
from everysum.tokenizers.published import Published, refused, silenced
from everysum.tokenizers.settings import AddedToken, Settings

if TYPE_CHECKING:
    import tokenizers

PROBE = "aZ 09.\n\tÀé ﬁ ½ Ａ 日本 🥚 \u0301"
"""Characters of many kinds: a broken file shows on these, before it is used."""
KINDS = {"BPE": "byte_pair", "Unigram": "unigram", "WordPiece": "word_piece", "WordLevel": "words"}


class LibraryTokenizer(Published):
    """A tokenizer that the tokenizers library runs; `document` is its ``tokenizer.json``, as it came."""

    def __init__(self, document: dict[str, Any], path: Path, settings: Settings, files: dict[str, bytes]) -> None:
        """`files` are what `save` writes again, beside those of the settings."""
        self.document, self._files = document, files
        broken = f"{path} is not a tokenizer that can be read"
        with refused(broken, "a tokenizer.json that the tokenizers library reads"), silenced():
            added = _added_tokens(document, settings)
            names = {token.content: _unguessable(number) for number, token in enumerate(added) if token.special}
            self._library = _build(_renamed(document, names), added, names)
            ids = {content: self._library.token_to_id(name) for content, name in names.items()}
            special = {content: token_id for content, token_id in ids.items() if token_id is not None}
            self._names = {token_id: names[content] for content, token_id in special.items()}
            vocabulary = self._library.get_vocab()
            if not vocabulary:
                raise ModelFolderError(f"{path} has no tokens")
            super().__init__(path, settings, special)
            self.kind = KINDS[type(self._library.model).__name__]
            self.vocabulary_size = max(vocabulary.values()) + 1
            decoder = document.get("decoder")
            self._decoders = {part["type"] for part in _steps(decoder, "decoders")} if decoder else set()
            self.before = self._frame()
            with suppress(Exception):  # a vocabulary need not know these characters; but the library must not panic
                self._library.decode(self._library.encode(PROBE).ids)

    # --- text and ids ------------------------------------------------------------------------------------------------

    def _ids(self, parts: list[str | int]) -> list[int]:
        text = "".join(part if isinstance(part, str) else self._names[part] for part in parts)
        return list(self._library.encode(text, add_special_tokens=False).ids)

    def _text(self, ids: list[int]) -> str:
        return str(self._library.decode(ids, skip_special_tokens=True))

    def _bytes(self, token_id: int) -> bytes:
        token = self._library.id_to_token(token_id)
        if token is None:  # ids may have gaps
            return b""
        if "ByteLevel" in self._decoders:
            try:
                return to_bytes(token)
            except KeyError:
                return str(token).encode()
        if "ByteFallback" in self._decoders and (byte := byte_of(token)) is not None:
            return byte
        if "BPEDecoder" in self._decoders:
            return str(token).replace(self.document["decoder"].get("suffix", "</w>"), " ").encode()
        with refused(f"{self.path} cannot decode the token {token_id}"):
            # inside a text, so that what a decoder does to the first token only is not done to this one
            before, both = (self._library.decode(ids) for ids in ([self._anchor], [self._anchor, token_id]))
        return str(both).removeprefix(before).encode()

    @functools.cached_property
    def _anchor(self) -> int:
        """An ordinary token to stand before the one that is looked at."""
        return next(iter(self._ids(["a"])), 0)

    def _frame(self) -> tuple[int, ...]:
        """What the file's post-processor puts in front; where there is none, what tokenizer_config.json asks for."""
        if self.document.get("post_processor") is None:
            bos = self.role("bos_token")
            return (bos,) if bos is not None and self.settings.flag("add_bos_token", False) else ()
        try:
            plain, framed = (self._library.encode("a", add_special_tokens=more).ids for more in (False, True))
        except Exception:  # a vocabulary need not know the letter
            return ()
        starts = (at for at in range(len(framed) - len(plain) + 1) if framed[at : at + len(plain)] == plain)
        return tuple(framed[: next(starts, 0)])

    def save(self, folder: Path) -> None:
        for name, content in self._files.items():
            write_atomically(folder / name, content)
        self.settings.save(folder)

    # --- merges ------------------------------------------------------------------------------------------------------

    def history(self, token_id: int) -> list[tuple[int, Merge]]:
        """The merges behind one token as they were learned, each with its number; none for one that is not merged."""
        vocabulary, token = self._library.token_to_id, self._library.id_to_token(token_id) or ""
        ending = self.document["model"].get("end_of_word_suffix") or ""
        symbols = [*token.removesuffix(ending)] if ending and token.endswith(ending) else [*token]
        symbols[-1:] = [symbols[-1] + token[len("".join(symbols)) :]] if symbols else []
        found = []
        for rank, left, right in merge_steps(symbols, self._rank):
            first, second, made = vocabulary(left), vocabulary(right), vocabulary(left + right)
            if first is not None and second is not None and made is not None:
                found.append((rank + 1, Merge((first, second), made, self.token_bytes(made))))
        return found if found and found[-1][1].token_id == token_id else []

    def merge_pairs(self) -> list[list[str]]:
        """The pairs that are merged, in order, as the file spells tokens; none where the model has no merges."""
        merges = self.document["model"].get("merges") or []
        return [merge.split(" ") if isinstance(merge, str) else list(merge) for merge in merges]

    def named_tokens(self) -> dict[int, str]:
        """Every token as the file spells it."""
        special = {token_id: text for text, token_id in self.special_tokens.items()}
        return {at: special.get(at, token) for token, at in self._library.get_vocab().items()}

    def added_ids(self) -> frozenset[int]:
        """The tokens that are looked for before the text is cut, special ones included."""
        return frozenset(self._library.get_added_tokens_decoder())

    def _rank(self, left: str, right: str) -> int | None:
        return self._ranks.get((left, right))

    @functools.cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {(left, right): rank for rank, (left, right) in enumerate(self.merge_pairs())}


def byte_of(token: str) -> bytes | None:
    """The byte that ``<0x0A>`` stands for, the form of byte fallback; None for any other token."""
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        try:
            return bytes([int(token[3:5], 16)])
        except ValueError:
            return None
    return None


def _added_tokens(document: dict[str, Any], settings: Settings) -> list[AddedToken]:
    """The file's own, as they stand in it, then those that the settings add; special where either says so."""
    special = {token.content for token in settings.added if token.special}
    own = []
    for value in document.get("added_tokens") or []:
        token = AddedToken.read(value, value.get("id"))
        own.append(
            token if token.special or token.content not in special else AddedToken(**{**vars(token), "special": True})
        )
    known = {token.content for token in own}
    return own + [token for token in settings.added if token.content not in known]


def _unguessable(number: int) -> str:
    """A name for a special token: letters and digits, which no normalizer changes."""
    return f"special{number}{secrets.token_hex(12)}"


def _renamed(document: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The document with each special token called by its new name; nothing cut off, padded or dropped any more."""
    model = dict(document["model"])
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {names.get(token, token): token_id for token, token_id in vocabulary.items()}
    else:
        model["vocab"] = [[names.get(token, token), score] for token, score in vocabulary]
    if "merges" in model:
        model["merges"] = [merge for merge in model["merges"] if not _makes(merge, names)]
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    if model.get("dropout"):
        model["dropout"] = None  # for training: it makes encoding random
    added = [
        {**value, "content": names.get(value["content"], value["content"])} | _as_special(value["content"] in names)
        for value in document.get("added_tokens") or []
    ]
    return {**document, "model": model, "added_tokens": added, "truncation": None, "padding": None}


def _as_special(special: bool) -> dict[str, bool]:
    """A special token is looked for in the text as it is given: what a normalizer puts before it would hide it."""
    return {"special": True, "normalized": False} if special else {"special": False}


def _makes(merge: str | Sequence[str], names: dict[str, str]) -> bool:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left + right in names or left in names or right in names


def _build(document: dict[str, Any], added: Iterable[AddedToken], names: dict[str, str]) -> tokenizers.Tokenizer:
    from tokenizers import AddedToken as TheirToken
    from tokenizers import Tokenizer

    library = Tokenizer.from_str(json.dumps(document, ensure_ascii=False))
    there = {value["content"] for value in document["added_tokens"]}
    for token in added:
        name = names.get(token.content, token.content)
        if name not in there:
            flags = {key: getattr(token, key) for key in ("single_word", "lstrip", "rstrip")}
            normalized = token.normalized and not token.special
            library.add_tokens([TheirToken(name, special=token.special, normalized=normalized, **flags)])
    return library


def _steps(part: dict[str, Any], inside: str) -> list[dict[str, Any]]:
    """A part of the document, which may be a sequence of parts, as a list."""
    return [step for each in part[inside] for step in _steps(each, inside)] if inside in part else [part]
