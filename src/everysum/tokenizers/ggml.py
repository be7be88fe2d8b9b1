"""A byte-pair vocabulary as llama.cpp wants it, whose files name a split pattern instead of writing it down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from everysum.errors import UsageError
from everysum.tokenizers.byte_characters import BYTES, to_characters
from everysum.tokenizers.byte_pair import BytePairTokenizer
from everysum.tokenizers.library import LibraryTokenizer
from everysum.tokenizers.patterns import GPT2, LLAMA3
from everysum.tokenizers.tokenizer import END_OF_TEXT, Tokenizer
from everysum.tokenizers.tokenizer_json import cuts_alike, pre_tokenizer
from everysum.tokenizers.vocabulary_files import qwen_pre_tokenizer

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""What a token is to llama.cpp."""
ITS_NAMES = {"gpt2": "gpt-2", "llama3": "llama-bpe"}
"""Our split patterns, and what it calls them."""


@dataclass(frozen=True)
class GgmlVocabulary:
    """Tokens and merges in the characters that stand for bytes, and what the split pattern is called."""

    tokens: list[str]
    kinds: list[int]
    merges: list[str]
    pattern: str
    beginning: tuple[int, ...]
    """What is put in front of every text."""
    end_of_text: int


def ggml_vocabulary(tokenizer: Tokenizer, size: int) -> GgmlVocabulary:
    """The vocabulary, with as many tokens as the network knows; UsageError where it has no such form."""
    if isinstance(tokenizer, BytePairTokenizer):
        tokens = [to_characters(token) for token in [*BYTES, *tokenizer.learned]]
        pairs = [[to_characters(tokenizer.token_bytes(part)) for part in merge.pair] for merge in tokenizer.merges]
        named, kinds = {**dict(enumerate(tokens)), len(tokens): END_OF_TEXT}, {len(tokens): CONTROL}
        pattern = ITS_NAMES[tokenizer.pattern.name]
    elif isinstance(tokenizer, LibraryTokenizer):
        named, kinds = tokenizer.named_tokens(), dict.fromkeys(tokenizer.added_ids(), USER_DEFINED)
        kinds |= dict.fromkeys(tokenizer.special_ids, CONTROL)
        pairs, pattern = tokenizer.merge_pairs(), _pattern_of(tokenizer.document)
    else:
        raise _no_form(f"a tokenizer of kind {tokenizer.kind} from {type(tokenizer).__name__}")
    return GgmlVocabulary(
        [named.get(at, f"[PAD{at}]") for at in range(size)],
        [kinds.get(at, NORMAL) if at in named else UNUSED for at in range(size)],
        [" ".join(pair) for pair in pairs],
        pattern,
        tokenizer.before,
        tokenizer.end_of_text,
    )


def _pattern_of(document: dict[str, Any]) -> str:
    """What llama.cpp calls the split pattern of a published tokenizer."""
    model, normalizer = document["model"], document.get("normalizer")
    known = {
        "gpt-2": (pre_tokenizer(GPT2), None, False),
        "llama-bpe": (pre_tokenizer(LLAMA3), None, True),
        "qwen2": (qwen_pre_tokenizer(), {"type": "NFC"}, False),
    }
    if model.get("type") == "BPE" and not model.get("byte_fallback"):
        for name, (cutting, normalizing, whole_first) in known.items():
            alike = cuts_alike(document.get("pre_tokenizer") or {"type": "none"}, cutting)
            looks_first = model.get("ignore_merges", False)  # up a whole word before it merges: "llama-bpe" always does
            if alike and normalizer in (None, normalizing) and (whole_first or not looks_first):
                return name
    raise _no_form("a published tokenizer with another model or split pattern")


def _no_form(came: str) -> UsageError:
    return UsageError(
        "this tokenizer has no form in GGUF that llama.cpp reads as we do",
        wanted="byte-level byte-pair encoding with the split pattern of GPT-2, Llama 3 or Qwen",
        came=came,
        advice='train with the recipe value tokenizer.kind = "byte_pair", or export a folder',
    )
