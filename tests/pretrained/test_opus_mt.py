"""Translators in Helsinki-NLP's layout: text in, text out, as transformers translates with the same folder."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from opus_mt import opus_mt_translator, with_exact_positions
from safetensors.torch import load_file
from small_networks import assert_same

from everysum.errors import UsageError
from everysum.generation.alignment import align
from everysum.generation.beam_search import Search
from everysum.model import Model, load
from everysum.models.transformer import Transformer
from everysum.training.base import with_base

SENTENCES = [
    "A man sleeps.",
    ">>deu<< Two dogs run on the beach.",
    "it's naïve",
    "A",
    "The girl in the red dress is singing",
]
LONGEST = 20


@pytest.fixture(scope="module")
def folder(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return opus_mt_translator(test_data / "parallel" / "multi30k", tmp_path_factory.mktemp("opus-mt"))


@pytest.fixture(scope="module")
def theirs(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForSeq2SeqLM, MarianTokenizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it recommends a library that it does not use for this
        tokenizer = MarianTokenizer.from_pretrained(folder)
    return with_exact_positions(AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float64)), tokenizer


@pytest.fixture(scope="module")
def ours(folder: Path) -> Model:
    return load(folder, device="cpu")


def test_the_layout_is_helsinkis(folder: Path, ours: Model) -> None:
    names = {path.name for path in folder.iterdir()}
    assert {"source.spm", "target.spm", "vocab.json", "config.json", "model.safetensors"} <= names
    assert isinstance(ours.network, Transformer)
    assert ours.is_translator
    assert "final_logits_bias" in load_file(folder / "model.safetensors")


def test_logits_are_those_of_transformers(ours: Model, theirs: tuple[Any, Any]) -> None:
    model, _ = theirs
    generator = torch.Generator().manual_seed(1)
    source, target = (torch.randint(model.config.vocab_size, (3, 9), generator=generator) for _ in range(2))
    network = ours.network
    assert isinstance(network, Transformer)
    with torch.no_grad():
        expected = model(input_ids=source, decoder_input_ids=target).logits
        found = network.head(network.decode(target, network.remember(network.encode(source))))
    assert_same(found, expected, 1e-9)


@pytest.mark.parametrize("beams", [1, 4])
def test_translations_are_those_of_transformers_and_padding_is_never_written(
    beams: int, ours: Model, theirs: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What published generation_config.json files say: start behind the padding, and never write it."""
    from everysum.generation.translation import Translator

    model, tokenizer = theirs
    inputs = tokenizer(SENTENCES, return_tensors="pt", padding=True)
    made = model.generate(
        **inputs, num_beams=beams, do_sample=False, max_new_tokens=LONGEST, bad_words_ids=[[tokenizer.pad_token_id]]
    )
    expected = tokenizer.decode(made, skip_special_tokens=True)
    expected = [text.strip() for text in (expected if isinstance(expected, list) else tokenizer.batch_decode(made))]
    monkeypatch.setattr(Translator, "longest", lambda self, source: LONGEST)
    found = ours.translate_batch(SENTENCES, search=Search(beams))
    assert [rows[0].text for rows in found] == expected
    assert len(set(expected)) > 2
    assert ours.tokenizer.padding not in {token for rows in found for token in rows[0].token_ids}


def test_a_folder_saved_again_translates_the_same(ours: Model, tmp_path: Path) -> None:
    ours.save(tmp_path)
    configuration = json.loads((tmp_path / "config.json").read_text())
    padding = ours.tokenizer.padding
    assert (configuration["decoder_start_token_id"], configuration["pad_token_id"]) == (padding, padding)
    assert configuration["eos_token_id"] == 0
    again = load(tmp_path, device="cpu")
    assert [rows[0] for rows in again.translate_batch(SENTENCES)] == [
        rows[0] for rows in ours.translate_batch(SENTENCES)
    ]


def test_a_translator_is_not_gone_on_from(folder: Path) -> None:
    with pytest.raises(UsageError, match="only language models are gone on from, with plain text"):
        with_base({"text": {}}, folder)


def test_what_was_said_is_explained_with_both_sides_cut_by_their_own_model(
    ours: Model, theirs: tuple[Any, Any]
) -> None:
    _, tokenizer = theirs
    record = ours.record(SENTENCES[0], target="ein mann")
    assert record["source_ids"].tensor.tolist() == [tokenizer(SENTENCES[0])["input_ids"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target = tokenizer(text_target="ein mann")["input_ids"]
    assert record["target_ids"].tensor.tolist() == [[tokenizer.pad_token_id, *target[:-1]]]
    assert (record.token_texts["target_ids"][0][0], record.token_texts["source_ids"][0][-1]) == ("<pad>", "</s>")


def test_the_loss_on_pairs_is_that_of_transformers(ours: Model, theirs: tuple[Any, Any], tmp_path: Path) -> None:
    model, tokenizer = theirs
    references = ["ein mann schläft.", "zwei hunde rennen am strand.", "es ist naiv", "ein", "das mädchen singt"]
    files = [tmp_path / name for name in ("test.en", "test.de")]
    for file, lines in zip(files, (SENTENCES, references), strict=True):
        file.write_text("\n".join(lines) + "\n")
    total = count = 0.0
    for source, reference in zip(SENTENCES, references, strict=True):
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inputs = tokenizer(source, text_target=reference, return_tensors="pt")
            total += float(model(**inputs).loss) * inputs["labels"].numel()
        count += inputs["labels"].numel()
    measured = ours.evaluate_pairs(*files, search=Search(1)).loss
    assert measured.tokens == count
    assert measured.loss == pytest.approx(total / count, rel=1e-9)


def test_an_alignment_shows_the_attention_of_transformers(ours: Model, theirs: tuple[Any, Any]) -> None:
    model, tokenizer = theirs
    model.set_attn_implementation("eager")
    text = ours.translate_batch(SENTENCES[:1])[0][0]
    source = torch.tensor([tokenizer(SENTENCES[0])["input_ids"]])
    target = torch.tensor([[tokenizer.pad_token_id, *text.token_ids]])
    with torch.no_grad():
        expected = model(input_ids=source, decoder_input_ids=target, output_attentions=True).cross_attentions
    network = ours.network
    assert isinstance(network, Transformer)
    found = align(network, ours.tokenizer, SENTENCES[0], text.token_ids)
    last = torch.stack(expected).mean((0, 2))[0, -1, -1]
    assert found.weights[-1][-1] == pytest.approx(float(last), rel=1e-9)
