"""Where texts are cut: the published patterns, and blocks that change no cut."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from everysum.errors import InputError, UsageError
from everysum.tokenizers.byte_characters import BYTE_IDS, BYTES, to_bytes, to_characters
from everysum.tokenizers.patterns import GPT2, LLAMA3, SplitPattern, split_pattern, texts_of, utf8

TEXT = "I'll PAY  you'Re $1234567,\n\n\n  soon!\n\nreally 日本語です。\n"


def test_gpt2_cuts_words_with_their_space_and_letters_digits_and_signs_apart() -> None:
    assert [*GPT2.pieces(TEXT)] == [
        "I", "'ll", " PAY", " ", " you", "'", "Re", " $", "1234567", ",", "\n\n\n ", " soon", "!", "\n", "\n",
        "really", " 日本語です", "。", "\n",
    ]  # fmt: skip


def test_llama3_cuts_digits_in_threes_and_keeps_newlines_together() -> None:
    assert [*LLAMA3.pieces(TEXT)] == [
        "I", "'ll", " PAY", " ", " you", "'Re", " $", "123", "456", "7", ",\n\n\n", " ", " soon", "!\n\n",
        "really", " 日本語です", "。\n",
    ]  # fmt: skip


@pytest.mark.parametrize("pattern", [GPT2, LLAMA3], ids=lambda pattern: pattern.name)
@given(text=st.text() | st.text(st.sampled_from("ab1_.,!'  \t\n\r\n\x0b\x1c\x85\u3000日。²\u0301"), max_size=100))
@settings(max_examples=500, deadline=None)
def test_blocks_have_the_pieces_of_the_whole_text(pattern: SplitPattern, text: str) -> None:
    assert "".join(pattern.pieces(text)) == text
    for length in (1, 3):
        blocks = list(pattern.blocks(text, length))
        assert [piece for block in blocks for piece in pattern.pieces(block)] == list(pattern.pieces(text))


def test_blocks_are_short_where_the_text_has_boundaries() -> None:
    assert [len(block) for block in GPT2.blocks("word " * 1000, 100)] == [104] + [105] * 45 + [171]


def test_an_unknown_pattern_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        UsageError, match="no split pattern 'gpt-2'\n  wanted: gpt2 or llama3\n  do: did you mean 'gpt2'"
    ):
        split_pattern("gpt-2")


def test_half_a_character_is_refused_with_its_place() -> None:
    with pytest.raises(InputError, match=r"half a character at position 2\n.*\n  came: the lone surrogate U\+D83D"):
        utf8("ab\ud83d")


def test_one_text_is_one_text_and_not_its_characters() -> None:
    assert list(texts_of("one")) == ["one"]
    assert list(texts_of(iter(["one", "two"]))) == ["one", "two"]


def test_every_byte_has_gpt2s_id_and_its_own_visible_character() -> None:
    assert sorted(BYTES) == [bytes([byte]) for byte in range(256)]
    assert [BYTE_IDS[ord(character)] for character in "!~ \n"] == [0, 93, 220, 198]  # as in GPT-2's encoder.json
    assert to_characters(b" a\n\xff") == "ĠaĊÿ"
    assert [to_bytes(to_characters(byte)) for byte in BYTES] == BYTES
    assert all(to_characters(byte).isprintable() and not to_characters(byte).isspace() for byte in BYTES)
