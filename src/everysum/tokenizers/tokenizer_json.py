"""``tokenizer.json``, the tokenizers library's file, as we write it, and read without the library.

Everything is byte-level byte-pair encoding to that library. Characters and words are such an encoding without merges
that looks each whole piece up first (``ignore_merges``), so other programs open all three kinds without code of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everysum.files import write_json
from everysum.tokenizers.byte_characters import BYTES, to_bytes, to_characters
from everysum.tokenizers.patterns import EACH_CHARACTER, GPT2, LLAMA3, SplitPattern
from everysum.tokenizers.tokenizer import END_OF_TEXT, SEPARATOR

FILE_NAME = "tokenizer.json"
CONFIG_NAME = "tokenizer_config.json"


@dataclass(frozen=True)
class TokenizerJson:
    """What such a file says: the tokens beside the bytes, what they were merged from, and where texts are cut."""

    learned: Sequence[bytes]
    """The tokens from id 256 on, without ``end_of_text``, which is the id after them."""
    pairs: Sequence[tuple[bytes, bytes]] | None
    """For each learned token the two it was merged from; None where tokens are whole pieces."""
    pattern: SplitPattern
    separator: bool = False
    """Whether `SEPARATOR` is a token, with the id before ``end_of_text``."""
    ends_texts: bool = False
    """Whether other programs put ``end_of_text`` behind each text, and fill up with it."""

    def write(self, folder: Path) -> None:
        """Write the file, and the one beside it that tells transformers which token ends a text."""
        write_json(folder / FILE_NAME, self._document())
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": END_OF_TEXT,
            "eos_token": END_OF_TEXT,
            "clean_up_tokenization_spaces": False,
        }
        if self.ends_texts:
            config |= {"pad_token": END_OF_TEXT, "padding_side": "right"}
        write_json(folder / CONFIG_NAME, config)

    @classmethod
    def read(cls, document: dict[str, Any]) -> TokenizerJson | None:
        """The content of such a file if it is laid out as ours are: bytes, merges in order, end of text last."""
        try:
            return cls._parse(document)
        except _ShapeErrors:
            return None

    def _document(self) -> dict[str, Any]:
        specials = [SEPARATOR, END_OF_TEXT] if self.separator else [END_OF_TEXT]
        tokens = [to_characters(token) for token in [*BYTES, *self.learned]] + specials
        plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        added = [{"id": tokens.index(name), "content": name, "special": True, **plain} for name in specials]
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": added,
            "normalizer": None,
            "pre_tokenizer": pre_tokenizer(self.pattern),
            "post_processor": ending(len(tokens) - 1) if self.ends_texts else None,
            "decoder": byte_level(use_regex=False),
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": self.pairs is None,
                "vocab": {token: token_id for token_id, token in enumerate(tokens)},
                "merges": [f"{to_characters(left)} {to_characters(right)}" for left, right in self.pairs or ()],
            },
        }

    @classmethod
    def _parse(cls, document: dict[str, Any]) -> TokenizerJson:
        model = document["model"]
        if document.get("normalizer") or model["type"] != "BPE":
            raise ValueError("a normalizer, or a model other than BPE")
        for setting in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
            if model.get(setting):
                raise ValueError(f"{setting} = {model[setting]!r}")
        pattern = _pattern_of(document["pre_tokenizer"])
        learned, separator = _learned_tokens(model["vocab"], document["added_tokens"])
        told = (separator, document.get("post_processor") == ending(len(BYTES) + len(learned) + separator))
        if not model["merges"] and model.get("ignore_merges"):
            return cls(learned, None, pattern, *told)
        merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        pairs = [(to_bytes(left), to_bytes(right)) for left, right in merges]
        if [left + right for left, right in pairs] != learned:
            raise ValueError(f"{len(pairs)} merges that do not make the {len(learned)} tokens, one each and in order")
        return cls(learned, pairs, pattern, *told)


_ShapeErrors = (LookupError, TypeError, ValueError, AttributeError)
"""What reading a value of another shape than expected raises."""


def pre_tokenizer(pattern: SplitPattern) -> dict[str, Any]:
    """The library's name for cutting a text as the pattern does, and writing its bytes as characters."""
    if pattern == GPT2:
        return byte_level(use_regex=True)
    return {"type": "Sequence", "pretokenizers": [split(pattern.expression), byte_level(use_regex=False)]}


def ending(end_of_text: int) -> dict[str, Any]:
    """The library's name for putting ``end_of_text``, which has this id, behind each text."""
    end = {"SpecialToken": {"id": END_OF_TEXT, "type_id": 0}}
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    tokens = {END_OF_TEXT: {"id": END_OF_TEXT, "ids": [end_of_text], "tokens": [END_OF_TEXT]}}
    return {
        "type": "TemplateProcessing",
        "single": [first, end],
        "pair": [first, end, second, end],
        "special_tokens": tokens,
    }


def split(expression: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}


def byte_level(use_regex: bool, add_prefix_space: bool = False) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": True, "use_regex": use_regex}


def cuts_alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two of the library's pre-tokenizers cut in the same places, however they are written."""

    def essence(part: dict[str, Any]) -> dict[str, Any]:
        defaults = {"use_regex": True} if part["type"] == "ByteLevel" else {}
        return {key: value for key, value in (defaults | part).items() if key != "trim_offsets"}

    def parts(whole: dict[str, Any]) -> list[dict[str, Any]]:
        return [essence(part) for part in whole.get("pretokenizers", [whole])]

    return parts(one) == parts(other)


def _pattern_of(pre_tokenizer_json: dict[str, Any]) -> SplitPattern:
    for pattern in (GPT2, LLAMA3, EACH_CHARACTER):
        if cuts_alike(pre_tokenizer_json, pre_tokenizer(pattern)):
            return pattern
    raise ValueError(f"a split pattern that is not GPT-2's or Llama 3's: {str(pre_tokenizer_json)[:300]}")


def _learned_tokens(vocabulary: dict[str, int], added: list[dict[str, Any]]) -> tuple[list[bytes], bool]:
    """The tokens after the bytes, and whether a separator follows them, once it is sure that the ids are as ours."""
    special = [(token["content"], token["id"]) for token in added]
    names = {name for name, _ in special}
    ids = {token: token_id for token, token_id in vocabulary.items() if token not in names}
    tokens = [to_bytes(token) for token in sorted(ids, key=ids.__getitem__)]
    if sorted(ids.values()) != list(range(len(ids))) or tokens[: len(BYTES)] != BYTES:
        raise ValueError("token ids that are not 0, 1, 2, …, beginning with the 256 bytes in GPT-2's order")
    separator = special[:-1] == [(SEPARATOR, len(tokens))]
    if special != [(SEPARATOR, len(tokens))] * separator + [(END_OF_TEXT, len(tokens) + separator)]:
        raise ValueError(f"added tokens {special[:9]} instead of {END_OF_TEXT} alone, as the last")
    return tokens[len(BYTES) :], separator
