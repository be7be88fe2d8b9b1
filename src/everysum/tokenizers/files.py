"""A tokenizer from a folder: the kind that its ``tokenizer.json`` says."""

from __future__ import annotations

from pathlib import Path

from everysum.errors import ModelFolderError
from everysum.tokenizers.byte_pair import BytePairTokenizer, merges_from_pairs
from everysum.tokenizers.characters import CharacterTokenizer
from everysum.tokenizers.patterns import EACH_CHARACTER
from everysum.tokenizers.tokenizer import Tokenizer
from everysum.tokenizers.tokenizer_json import FILE_NAME, TokenizerJson
from everysum.tokenizers.vocabulary import Vocabulary
from everysum.tokenizers.words import WordTokenizer


def load_tokenizer(folder_or_file: Path) -> Tokenizer:
    """The tokenizer saved in a folder, or in this ``tokenizer.json``: ours, or a published one laid out as GPT-2's.

    Raises ModelFolderError, naming the file, if it is missing, broken, or of a kind that is not read here.
    """
    path = folder_or_file / FILE_NAME if folder_or_file.is_dir() else folder_or_file
    saved = TokenizerJson.read(path)
    tokenizer = _tokenizer(saved, path)
    tokenizer.ends_texts = saved.ends_texts
    if saved.separator:
        tokenizer.add_separator()
    return tokenizer


def _tokenizer(saved: TokenizerJson, path: Path) -> Vocabulary:
    try:
        if saved.pairs is not None:
            return BytePairTokenizer(merges_from_pairs(saved.pairs), saved.pattern.name)
        pieces = [token.decode("utf-8") for token in saved.learned]
    except (KeyError, ValueError) as problem:
        raise ModelFolderError(f"{path} is broken", came=f"tokens that cannot be: {problem}") from problem
    if saved.pattern == EACH_CHARACTER:
        return CharacterTokenizer(pieces)
    return WordTokenizer(pieces, saved.pattern.name)
