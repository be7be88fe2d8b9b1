"""A tokenizer from a folder or a file: ours, or a published one in any form that it comes in."""

from __future__ import annotations

from pathlib import Path

from everysum.errors import ModelFolderError
from everysum.files import read_json, readable_size
from everysum.tokenizers.byte_pair import BytePairTokenizer, merges_from_pairs
from everysum.tokenizers.characters import CharacterTokenizer
from everysum.tokenizers.library import LibraryTokenizer
from everysum.tokenizers.marian import MarianTokenizer, is_marian
from everysum.tokenizers.patterns import EACH_CHARACTER
from everysum.tokenizers.ranks import RankTokenizer, looks_like_ranks
from everysum.tokenizers.sentence_piece import SentencePieceTokenizer
from everysum.tokenizers.settings import CHAT_TEMPLATE, Settings, read_settings
from everysum.tokenizers.tokenizer import END_OF_TEXT, Tokenizer
from everysum.tokenizers.tokenizer_json import FILE_NAME, TokenizerJson
from everysum.tokenizers.vocabulary import Vocabulary
from everysum.tokenizers.vocabulary_files import PAIRS, as_document, find_pair
from everysum.tokenizers.words import WordTokenizer

MODEL_NAMES = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
ENDINGS = (".model", ".spm", ".tiktoken")
LARGEST_MODEL = 2**26
"""Bytes of a sentencepiece model or rank file; published ones have up to some ten MB."""


def load_tokenizer(folder_or_file: Path) -> Tokenizer:
    """The tokenizer of a folder, or in this file: ours, or a published one; the list below is all that is read.

    In a folder the first of these is taken: ``tokenizer.json``; ``source.spm``, ``target.spm`` and ``vocab.json``
    (Marian); ``vocab.json`` and ``merges.txt``; ``encoder.json`` and ``vocab.bpe``; ``tokenizer.model`` (sentencepiece,
    or Llama 3's ranks); another single file that ends in .model, .spm or .tiktoken.
    Raises ModelFolderError, naming the file, if it is missing or broken.
    """
    folder = folder_or_file if folder_or_file.is_dir() else folder_or_file.parent
    if not folder_or_file.is_dir():
        return _from_file(folder_or_file, read_settings(folder) if folder.is_dir() else Settings())
    settings = read_settings(folder)
    if (folder / FILE_NAME).is_file():
        return _from_file(folder / FILE_NAME, settings)
    if is_marian(folder):
        return MarianTokenizer(folder, settings)
    if pair := find_pair(folder):
        return _from_pair(*pair, settings)
    return _from_file(_only_model(folder), settings)


def _from_file(path: Path, settings: Settings) -> Tokenizer:
    if path.name in {name for pair in PAIRS for name in pair} and (pair := find_pair(path.parent)):
        return _from_pair(*pair, settings)
    if path.suffix in ENDINGS:
        content = _content(path)
        kind = RankTokenizer if looks_like_ranks(content) else SentencePieceTokenizer
        return kind(content, path, settings)
    document = read_json(path)
    ours = None if _says_more(settings) else TokenizerJson.read(document)
    if ours is not None:
        return _ours(ours, path)
    return LibraryTokenizer(document, path, settings, {FILE_NAME: _content(path)})


def _from_pair(vocabulary: Path, merges: Path, settings: Settings) -> Tokenizer:
    document = as_document(vocabulary, merges, settings)
    ids = document["model"]["vocab"]
    if ids.get(END_OF_TEXT) == len(ids) - 1 and not _says_more(settings):
        told = {**document, "added_tokens": [{"content": END_OF_TEXT, "id": len(ids) - 1, "special": True}]}
        if ours := TokenizerJson.read(told):
            return _ours(ours, vocabulary)
    files = {path.name: _content(path) for path in (vocabulary, merges)}
    return LibraryTokenizer(document, vocabulary, settings, files)


def _says_more(settings: Settings) -> bool:
    """Whether a folder's small files say what a tokenizer laid out as ours cannot hold."""
    others = {token.content for token in settings.added} - {END_OF_TEXT}
    return bool(others) or "chat_template" in settings.config or CHAT_TEMPLATE in settings.files


def _ours(saved: TokenizerJson, path: Path) -> Tokenizer:
    tokenizer = _of_kind(saved, path)
    tokenizer.ends_texts = saved.ends_texts
    if saved.separator:
        tokenizer.add_separator()
    return tokenizer


def _of_kind(saved: TokenizerJson, path: Path) -> Vocabulary:
    try:
        if saved.pairs is not None:
            return BytePairTokenizer(merges_from_pairs(saved.pairs), saved.pattern.name)
        pieces = [token.decode("utf-8") for token in saved.learned]
    except (KeyError, ValueError) as problem:
        raise ModelFolderError(f"{path} is broken", came=f"tokens that cannot be: {problem}") from problem
    if saved.pattern == EACH_CHARACTER:
        return CharacterTokenizer(pieces)
    return WordTokenizer(pieces, saved.pattern.name)


def _only_model(folder: Path) -> Path:
    """The one file in a folder that can be a tokenizer; ModelFolderError if there is none, or more than one."""
    for name in MODEL_NAMES:
        if (folder / name).is_file():
            return folder / name
    found = sorted(path for path in folder.iterdir() if path.suffix in ENDINGS) if folder.is_dir() else []
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise ModelFolderError(f"{folder} has more than one tokenizer", came=names, advice="name the file itself")
    older = " or ".join(" and ".join(pair) for pair in PAIRS)
    raise ModelFolderError(
        f"{folder / FILE_NAME} is missing, and there is no older form of a tokenizer beside it",
        wanted=f"{FILE_NAME}; or {older}; or {MODEL_NAMES[0]}",
    )


def _content(path: Path) -> bytes:
    try:
        if (size := path.stat().st_size) > LARGEST_MODEL:
            raise ModelFolderError(
                f"{path} is too large for a tokenizer",
                wanted=f"at most {readable_size(LARGEST_MODEL)}",
                came=readable_size(size),
            )
        return path.read_bytes()
    except OSError as problem:
        raise ModelFolderError(f"{path} cannot be read: {problem.strerror}") from problem
