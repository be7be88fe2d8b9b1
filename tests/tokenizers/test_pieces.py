"""Characters and words: whole pieces as tokens, bytes for everything else."""

from __future__ import annotations

import pytest

from everysum.errors import UsageError
from everysum.tokenizers.byte_characters import BYTE_IDS
from everysum.tokenizers.characters import CharacterTokenizer, train_characters
from everysum.tokenizers.words import train_words


def spelled(text: str) -> list[int]:
    return [BYTE_IDS[byte] for byte in text.encode()]


def test_each_character_seen_is_one_token_the_most_frequent_first() -> None:
    tokenizer = train_characters("schön, schöner: das Größte ist die Größe")
    assert tokenizer.learned == ["ö".encode(), "ß".encode()]
    assert tokenizer.vocabulary_size == 256 + 2 + 1
    assert tokenizer.end_of_text == 258
    assert tokenizer.encode("öß") == [256, 257]
    assert len(tokenizer.encode("schöner")) == len("schöner")


def test_a_character_never_seen_is_spelled_in_its_bytes() -> None:
    assert train_characters("schön").encode("日") == spelled("日")


def test_only_the_most_frequent_characters_fit_a_small_vocabulary() -> None:
    tokenizer = train_characters(["日日日", "本本", "語語"], vocabulary_size=259)
    assert tokenizer.learned == ["日".encode(), "本".encode()]  # 本 and 語 are as frequent, and 本 is the lower number
    assert tokenizer.encode("日本語") == [256, 257, *spelled("語")]


def test_the_most_frequent_words_are_tokens_with_the_space_before_them() -> None:
    tokenizer = train_words("the cat saw the dog, the cat ran", vocabulary_size=260)
    assert tokenizer.learned == [b" cat", b" the", b" dog"]
    assert tokenizer.encode(" the cat") == [257, 256]


def test_a_word_never_seen_is_spelled_in_its_bytes_even_where_a_part_of_it_is_a_word() -> None:
    tokenizer = train_words("the cat saw the cat", vocabulary_size=1000)
    assert tokenizer.encode(" cats") == spelled(" cats")
    assert tokenizer.vocabulary_size == 256 + len({"the", " cat", " saw", " the"}) + 1


def test_words_follow_the_split_pattern() -> None:
    assert b"123456" in train_words("123456", 1000, pattern="gpt2").learned
    assert train_words("123456", 1000, pattern="llama3").learned == [b"123", b"456"]


def test_a_long_text_has_the_words_of_its_parts() -> None:
    tokenizer = train_words("humpty dumpty sat on a wall", vocabulary_size=300)
    text = "humpty dumpty  sat\non a wall " * 10_000
    assert tokenizer.encode(text) == [
        token_id for piece in tokenizer.pattern.pieces(text) for token_id in tokenizer.encode_pieces([piece])
    ]


@pytest.mark.parametrize("train", [train_characters, train_words])
def test_a_vocabulary_without_room_for_the_bytes_is_refused(train: object) -> None:
    assert callable(train)
    with pytest.raises(UsageError, match="at least 257"):
        train("text", 100)


def test_characters_may_be_named_directly() -> None:
    assert CharacterTokenizer("äöü").encode("ü") == [258]
