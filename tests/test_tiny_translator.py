"""The translator that ships as a recipe: it translates combinations of known words that it has never seen together."""

from __future__ import annotations

import pytest
import torch
import transformers

import everysum
from everysum.data.sentence_pairs import Pair
from everysum.data.tiny_translator import sentence_pairs
from everysum.generation.alignment import align
from everysum.generation.beam_search import Search
from everysum.model import Model

pytestmark = pytest.mark.slow

RECIPE = {
    "name": "tiny-translator",
    "network": {"kind": "transformer", "width": 128, "heads": 4, "dropout": 0.1},
    "schedule": {"steps": 800, "batch_size": 2048},
    "engine": {"threads": 1, "workers": 1, "device": "cpu"},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Trained for some two minutes."""
    return everysum.train(out=tmp_path_factory.mktemp("tiny") / "run", recipe=RECIPE, device="cpu")


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return sentence_pairs("held_out")


@pytest.mark.timeout(1800)
def test_held_out_combinations_are_translated_right(model: Model, pairs: list[Pair]) -> None:
    found = model.translate_batch([pair.source for pair in pairs])
    right = sum(texts[0].text == pair.target for texts, pair in zip(found, pairs, strict=True))
    assert right >= 0.95 * len(pairs)
    assert model.translate("Wo wohnst du?") == "Where do you live?"
    greedy = model.translate_batch([pair.source for pair in pairs], search=Search(1))
    assert sum(texts[0].text == pair.target for texts, pair in zip(greedy, pairs, strict=True)) >= 0.9 * len(pairs)


@pytest.mark.timeout(1800)
def test_transformers_opens_the_folder_and_finds_the_same_translations(model: Model, pairs: list[Pair]) -> None:
    assert model.folder
    peer = transformers.AutoModelForSeq2SeqLM.from_pretrained(model.folder, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model.folder)
    sentences = [pair.source for pair in pairs[:60]]
    inputs = tokenizer(sentences, padding=True, return_tensors="pt")
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    made = peer.generate(input_ids=ids, attention_mask=mask, num_beams=5, do_sample=False, max_new_tokens=40)
    texts = [text.strip() for text in tokenizer.batch_decode(made, skip_special_tokens=True)]
    assert texts == [found[0].text for found in model.translate_batch(sentences)]


@pytest.mark.timeout(1800)
def test_where_it_looks_follows_the_words_not_their_order(model: Model) -> None:
    """German puts the participle last; what says "bought" looks at it there."""
    source = "Mein Bruder hat gestern den Hut gekauft."
    found = model.translate_batch([source])[0][0]
    assert found.text == "My brother bought the hat yesterday."
    alignment = align(model.network, model.tokenizer, source, found.token_ids)
    looked = {
        (word, at): weight
        for word, row in zip(alignment.target, alignment.weights, strict=True)
        for at, weight in zip(alignment.source, row, strict=True)
    }
    assert looked["brother", "Bruder"] > 0.5
    assert looked["bought", "hat"] + looked["bought", "gekauft"] > 0.5
    assert looked["hat", "Hut"] > 0.5
    assert looked["yesterday", "gestern"] > 0.5
