"""Byte-pair encoding: a worked example, and the plain algorithm equal to two libraries, merge for merge, id for id."""

from __future__ import annotations

import json
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, assume, given, settings
from tokenizers import Tokenizer as LibraryTokenizer
from tokenizers import models, pre_tokenizers, trainers

from everysum.errors import UsageError
from everysum.tokenizers import fast
from everysum.tokenizers.byte_pair import (
    BytePairTokenizer,
    Merge,
    encode_piece,
    learn_merges,
    merge_pair,
    train_byte_pair,
)
from everysum.tokenizers.patterns import GPT2, split_pattern
from everysum.tokenizers.sample import count_pieces

ASSIGNED = st.characters(exclude_categories=("Cs", "Cn"))  # libraries differ about what the newest Unicode assigns
REPETITIVE = st.text(st.sampled_from("aabbc  '\ns1é日"), max_size=60)
TEXTS = st.text(ASSIGNED, max_size=40) | REPETITIVE | st.lists(st.text(ASSIGNED, max_size=9) | REPETITIVE).map("".join)

H, T, S, SPACE = (ord("h") - 33, ord("t") - 33, ord("s") - 33, 220)  # GPT-2's order begins with "!", which is byte 33
E, N = (ord("e") - 33, ord("n") - 33)


def plain_merges(text: str, number: int, pattern: str = "gpt2") -> list[Merge]:
    return learn_merges(count_pieces([text], split_pattern(pattern)), number)


def plain_encode(tokenizer: BytePairTokenizer, text: str) -> list[int]:
    merges = {merge.pair: merge.token_id for merge in tokenizer.merges}
    return [token_id for piece in tokenizer.pattern.pieces(text) for token_id in encode_piece(piece, merges)]


def pairs(merges: list[Merge] | tuple[Merge, ...]) -> list[tuple[int, int]]:
    return [merge.pair for merge in merges]


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_merges_are_learned_as_on_paper() -> None:
    """ "ten men then ten hens" is cut into ten · men · then · ten · hens, each but the first with its space.

    1. e n stands there five times, no other pair more than twice:        e n → en
    2. t en, (space) t and h en stand there twice; h has the lowest id:   h en → hen
    3. t en still stands there twice, and t comes before the space:       t en → ten
    4. no pair stands there twice any more.
    """
    assert plain_merges("ten men then ten hens", number=99) == [
        Merge(pair=(E, N), token_id=256, piece=b"en", count=5),
        Merge(pair=(H, 256), token_id=257, piece=b"hen", count=2),
        Merge(pair=(T, 256), token_id=258, piece=b"ten", count=2),
    ]


def test_a_text_is_encoded_as_on_paper() -> None:
    tokenizer = train_byte_pair("ten men then ten hens", vocabulary_size=260)
    assert tokenizer.encode("ten hens") == plain_encode(tokenizer, "ten hens") == [258, SPACE, 257, S]
    assert tokenizer.encode("then") == plain_encode(tokenizer, "then") == [T, 257]
    assert [tokenizer.token_bytes(token_id) for token_id in (258, SPACE, 257, S)] == [b"ten", b" ", b"hen", b"s"]


def test_the_textbook_example_comes_out() -> None:
    """aaabdaaabac → ZabdZabac, Z=aa → ZYdZYac, Y=ab → XdXac, X=ZY (Gage 1994)."""
    tokenizer = train_byte_pair("aaabdaaabac", vocabulary_size=260)
    assert [merge.piece for merge in tokenizer.merges] == [b"aa", b"ab", b"aaab"]
    assert [tokenizer.token_bytes(token_id) for token_id in tokenizer.encode("aaabdaaabac")] == [
        b"aaab",
        b"d",
        b"aaab",
        b"a",
        b"c",
    ]


def test_equal_neighbours_are_merged_from_the_left() -> None:
    assert merge_pair([5, 5, 5, 7, 5], (5, 5), 9) == [9, 5, 7, 5]


def test_no_merge_crosses_a_cut() -> None:
    tokenizer = train_byte_pair("a b " * 100, vocabulary_size=1000)
    assert {merge.piece for merge in tokenizer.merges} == {b" a", b" b"}


def test_of_equally_frequent_pairs_the_lowest_ids_go_first() -> None:
    """ba · ba · ab · ab: a b, b a and (space) a stand there twice, with the ids 64 65, 65 64 and 220 64."""
    assert [merge.piece for merge in plain_merges("ba ba ab ab", 99)] == [b"ab", b"ba", b" ab"]


# --- equal to the libraries -------------------------------------------------------------------------------------------


def library_merges(text: str, number: int) -> list[tuple[str, str]]:
    """The tokenizers library as its own documentation uses it, on the whole text at once."""
    library = LibraryTokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    trainer = trainers.BpeTrainer(
        vocab_size=256 + number,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    library.train_from_iterator([text], trainer)
    return [(left, right) for left, right in json.loads(library.to_str())["model"]["merges"]]


@pytest.fixture(scope="module", params=["gpt2", "llama3"])
def tokenizer(request: pytest.FixtureRequest, many_scripts: str, shakespeare: str) -> BytePairTokenizer:
    return train_byte_pair([shakespeare[:100_000], many_scripts], 1500, request.param)


@pytest.fixture(scope="module")
def library(tokenizer: BytePairTokenizer, tmp_path_factory: pytest.TempPathFactory) -> LibraryTokenizer:
    folder = tmp_path_factory.mktemp("saved")
    tokenizer.save(folder)
    return LibraryTokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.mark.parametrize("pattern", ["gpt2", "llama3"])
def test_plain_training_finds_the_librarys_merges_on_real_text(
    pattern: str, many_scripts: str, shakespeare: str
) -> None:
    for text in (shakespeare[:60_000], many_scripts):
        assert pairs(plain_merges(text, 200, pattern)) == pairs(train_byte_pair(text, 457, pattern).merges)


@given(st.lists(TEXTS, min_size=1, max_size=30).map(" ".join))
@settings(max_examples=150, deadline=None)
def test_plain_training_finds_the_librarys_merges_on_any_text(text: str) -> None:
    for pattern in ("gpt2", "llama3"):
        assert pairs(plain_merges(text, 60, pattern)) == pairs(train_byte_pair(text, 317, pattern).merges)


@given(st.text(st.sampled_from("ab"), max_size=200))
@settings(max_examples=100, deadline=None)
def test_plain_training_finds_the_librarys_merges_where_pairs_overlap(text: str) -> None:
    assert pairs(plain_merges(text, 60)) == pairs(train_byte_pair(text, 317).merges)


def test_training_block_by_block_is_training_on_the_whole_text(shakespeare: str) -> None:
    ours = train_byte_pair(shakespeare[:200_000], 1000)
    assert [merge.piece for merge in ours.merges] == [
        (left + right).replace("Ġ", " ").replace("Ċ", "\n").encode()
        for left, right in library_merges(shakespeare[:200_000], 1000 - 257)
    ]


def test_plain_tiktoken_and_tokenizers_encode_real_text_alike(
    tokenizer: BytePairTokenizer, library: LibraryTokenizer, many_scripts: str, shakespeare: str
) -> None:
    for text in (shakespeare[-30_000:], many_scripts):
        ids = tokenizer.encode(text)
        assert ids == plain_encode(tokenizer, text)
        assert ids == library.encode(text).ids
        assert tokenizer.decode(ids) == library.decode(ids) == text


def test_plain_tiktoken_and_tokenizers_encode_naughty_strings_alike(
    tokenizer: BytePairTokenizer, library: LibraryTokenizer, naughty_strings: list[str]
) -> None:
    for text in naughty_strings:
        assert tokenizer.encode(text) == plain_encode(tokenizer, text) == library.encode(text).ids
        assert tokenizer.decode(tokenizer.encode(text)) == text


@given(text=TEXTS)
@settings(max_examples=150, deadline=None)
def test_plain_tiktoken_and_tokenizers_encode_any_text_alike(
    text: str, tokenizer: BytePairTokenizer, library: LibraryTokenizer
) -> None:
    assume("<|endoftext|>" not in text)  # which the library takes for the end of text, and we never do
    assert tokenizer.encode(text) == plain_encode(tokenizer, text) == library.encode(text).ids


def test_apostrophes_are_cut_alike_whatever_letter_follows(
    tokenizer: BytePairTokenizer, library: LibraryTokenizer
) -> None:
    """Llama 3's pattern ignores case, and beyond ASCII the long s and the Kelvin sign are an s and a k."""
    for ending in ("s", "S", "ſ", "T", "ll", "LL", "Ve", "d", "K", "ſt", "ß", "İ"):
        text = f"she'{ending}x 'x'{ending}"
        assert tokenizer.encode(text) == plain_encode(tokenizer, text) == library.encode(text).ids


# --- long pieces ------------------------------------------------------------------------------------------------------


@pytest.fixture
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is long is long from 17 characters on, so that the plain algorithm can be asked as well."""
    monkeypatch.setattr(fast, "BLOCK_LENGTH", 8)
    monkeypatch.setattr(fast, "OVERLAP", 1)


LONG_PIECE = st.builds(
    lambda parts, times: "".join(parts) * times,
    st.lists(st.sampled_from(["a", "b", "aa", "aab", "abab", "日", "é日", "aaaaaaaaaaaaa"]), min_size=1, max_size=40),
    st.integers(1, 6),
)


@given(training=LONG_PIECE, text=LONG_PIECE)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_long_piece_encoded_in_parts_is_the_piece_encoded_whole(training: str, text: str, short_blocks: None) -> None:
    tokenizer = train_byte_pair(training, 320)
    assert tokenizer.encode(text) == plain_encode(tokenizer, text)
    assert tokenizer.encode(training + " " * 40 + text) == plain_encode(tokenizer, training + " " * 40 + text)


@given(text=TEXTS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_text_encoded_in_blocks_is_the_text_encoded_whole(
    text: str, tokenizer: BytePairTokenizer, short_blocks: None
) -> None:
    assert tokenizer.encode(text * 3) == plain_encode(tokenizer, text * 3)


@pytest.mark.parametrize("text", [" " * 1_100_000 + "x", "\n" * 1_100_000, "a" * 1_100_000, "日" * 400_000])
def test_a_million_equal_characters_are_encoded_and_come_back(text: str) -> None:
    tokenizer = train_byte_pair(["aaaaaaaaa\n\n\n\n   x" * 5, "日日日日" * 9], 300)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_long_run_is_encoded_as_the_library_encodes_it(tmp_path: Path) -> None:
    tokenizer = train_byte_pair("aaaaaaaaaaaaaaaaaaaaaa" * 5 + " abab" * 9, 300)
    tokenizer.save(tmp_path)
    library = LibraryTokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in ("a" * 300_001, "ab" * 150_000 + "aab"):
        assert tokenizer.encode(text) == library.encode(text).ids


@pytest.mark.slow
@pytest.mark.parametrize("character", "a ")
def test_a_hundred_megabytes_of_one_character_are_encoded_in_minutes_and_come_back(character: str) -> None:
    tokenizer = train_byte_pair("aaaaaaaaaaaaaaaaaaaaaa" * 5 + " " * 99, 300)
    assert tokenizer.decode(tokenizer.encode(character * 10**8)) == character * 10**8


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_a_small_text_gives_the_vocabulary_it_has_and_no_made_up_tokens() -> None:
    tokenizer = train_byte_pair("ten men then ten hens", vocabulary_size=50_000)
    assert tokenizer.vocabulary_size == 256 + 3 + 1
    assert tokenizer.end_of_text == 259
    assert train_byte_pair("", 5000).vocabulary_size == 257


def test_a_vocabulary_has_the_size_asked_for(shakespeare: str) -> None:
    tokenizer = train_byte_pair(shakespeare[:50_000], 500)
    assert tokenizer.vocabulary_size == 500
    assert max(tokenizer.encode(shakespeare[:50_000])) == 498 == tokenizer.end_of_text - 1


def test_a_vocabulary_without_room_for_the_bytes_is_refused() -> None:
    with pytest.raises(UsageError, match=r"a vocabulary of 256 tokens is too small\n  wanted: at least 257"):
        train_byte_pair("some text", 256)


def test_the_pattern_cuts_gpt2s_way() -> None:
    text = "I'll be  there at 10:45,\n\nO'Brien's"
    assert list(GPT2.pieces(text)) == [
        "I", "'ll", " be", " ", " there", " at", " 10", ":", "45", ",", "\n", "\n", "O", "'", "Brien", "'s",
    ]  # fmt: skip
