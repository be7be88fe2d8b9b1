"""`everysum train TEXT --from MODEL`: on from a run or a published model."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import pytest

FEW = ("--set", "schedule.steps=4", "--set", "schedule.batch_size=4", "--set", "engine.threads=1")


def test_training_goes_on_from_a_run_and_says_so(everysum, home, tiny_run) -> None:
    outcome = everysum("train", "book.txt", "--from", tiny_run, "--out", "on", *FEW)
    assert (outcome.code, outcome.out) == (0, "on\n")
    assert f"qwen3 from {tiny_run}" in " ".join(outcome.err.split())
    assert "Untrained" not in outcome.err  # what an untrained model would lose says nothing here
    recipe = json.loads(Path("on/recipe.json").read_text(encoding="utf-8"))
    assert recipe["base"]["model"] == str(tiny_run)
    assert everysum("generate", "on", "Tom", "--tokens", "3").code == 0


def test_a_run_that_went_on_is_itself_gone_on_from_without_its_base(everysum, home, tiny_run) -> None:
    shutil.copytree(tiny_run, "base")
    everysum("train", "book.txt", "--from", "base", "--out", "one", *FEW)
    shutil.rmtree("base")
    assert everysum("train", "book.txt", "--from", "one", "--out", "two", *FEW).code == 0


def test_the_recipe_of_it_repeats_it(everysum, home, tiny_run) -> None:
    everysum("train", "book.txt", "--from", tiny_run, "--out", "one", *FEW)
    assert everysum("train", "--recipe", "one/recipe.json", "--out", "two").code == 0
    losses = [Path(run, "log.jsonl").read_text(encoding="utf-8") for run in ("one", "two")]
    assert losses[0] == losses[1]


def test_its_recipe_is_shown_with_what_can_be_set(everysum, home, tiny_run) -> None:
    shown = everysum("train", "--from", tiny_run, "--print-recipe")
    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    assert any(line.startswith("network.context_length=16") for line in lines)
    assert any(line.startswith(f"base.model={tiny_run}") for line in lines)
    assert not any("Only with network.kind" in line for line in lines)
    recipe = json.loads(everysum("train", "--from", tiny_run, "--print-recipe", "--json").out)
    assert recipe["network"]["kind"] == "published"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--set", "network.width=64"), 2, "network.width cannot be chosen"),
        (("--recipe", "gpt"), 2, "network.kind cannot be chosen"),
        (("--set", "network.context_length=64"), 2, "cannot see 64 tokens at once"),
        (
            ("--set", "base.model=x"),
            2,
            "base.model comes with the model that a run goes on from\n  do: name that with --from",
        ),
        (("--set", "network.configuration={}"), 2, "network.configuration comes with the model"),
        (("--resume",), 2, "--resume goes on with the text and the recipe of the run, which cannot be changed"),
    ],
)
def test_what_does_not_go_together_is_refused(everysum, home, tiny_run, arguments, code, said) -> None:
    outcome = everysum("train", "book.txt", "--from", tiny_run, "--out", "on", *arguments)
    assert outcome.code == code
    assert said in outcome.err
    assert not Path("on").exists()


def test_a_model_that_is_not_there_leaves_nothing_behind(everysum, home) -> None:
    outcome = everysum("train", "book.txt", "--from", "nowhere", "--out", "on", *FEW)
    assert outcome.code == 4
    assert outcome.err.endswith(
        "there is no model folder nowhere\n  wanted: a folder with config.json, model.safetensors and tokenizer.json\n"
    )
    assert not Path("on").exists()


def test_what_a_folder_would_like_to_have_run_is_told_in_a_line(everysum, home, tiny_run) -> None:
    shutil.copytree(tiny_run, "odd")
    configuration = json.loads(Path("odd/config.json").read_text(encoding="utf-8"))
    Path("odd/config.json").write_text(
        json.dumps({**configuration, "auto_map": {"AutoModel": "x.Y"}}), encoding="utf-8"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        outcome = everysum("generate", "odd", "Tom", "--tokens", "1", "--seed", "1")
    assert outcome.code == 0
    said = "odd/config.json names code of its own (auto_map); everysum runs no model's code"
    assert outcome.err == f"{said} and takes it for a plain 'qwen3'\n"
