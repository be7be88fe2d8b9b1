"""GPT-2's older files: a vocabulary and its merges apart, as ``vocab.json`` and ``merges.txt`` or by OpenAI's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from everysum.errors import ModelFolderError
from everysum.files import read_json
from everysum.tokenizers.patterns import LLAMA3
from everysum.tokenizers.settings import Settings
from everysum.tokenizers.tokenizer_json import byte_level, split

PAIRS = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
LARGEST = 2**26

QWEN_EXPRESSION = LLAMA3.expression.replace(r"\p{N}{1,3}", r"\p{N}")


def find_pair(folder: Path) -> tuple[Path, Path] | None:
    """The two files, where both are there."""
    for vocabulary, merges in PAIRS:
        if (folder / vocabulary).is_file() and (folder / merges).is_file():
            return folder / vocabulary, folder / merges
    return None


def as_document(vocabulary: Path, merges: Path, settings: Settings) -> dict[str, Any]:
    """The ``tokenizer.json`` that says the same as these two files, for the family that tokenizer_config.json names.

    They are byte-level byte-pair encodings all: GPT-2's, or Qwen's with its own split pattern and composed characters.
    """
    ids = read_json(vocabulary)
    strange = next((token for token, token_id in ids.items() if type(token_id) is not int or token_id < 0), None)
    if strange is not None or not ids:
        raise ModelFolderError(f"{vocabulary} is not a vocabulary", wanted="tokens with their ids", came=repr(strange))
    qwen = str(settings.config.get("tokenizer_class", "")).startswith("Qwen2Tokenizer")
    with_space = settings.flag("add_prefix_space", False)
    first = byte_level(use_regex=True, add_prefix_space=with_space)
    if qwen:
        first = qwen_pre_tokenizer(with_space)
    return {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "NFC"} if qwen else None,
        "pre_tokenizer": first,
        "post_processor": None,
        "decoder": byte_level(use_regex=False),
        "model": {"type": "BPE", "vocab": ids, "merges": read_merges(merges)},
    }


def qwen_pre_tokenizer(add_prefix_space: bool = False) -> dict[str, Any]:
    """The library's name for cutting a text as Qwen does: as Llama 3, but each digit apart."""
    parts = [split(QWEN_EXPRESSION), byte_level(use_regex=False, add_prefix_space=add_prefix_space)]
    return {"type": "Sequence", "pretokenizers": parts}


def read_merges(path: Path) -> list[list[str]]:
    """The pairs of a merges file, in order; ModelFolderError, with the line, for a broken one."""
    try:
        if path.stat().st_size > LARGEST:
            raise ModelFolderError(f"{path} is too large", wanted=f"at most {LARGEST:,} bytes")
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise ModelFolderError(f"{path} cannot be read: {problem}") from problem
    merges = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        pair = line.rstrip("\r").split(" ")
        if len(pair) != 2 or not all(pair):
            raise ModelFolderError(
                f"{path} is not a list of merges",
                wanted="two tokens on each line",
                came=f"line {number}: {line[:60]!r}",
            )
        merges.append(pair)
    return merges
