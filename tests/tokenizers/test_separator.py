"""A separator between two languages, and an end behind each text for other programs: saved, read, understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from everysum.tokenizers import END_OF_TEXT, KINDS, SEPARATOR, load_tokenizer, train_tokenizer
from everysum.tokenizers.vocabulary import Vocabulary

TEXT = "Wo wohnst du? Where do you live? " * 20
each_kind = pytest.mark.parametrize("kind", KINDS)


def separated(kind: str) -> Vocabulary:
    tokenizer = train_tokenizer(kind, TEXT, 290)
    tokenizer.add_separator()
    return tokenizer


@each_kind
def test_the_separator_takes_the_place_before_the_end_of_text(kind: str) -> None:
    plain, tokenizer = train_tokenizer(kind, TEXT, 290), separated(kind)
    assert plain.special_tokens == {END_OF_TEXT: plain.end_of_text}
    assert tokenizer.special_tokens == {SEPARATOR: plain.end_of_text, END_OF_TEXT: plain.end_of_text + 1}
    assert tokenizer.vocabulary_size == plain.vocabulary_size + 1
    assert tokenizer.end_of_text == tokenizer.vocabulary_size - 1
    assert tokenizer.learned == plain.learned
    tokenizer.add_separator()
    assert tokenizer.vocabulary_size == plain.vocabulary_size + 1


@each_kind
def test_no_text_becomes_a_separator_and_a_separator_becomes_no_text(kind: str) -> None:
    tokenizer = separated(kind)
    text = f"Wo{SEPARATOR}Where{END_OF_TEXT}ᚠ"
    assert not {*tokenizer.special_tokens.values()} & {*tokenizer.encode(text)}
    assert tokenizer.decode([tokenizer.special_tokens[SEPARATOR], *tokenizer.encode(text)]) == text
    assert tokenizer.token_bytes(tokenizer.special_tokens[SEPARATOR]) == b""


@each_kind
@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("separator", [False, True])
def test_what_is_saved_is_read_again(kind: str, ends: bool, separator: bool, tmp_path: Path) -> None:
    tokenizer = separated(kind) if separator else train_tokenizer(kind, TEXT, 290)
    tokenizer.ends_texts = ends
    tokenizer.save(tmp_path / "first")
    again = load_tokenizer(tmp_path / "first")
    assert again.special_tokens == tokenizer.special_tokens
    assert again.encode(TEXT) == tokenizer.encode(TEXT)
    again.save(tmp_path / "second")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_the_tokenizers_library_sees_the_separator_and_puts_the_end_behind_texts(tmp_path: Path) -> None:
    library = pytest.importorskip("tokenizers")
    tokenizer = separated("byte_pair")
    tokenizer.ends_texts = True
    tokenizer.save(tmp_path)
    theirs = library.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    separator, end = tokenizer.special_tokens[SEPARATOR], tokenizer.end_of_text
    assert theirs.encode("Wo wohnst du?").ids == [*tokenizer.encode("Wo wohnst du?"), end]
    assert theirs.encode(f"Wo{SEPARATOR}Where").ids == [
        *tokenizer.encode("Wo"),
        separator,
        *tokenizer.encode("Where"),
        end,
    ]
