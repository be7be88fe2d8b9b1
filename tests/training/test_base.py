"""Going on from a model: a run's or a published one, of every family; all its weights, its tokenizer kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from their_models import KINDS, their_model
from tiny import Listener, StopAt, quietly, results_of, resume_tiny, sentences, tiny, train_tiny, write_text

from everysum.data.token_files import prepare_tokens
from everysum.errors import EverysumError, InputError, Interrupted, MachineError, UsageError
from everysum.layers.layer import parameter_count
from everysum.model import load
from everysum.tokenizers import load_tokenizer, train_tokenizer
from everysum.training import base
from everysum.training.prepare import Request
from everysum.training.progress import Progress, Result
from everysum.training.run import train
from everysum.training.wishes import merged

ENGINE = tiny()["engine"]
WISHES = {"schedule": {"steps": 6, "batch_size": 4, "evaluate_every": 3, "sample_every": 6}, "engine": ENGINE}


def go_on_from(
    model: Path | str | None,
    text: Path,
    out: Path,
    wishes: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Result:
    request = Request([text], out, wishes=merged(WISHES, wishes or {}), device="cpu", base=model)
    with quietly(out.parent / "cache"):
        return train(request, progress or Listener())


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another text than the base was trained on: the same words, in capitals."""
    return write_text(tmp_path_factory.mktemp("new"), sentences(seed=2).upper())


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the old text."""
    place = tmp_path_factory.mktemp("old")
    over = {"tokenizer": {"kind": "byte_pair", "vocabulary_size": 300}, "schedule": {"steps": 60, "sample_every": 60}}
    train_tiny(write_text(place), place / "run", over)
    return place / "run"


@pytest.fixture(scope="module")
def new(old: Path, text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that went on from the old one, on the new text."""
    out = tmp_path_factory.mktemp("tuned") / "run"
    go_on_from(old, text, out, {"schedule": {"steps": 40, "evaluate_every": 20}, "optimizer": {"clip": 0.9}})
    return out


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def recipe_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "recipe.json").read_text())


# --- what comes of it -------------------------------------------------------------------------------------------------


def test_the_first_look_is_that_of_the_base_and_the_last_is_better(old: Path, new: Path, text: Path) -> None:
    looks = [line for line in log_of(new) if "held_out" in line]
    assert looks[0]["step"] == 0
    assert log_of(new)[0] == looks[0]
    with quietly(new.parent / "cache"):
        files = prepare_tokens([text], None, load_tokenizer(new), folder=new.parent / "cache" / "tokens")
    assert files.reused
    ids = torch.from_numpy(files.held_out.tokens[:17].astype("int64"))[None]
    losses = (
        -load(old, device="cpu", dtype="float32").logits(ids[:, :-1]).log_softmax(-1)[0].gather(1, ids[0, 1:, None])
    )
    assert looks[0]["held_out"]["loss"] == pytest.approx(losses.mean().item(), rel=0.5)
    assert looks[-1]["held_out"]["loss"] < looks[0]["held_out"]["loss"] - 0.5


def test_the_first_step_starts_from_all_of_the_bases_weights(old: Path, text: Path, tmp_path: Path) -> None:
    tiny_rate = {f"{role}_rate": 1e-30 for role in ("matrix", "embedding", "head", "vector")}
    go_on_from(old, text, tmp_path / "run", {"optimizer": tiny_rate})
    before, after = (load_file(folder / "model.safetensors") for folder in (old, tmp_path / "run"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_every_weight_is_trained(old: Path, new: Path) -> None:
    before, after = (load_file(folder / "model.safetensors") for folder in (old, new))
    assert not [name for name in before if torch.equal(before[name], after[name])]


def test_the_tokenizer_is_kept_and_the_text_cut_with_it(old: Path, new: Path, text: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (old / name).read_bytes() == (new / name).read_bytes()
    recipe = recipe_of(new)
    assert recipe["tokenizer"]["kind"] == "kept"
    assert recipe["tokenizer"]["vocabulary_size"] == load_tokenizer(old).vocabulary_size


def test_the_recipe_says_where_it_came_from(old: Path, new: Path) -> None:
    recipe = recipe_of(new)
    assert recipe["base"] == {
        "model": str(old),
        "folder": str(old.resolve()),
        "sha256": base.sha256_of(old / "model.safetensors"),
    }
    configuration = json.loads((old / "config.json").read_text())
    assert recipe["network"]["configuration"] == {key: configuration[key] for key in configuration if key != "dtype"}
    assert recipe["optimizer"]["clip"] == 0.9
    assert recipe["optimizer"]["matrices"] == "adamw"


def test_the_recipe_repeats_the_run(old: Path, new: Path, text: Path, tmp_path: Path) -> None:
    recipe = recipe_of(new)
    request = Request([], tmp_path / "again", wishes=recipe, device="cpu")
    with quietly(new.parent / "cache"):
        train(request, Listener())
    assert results_of(tmp_path / "again") == results_of(new)
    assert recipe_of(tmp_path / "again") == recipe


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_is_gone_on_from_and_saved_as_itself(kind: str, text: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    tokenizer = train_tokenizer("byte_pair", sentences(), 290)
    end = tokenizer.end_of_text
    published = their_model(kind, vocab_size=300, eos_token_id=end, bos_token_id=end).float()
    published.save_pretrained(tmp_path / "published")
    tokenizer.save(tmp_path / "published")
    go_on_from(tmp_path / "published", text, tmp_path / "run")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "run", dtype=torch.float32).eval()
    assert type(theirs) is type(published)
    assert theirs.config.vocab_size == 300  # ten rows more than there are tokens, as published models have them
    ids = torch.randint(290, (2, 16), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, before = theirs(ids).logits, published(ids).logits
    torch.testing.assert_close(load(tmp_path / "run", device="cpu").logits(ids), expected, rtol=0, atol=1e-4 * 30)
    assert 0 < (expected - before).abs().max() < before.abs().max()
    named = {name for name, _ in published.named_parameters()}
    assert {name for name, _ in theirs.named_parameters()} == named


# --- stopping and going on --------------------------------------------------------------------------------------------


def test_a_run_stopped_and_gone_on_with_is_the_run_never_stopped(old: Path, text: Path, tmp_path: Path) -> None:
    go_on_from(old, text, tmp_path / "whole")
    with pytest.raises(Interrupted):
        go_on_from(old, text, tmp_path / "parts", progress=StopAt(4))
    resume_tiny(tmp_path / "parts")
    assert results_of(tmp_path / "parts") == results_of(tmp_path / "whole")


@pytest.fixture
def stopped(old: Path, text: Path, tmp_path: Path) -> Path:
    """A run that goes on from a copy of the old one, stopped at its second step."""
    shutil.copytree(old, tmp_path / "base")
    with pytest.raises(Interrupted):
        go_on_from(tmp_path / "base", text, tmp_path / "run", progress=StopAt(2))
    return tmp_path / "run"


def change_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_behind_its_first_checkpoint_a_run_needs_its_base_no_more(stopped: Path) -> None:
    shutil.rmtree(stopped.parent / "base")
    assert load(stopped, device="cpu").configuration is not None
    resume_tiny(stopped)
    assert (stopped / "model.safetensors").is_file()


def test_before_its_first_checkpoint_a_run_starts_over_from_its_base(stopped: Path, old: Path, text: Path) -> None:
    shutil.rmtree(stopped / "checkpoints")
    resume_tiny(stopped)
    go_on_from(old, text, stopped.parent / "whole")
    assert results_of(stopped) == results_of(stopped.parent / "whole")


@pytest.mark.parametrize("gone", [False, True])
def test_a_base_that_has_changed_before_the_first_checkpoint_is_refused(stopped: Path, gone: bool) -> None:
    shutil.rmtree(stopped / "checkpoints")
    folder = stopped.parent / "base"
    if gone:
        shutil.rmtree(folder)
    else:
        change_weights(folder)
    with pytest.raises(InputError) as refused:
        resume_tiny(stopped)
    assert str(refused.value) == (
        "the model that this run goes on from is no longer what it was when the run began\n"
        f"  wanted: {folder} with weights of SHA-256 {recipe_of(stopped)['base']['sha256']}\n"
        "  do: put the old one back to go on, or start a new run from the new one"
    )


def test_an_unfinished_run_is_gone_on_from_at_its_newest_checkpoint(stopped: Path, text: Path) -> None:
    """Also one that itself goes on from a model: its family is still known."""
    go_on_from(stopped, text, stopped.parent / "third")
    recipe = recipe_of(stopped.parent / "third")
    weights = stopped / "checkpoints" / "step-00000002" / "model.safetensors"
    assert recipe["base"]["sha256"] == base.sha256_of(weights)
    assert recipe["network"]["configuration"]["model_type"] == "qwen3"


# --- what is chosen ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "layers", "rate"), [(64, 2, 1e-3), (768, 12, 1.1e-4), (4096, 32, 1.2e-5), (8192, 80, 1e-5)]
)
def test_the_larger_the_model_the_smaller_the_rate(width: int, layers: int, rate: float) -> None:
    """GPT-2's smallest at about 0.0001, Llamas of 7 and 70 milliards of parameters at about 0.00001."""
    configuration = {"vocab_size": 1000, "max_position_embeddings": 4096, "hidden_size": width, "model_type": "llama"}
    configuration |= {
        "num_hidden_layers": layers,
        "num_attention_heads": width // 32,
        "intermediate_size": 8 * width // 3,
    }
    wishes = {"base": {"model": "m"}, "network": {"configuration": configuration}}
    values = base.values_on_base(wishes, 1e15)
    rates = {values["optimizer"][f"{role}_rate"] for role in ("matrix", "embedding", "head", "vector")}
    assert len(rates) == 1
    assert rates.pop() == pytest.approx(rate, rel=0.1)
    assert values["network"]["context_length"] == base.LONGEST_WINDOW
    assert 512 <= values["schedule"]["batch_size"] * base.LONGEST_WINDOW <= 8192


def test_a_run_sees_no_more_at_once_than_the_model_can(old: Path, text: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        go_on_from(old, text, tmp_path / "run", {"network": {"context_length": 17}})
    assert str(refused.value) == (
        f"{old} cannot see 17 tokens at once\n"
        "  wanted: network.context_length of at most 16, the model's own\n  came: 17"
    )
    go_on_from(old, text, tmp_path / "run", {"network": {"context_length": 5, "dropout": 0.1}})
    assert recipe_of(tmp_path / "run")["network"]["context_length"] == 5
    assert load(tmp_path / "run", device="cpu").context_length == 16


@pytest.mark.parametrize(
    ("wishes", "strange"),
    [
        ({"network": {"width": 64}}, "network.width"),
        ({"network": {"kind": "gpt"}}, "network.kind"),
        ({"network": {"normalize_heads": False, "dropout": 0.1}}, "network.normalize_heads"),
        ({"tokenizer": {"kind": "characters"}}, "tokenizer.kind"),
    ],
)
def test_what_comes_with_the_model_cannot_be_chosen(
    old: Path, text: Path, tmp_path: Path, wishes: dict[str, Any], strange: str
) -> None:
    with pytest.raises(UsageError) as refused:
        go_on_from(old, text, tmp_path / "run", wishes)
    assert str(refused.value) == (
        f"the network and the tokenizer come with {old}: {strange} cannot be chosen\n"
        "  wanted: network.context_length and network.dropout at most\n"
        "  do: leave it out, or train from the start, without --from"
    )


def test_a_model_too_large_to_train_is_refused_with_the_figures(
    old: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = parameter_count(load(old, device="cpu").network)
    monkeypatch.setattr("everysum.memory.available_memory", lambda device: 20 * parameters - 1)
    with pytest.raises(MachineError, match=f"training {parameters:,} parameters needs more memory than there is") as no:
        go_on_from(old, text, tmp_path / "run")
    assert no.value.exit_code == 7
    monkeypatch.setattr("everysum.memory.available_memory", lambda device: 20 * parameters)
    go_on_from(old, text, tmp_path / "run")


@pytest.mark.parametrize("damage", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_broken_model_is_refused_before_a_folder_is_taken(old: Path, text: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(old, tmp_path / "base")
    (tmp_path / "base" / damage).unlink()
    if damage == "config.json":
        (tmp_path / "base" / "recipe.json").unlink()
    with pytest.raises(EverysumError, match=damage):
        go_on_from(tmp_path / "base", text, tmp_path / "run")
    assert not (tmp_path / "run" / "recipe.json").exists()


def test_a_model_that_is_not_there_is_refused(text: Path, tmp_path: Path) -> None:
    with pytest.raises(EverysumError, match="there is no model folder"):
        go_on_from(tmp_path / "none", text, tmp_path / "run")
