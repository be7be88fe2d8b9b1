"""What holds for every kind: nothing is lost, whatever the text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from everysum.errors import InputError, UsageError
from everysum.tokenizers import StreamDecoder, Tokenizer, load_tokenizer, train_tokenizer

TRAINING = "Humpty Dumpty sat on a wall. Größe, 日本語! 🥚🥚 " * 3
KINDS = ["characters", "words", "byte_pair"]


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return train_tokenizer(request.param, [TRAINING], 320)


def test_the_protocols_facts_hold(tokenizer: Tokenizer) -> None:
    assert tokenizer.kind in KINDS
    assert tokenizer.end_of_text == tokenizer.vocabulary_size - 1
    assert tokenizer.token_bytes(tokenizer.end_of_text) == b""
    every_token = [tokenizer.token_bytes(token_id) for token_id in range(tokenizer.vocabulary_size)]
    assert len(set(every_token)) == tokenizer.vocabulary_size


@given(text=st.text())
@settings(max_examples=300, deadline=None)
def test_every_text_comes_back(text: str, tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()


def test_naughty_and_foreign_texts_come_back(
    tokenizer: Tokenizer, naughty_strings: list[str], many_scripts: str
) -> None:
    for text in [*naughty_strings, many_scripts]:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_end_of_text_token_written_in_a_text_is_ordinary_text(tokenizer: Tokenizer) -> None:
    text = "before <|endoftext|> after"
    assert tokenizer.end_of_text not in tokenizer.encode(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_end_of_text_decodes_to_nothing(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode([*tokenizer.encode("wall"), tokenizer.end_of_text]) == "wall"


def test_the_empty_text_has_no_tokens(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("") == []
    assert tokenizer.decode([]) == ""


def test_bytes_that_are_not_utf8_become_replacement_characters(tokenizer: Tokenizer) -> None:
    first, second, third = (tokenizer.encode(character)[0] for character in "ÿab")  # ÿ was not seen: two bytes, C3 BF
    assert tokenizer.token_bytes(first) == b"\xc3"
    assert tokenizer.decode([second, first, third]) == "a\N{REPLACEMENT CHARACTER}b"


def test_half_a_character_is_refused_in_encoding_and_in_training(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match="half a character at position 4"):
        tokenizer.encode("half\udc00")
    with pytest.raises(InputError, match="half a character at position 4"):
        train_tokenizer(tokenizer.kind, ["good", "half\udc00"], 300)


@pytest.mark.parametrize("token_id", [-1, 10_000])
def test_a_token_that_does_not_exist_is_refused(tokenizer: Tokenizer, token_id: int) -> None:
    with pytest.raises(InputError, match=f"there is no token {token_id}\n  wanted: a token id from 0 to"):
        tokenizer.decode([token_id])


def test_training_twice_gives_the_same_tokenizer(tokenizer: Tokenizer, tmp_path: Path) -> None:
    again = train_tokenizer(tokenizer.kind, [TRAINING], 320)
    tokenizer.save(tmp_path / "one")
    again.save(tmp_path / "two")
    assert (tmp_path / "one/tokenizer.json").read_bytes() == (tmp_path / "two/tokenizer.json").read_bytes()


# --- text from tokens that come one by one ----------------------------------------------------------------------------


def stream(tokenizer: Tokenizer, token_ids: list[int]) -> list[str]:
    decoder = StreamDecoder(tokenizer)
    return [*(decoder.push(token_id) for token_id in token_ids), decoder.finish()]


def test_a_character_waits_for_its_last_byte() -> None:
    tokenizer = train_tokenizer("byte_pair", "", 257)
    assert stream(tokenizer, tokenizer.encode("aé🥚")) == ["a", "", "é", "", "", "", "🥚", ""]


def test_tokens_that_end_inside_a_character_give_a_replacement_character_at_the_end() -> None:
    tokenizer = train_tokenizer("byte_pair", "", 257)
    assert stream(tokenizer, tokenizer.encode("🥚")[:3]) == ["", "", "", "\N{REPLACEMENT CHARACTER}"]


@given(text=st.text())
@settings(deadline=None)
def test_a_stream_of_a_texts_tokens_never_shows_half_a_character(text: str, tokenizer: Tokenizer) -> None:
    parts = stream(tokenizer, tokenizer.encode(text))
    assert "".join(parts) == text
    shown = ""
    for part in parts:
        shown += part
        assert text.startswith(shown)


@given(token_ids=st.lists(st.integers(0, 299) | st.integers(128, 256)))
@settings(max_examples=200, deadline=None)
def test_a_stream_of_any_tokens_is_the_same_text_as_all_at_once(token_ids: list[int], tokenizer: Tokenizer) -> None:
    token_ids = [token_id for token_id in token_ids if token_id < tokenizer.vocabulary_size]
    assert "".join(stream(tokenizer, token_ids)) == tokenizer.decode(token_ids)


# --- asking for one ---------------------------------------------------------------------------------------------------


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="no tokenizer 'syllables'\n  wanted: characters or words or byte_pair"):
        train_tokenizer("syllables", ["text"], 300)


@pytest.mark.parametrize("kind", ["words", "byte_pair"])
def test_a_size_is_needed_except_for_characters(kind: str) -> None:
    with pytest.raises(UsageError, match=f"a tokenizer of {kind} needs a vocabulary size"):
        train_tokenizer(kind, ["text"])
    assert train_tokenizer("characters", ["é"]).vocabulary_size == 258


def test_importing_the_floor_imports_nothing_beyond_the_standard_library() -> None:
    code = (
        "import everysum.tokenizers, sys; print({'regex', 'tokenizers', 'tiktoken', 'numpy', 'torch'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_saved_tokenizer_loads_as_the_same(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    for place in (tmp_path, tmp_path / "tokenizer.json"):
        loaded = load_tokenizer(place)
        assert type(loaded) is type(tokenizer)
        assert loaded.vocabulary_size == tokenizer.vocabulary_size
        assert loaded.encode(TRAINING + "ÿ") == tokenizer.encode(TRAINING + "ÿ")
