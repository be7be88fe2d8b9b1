"""`everysum tokenize`: ids, bytes and pieces, and the merges behind them."""

from __future__ import annotations

import json

import pytest

from everysum.tokenizers import load_tokenizer, train_tokenizer

TEXT = "Tom sat — naïve 🙂\n"


@pytest.fixture
def small(tmp_path):
    train_tokenizer("byte_pair", "aaab aaab aaab aab", 259).save(tmp_path)
    return tmp_path


def test_ids_bytes_and_pieces_are_the_tokenizers(everysum, tiny_run) -> None:
    tokenizer = load_tokenizer(tiny_run)
    outcome = everysum("tokenize", tiny_run, TEXT, "--json")
    told = json.loads(outcome.out)
    assert [token["id"] for token in told["tokens"]] == tokenizer.encode(TEXT)
    assert bytes.fromhex("".join(token["bytes"] for token in told["tokens"])).decode() == TEXT
    assert (told["kind"], told["vocabulary_size"]) == ("byte_pair", tokenizer.vocabulary_size)


def test_each_token_stands_on_a_line_and_the_sum_is_talk(everysum, small) -> None:
    outcome = everysum("tokenize", small, "aab!\n")
    assert outcome.out.splitlines() == [
        "256  61 61  'aa'",
        " 65  62     'b'",
        "  0  21     '!'",
        "198  0a     '\\n'",
    ]
    assert outcome.err == "4 tokens for 5 characters, 5 bytes; byte_pair\n"


def test_part_of_a_character_is_shown_as_its_bytes(everysum, small) -> None:
    assert [line.split()[-1] for line in everysum("tokenize", small, "é").out.splitlines()] == [r"'\xc3'", r"'\xa9'"]


def test_merges_tell_how_a_piece_was_put_together(everysum, small) -> None:
    outcome = everysum("tokenize", small, "aaab", "--merges")
    assert outcome.out.splitlines() == [
        "256  61 61  'aa'",
        "       'a' + 'a' → 'aa'  (merge 1)",
        "257  61 62  'ab'",
        "       'a' + 'b' → 'ab'  (merge 2)",
    ]
    merges = json.loads(everysum("tokenize", small, "aa", "--merges", "--json").out)["tokens"][0]["merges"]
    letter = {"id": 64, "piece": "a", "bytes": "61"}
    assert merges == [{"number": 1, "pair": [letter, letter], "made": {"id": 256, "piece": "aa", "bytes": "61 61"}}]


def test_only_byte_pairs_have_merges(everysum, tmp_path) -> None:
    train_tokenizer("characters", "añb").save(tmp_path)
    outcome = everysum("tokenize", tmp_path, "a", "--merges")
    assert outcome.code == 2
    assert (
        outcome.err == "a tokenizer of kind characters has no merges\n  wanted: byte_pair\n  do: leave --merges out\n"
    )


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_without_a_text_standard_input_is_cut(arguments, everysum, small) -> None:
    piped = everysum("tokenize", small / "tokenizer.json", *arguments, given=b"aab\n")
    assert piped.out == everysum("tokenize", small, "aab\n").out


def test_standard_input_that_is_not_utf8_is_refused_with_the_offset(everysum, small) -> None:
    outcome = everysum("tokenize", small, given=b"caf\xe9")
    assert outcome.code == 3
    assert outcome.err == "standard input is not text in UTF-8\n  came: the byte 0xe9 at offset 3\n"


# --- published tokenizers ---------------------------------------------------------------------------------------------


def test_llama2s_model_shows_the_merges_of_its_pieces(everysum, test_data) -> None:
    path = test_data / "tokenizers" / "llama2" / "tokenizer.model"
    outcome = everysum("tokenize", path, "Hello </s>", "--merges")
    assert outcome.out.splitlines()[:6] == [
        "15043  20 48 65 6c 6c 6f  ' Hello'",
        "         'e' + 'l' → 'el'  (merge 37)",  # its pieces begin at 259, so this one is token 295
        "         ' ' + 'H' → ' H'  (merge 121)",
        "         'l' + 'o' → 'lo'  (merge 159)",
        "         'el' + 'lo' → 'ello'  (merge 2,898)",
        "         ' H' + 'ello' → ' Hello'  (merge 14,785)",
    ]
    assert "' </'" in outcome.out
    assert outcome.err == "4 tokens for 10 characters, 10 bytes; byte_pair\n"


def test_special_tokens_are_read_only_where_that_is_asked_for(everysum, test_data) -> None:
    path = test_data / "tokenizers" / "llama3" / "tokenizer.model"
    asked = everysum("tokenize", path, "<|begin_of_text|>Hi", "--special")
    assert asked.out.splitlines() == ["128000         <|begin_of_text|>", " 13347  48 69  'Hi'"]
    told = json.loads(everysum("tokenize", path, "<|begin_of_text|>Hi", "--special", "--json").out)["tokens"]
    assert told[0] == {"id": 128000, "piece": "", "bytes": "", "special": "<|begin_of_text|>"}
    plain = json.loads(everysum("tokenize", path, "<|begin_of_text|>Hi", "--json").out)["tokens"]
    assert all("special" not in token for token in plain)


def test_every_published_form_is_cut(everysum, test_data) -> None:
    tokenizers = test_data / "tokenizers"
    for path in (
        tokenizers / "gpt2",
        tokenizers / "gpt2" / "vocab.bpe",
        tokenizers / "tiktoken" / "cl100k_base.tiktoken",
        tokenizers / "sentencepiece" / "test_model.model",
        tokenizers / "hf_json" / "tiny_bpe_tokenizer.json",
        test_data / "checkpoints" / "hf_tiny_gpt2",
    ):
        outcome = everysum("tokenize", path, "lower newest", "--json")
        assert outcome.code == 0, outcome.err
        tokens = json.loads(outcome.out)["tokens"]
        assert "".join(token["piece"] for token in tokens).strip() == "lower newest"
    outcome = everysum("tokenize", tokenizers / "sentencepiece" / "test_model.model", "a", "--merges")
    assert "a tokenizer of kind unigram has no merges" in outcome.err
