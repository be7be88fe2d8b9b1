"""Each named recipe trains, and what it leaves is opened by the program that the table names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import Listener, quietly, sentences, tiny, write_text
from tiny_pairs import wishes_of, write_pairs

import everysum as es
from everysum.errors import UsageError
from everysum.model import load
from everysum.recipes import RECIPES, named_or_file
from everysum.training.prepare import Request
from everysum.training.run import train
from everysum.training.wishes import merged

OPENED_AS = {
    "default": "Qwen3ForCausalLM",
    "llama": "LlamaForCausalLM",
    "gpt": "GPT2LMHeadModel",
    "article": "OPTForCausalLM",
    "separator": "Qwen3ForCausalLM",
}
TRANSLATORS_OPENED_AS = {
    "transformer": "PegasusForConditionalGeneration",
    "tiny-translator": "PegasusForConditionalGeneration",
}


def test_the_table_names_every_recipe() -> None:
    assert {*OPENED_AS, *TRANSLATORS_OPENED_AS} == set(RECIPES)


@pytest.fixture(scope="module", params=OPENED_AS)
def named(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A recipe's name, and the folder of a run of two steps with it."""
    folder = tmp_path_factory.mktemp(request.param)
    small = tiny({"schedule": {"steps": 2, "batch_size": 4}})
    del small["tokenizer"]
    values: dict[str, Any] = merged(small, named_or_file(request.param))
    with quietly(folder / "cache"):
        train(Request([write_text(folder)], folder / "run", wishes=values, device="cpu"), Listener())
    return request.param, folder / "run"


def test_transformers_opens_it_as_the_table_says_and_computes_the_same(named: tuple[str, Path]) -> None:
    transformers = pytest.importorskip("transformers")
    name, folder = named
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    assert type(theirs).__name__ == OPENED_AS[name]
    model = load(folder, device="cpu")
    token_ids = torch.randint(model.network.vocabulary_size, (3, 16), generator=torch.Generator().manual_seed(1))
    ours = model.logits(token_ids)
    with torch.no_grad():
        expected = theirs(token_ids).logits
    assert ours.abs().max() > 1e-3
    torch.testing.assert_close(ours, expected, rtol=0, atol=2e-6 * max(1.0, expected.abs().max().item()))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_transformers_cuts_text_into_the_same_tokens(named: tuple[str, Path]) -> None:
    transformers = pytest.importorskip("transformers")
    _, folder = named
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    ours = load(folder, device="cpu").tokenizer
    for text in (sentences(5, seed=4), "naïve — über 😀\n\n  two  spaces\t'll 123", " a", "the"):
        token_ids = theirs(text)["input_ids"]
        assert token_ids == ours.encode(text)
        assert theirs.decode(token_ids, clean_up_tokenization_spaces=False) == text
    assert theirs.eos_token_id == ours.end_of_text


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("wiring", ["pre_norm", "post_norm"])
@pytest.mark.parametrize("name", TRANSLATORS_OPENED_AS)
def test_transformers_opens_a_translator_and_its_tokenizer_asks_as_ours(name: str, wiring: str, tmp_path: Path) -> None:
    """What `AutoTokenizer` makes of several sentences goes straight into `generate`; encoder and decoder are ours."""
    transformers = pytest.importorskip("transformers")
    over = {"schedule": {"steps": 3, "batch_size": 400}, "network": {"wiring": wiring}, "engine": {"dtype": "float32"}}
    wishes = merged(wishes_of("transformer", over), named_or_file(name))
    sources, targets = write_pairs(tmp_path)
    with quietly(tmp_path / "cache"):
        trained = es.train(pairs=(sources, targets), out=tmp_path / "run", recipe=wishes, device="cpu")
    theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "run", dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "run")
    expected_name = "MarianMTModel" if wiring == "post_norm" else TRANSLATORS_OPENED_AS[name]
    assert type(theirs).__name__ == expected_name
    asked = tokenizer(["der Hund saß.", "alle"], padding=True, return_tensors="pt")
    ours, end = trained.tokenizer, trained.tokenizer.end_of_text
    for row, text in enumerate(("der Hund saß.", "alle")):
        assert asked["input_ids"][row][asked["attention_mask"][row].bool()].tolist() == [*ours.encode(text), end]
    found = theirs.generate(**asked, max_new_tokens=6, num_beams=2, do_sample=False)
    assert found[:, 0].tolist() == [end, end]
    network, visible = trained.network, asked["attention_mask"].bool()[:, None, None, :]
    with torch.no_grad():
        expected = theirs(**asked, decoder_input_ids=found).logits
        logits = network.head(network(asked["input_ids"], found, visible))
    torch.testing.assert_close(logits, expected, rtol=0, atol=2e-5)


def test_a_recipe_is_found_by_name_or_by_file(tmp_path: Path) -> None:
    assert named_or_file("default") == {"name": "default"}
    assert named_or_file("article")["network"] == {"kind": "gpt", "wiring": "post_norm", "activation": "relu"}
    path = tmp_path / "mine.json"
    path.write_text('{"seed": 5}')
    assert named_or_file(path) == {"seed": 5}
    assert named_or_file(str(path)) == {"seed": 5}


@pytest.mark.parametrize(("said", "meant"), [("lama", "llama"), ("articel", "article"), ("xyzzy", None)])
def test_an_unknown_recipe_is_refused_with_the_nearest(said: str, meant: str | None) -> None:
    with pytest.raises(UsageError) as refusal:
        named_or_file(said)
    assert str(refusal.value) == (
        f"there is no recipe {said!r}\n"
        f"  wanted: one of {', '.join(RECIPES)}, or a recipe file such as runs/book/recipe.json"
        + (f"\n  do: did you mean {meant!r}?" if meant else "")
    )


def test_names_and_wishes_cannot_be_changed_by_who_takes_them() -> None:
    taken = named_or_file("gpt")
    taken["seed"] = 3
    assert "seed" not in named_or_file("gpt")
