"""Sentences in, sentences out: batches that change nothing, empty lines, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from small_translators import TEXTS, translator, vocabulary

from everysum.errors import InputError, ModelFolderError
from everysum.generation.beam_search import Search
from everysum.generation.translation import ROOM, Translator, batched, translate_texts
from everysum.layers.dropout import Dropout
from everysum.models.gpt import GPT
from everysum.parallel import Team

KINDS = pytest.mark.parametrize("kind", ["transformer", "separator"])


def translated(kind: str, texts: Sequence[str], workers: int = 1, count: int = 1) -> list[list[str]]:
    network, tokenizer = translator(kind)
    found = translate_texts(
        Translator.of(network, tokenizer), tokenizer, texts, search=Search(3), count=count, team=Team(workers)
    )
    return [[text.text for text in row] for row in found]


@KINDS
def test_a_sentence_is_translated_as_it_would_be_alone(kind: str) -> None:
    alone = [translated(kind, [text])[0] for text in TEXTS]
    assert translated(kind, TEXTS) == alone
    assert translated(kind, TEXTS, workers=2) == alone
    assert len({text for (text,) in alone}) > 3


@KINDS
def test_an_empty_line_stays_empty_and_space_around_a_sentence_does_not_count(kind: str) -> None:
    found = translated(kind, ["", "\t  ", "ja", "  ja \n"], count=3)
    assert found[:2] == [[""], [""]]
    assert found[2] == found[3]
    assert len(found[2]) == 3


@KINDS
def test_scripts_that_were_never_seen_are_translated_as_bytes(kind: str) -> None:
    strange = ["日本語のテキスト", "עברית", "\u202e\x00\x07", "e\u0301\u0301\u0301", "𒀀𒀁", "�"]
    assert len(translated(kind, strange)) == len(strange)


@KINDS
def test_a_sentence_longer_than_the_context_is_refused_with_its_name(kind: str) -> None:
    network, tokenizer = translator(kind, context_length=8)
    ask = Translator.of(network, tokenizer)
    long = "die katze die katze die katze"
    with pytest.raises(InputError, match="text 2 of 2 is longer than the translator's context") as refusal:
        translate_texts(ask, tokenizer, ["ja", long], search=Search(2), team=Team(1))
    assert refusal.value.wanted == "at most 8 tokens, the one behind it included"
    assert refusal.value.came == f"{len(tokenizer.encode(long)) + 1} tokens"
    with pytest.raises(InputError, match=r"line 7 of book\.de is longer"):
        translate_texts(ask, tokenizer, [long], search=Search(2), team=Team(1), names=["line 7 of book.de"])


def test_a_translation_ends_where_the_context_does() -> None:
    network, tokenizer = translator("separator", context_length=8)
    ask = Translator.of(network, tokenizer)
    assert ask.longest([1] * 8) == 1
    assert ask.longest([1] * 3) == 6
    for row in translate_texts(ask, tokenizer, ["ja", "das"], search=Search(2), count=2, team=Team(1)):
        assert all(len(text.token_ids) <= 8 for text in row)
    assert Translator.of(*translator("transformer", context_length=8)).longest([1] * 8) == 8
    assert Translator.of(*translator("transformer", context_length=96)).longest([1] * 3) == 6 + ROOM


def test_a_language_model_is_no_translator() -> None:
    tokenizer = vocabulary()
    sizes = {"vocabulary_size": tokenizer.vocabulary_size, "context_length": 16, "width": 16, "layers": 1, "heads": 2}
    with pytest.raises(ModelFolderError, match="this model goes on with a text, it does not translate") as refusal:
        Translator.of(GPT(**sizes), tokenizer)
    assert refusal.value.came == "a GPT without a separator in its vocabulary"


def test_a_network_in_training_translates_without_dropout_whatever_the_workers() -> None:
    network, tokenizer = translator("transformer")
    ask, search = Translator.of(network, tokenizer), Search(2)
    before = translate_texts(ask, tokenizer, TEXTS, search=search, team=Team(2))
    for module in network.modules():
        if isinstance(module, Dropout):
            module.probability = 0.5
    network.train()
    again = translate_texts(ask, tokenizer, TEXTS, search=search, team=Team(2))
    assert [[text.token_ids for text in row] for row in again] == [[text.token_ids for text in row] for row in before]
    assert network.training


def test_progress_counts_every_sentence_once() -> None:
    network, tokenizer = translator("transformer")
    told: list[int] = []
    ask = Translator.of(network, tokenizer)
    translate_texts(ask, tokenizer, TEXTS, search=Search(150), team=Team(1), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == len(TEXTS)
    assert len(told) > 1


def test_batches_hold_every_sentence_once_with_the_longest_first() -> None:
    lengths = torch.randint(1, 60, (500,), generator=torch.Generator().manual_seed(1)).tolist()
    for workers in (1, 2):
        batches = batched(lengths, 5, 1, workers)
        assert sorted(row for batch in batches for row in batch) == list(range(500))
        ordered = [lengths[row] for batch in batches for row in batch]
        assert ordered == sorted(lengths, reverse=True)
        assert all(len(batch) <= 64 for batch in batches)
    assert [len(batch) for batch in batched([3] * 10, 5, 1, 2)] == [5, 5]
    assert [len(batch) for batch in batched([4000, 3000, 2000], 1, 1, 1)] == [1, 1, 1]
    assert batched([], 5, 1, 2) == []
