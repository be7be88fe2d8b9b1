"""`everysum train --pairs` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_pairs import write_pairs

QUICK = (
    *("--set", "network.width=16", "--set", "network.encoder_layers=1", "--set", "network.decoder_layers=1"),
    *("--set", "network.heads=2", "--set", "network.inner_width=16", "--set", "schedule.steps=3"),
    *("--set", "tokenizer.vocabulary_size=300", "--set", "engine.threads=1", "--set", "schedule.batch_size=200"),
)


@pytest.fixture
def here(home: Path) -> Path:
    write_pairs(home)
    write_pairs(home, 30, seed=5, name="val")
    return home


def test_a_translator_is_trained_from_two_files_and_measured_on_two_others(everysum, here: Path) -> None:
    ended = everysum("train", "--pairs", "train.de", "train.en", "--valid", "val.de", "val.en", "--out", "run", *QUICK)
    assert ended.code == 0, ended.err
    assert ended.out == "run\n"
    assert "train.de and train.en: " in ended.err
    assert "160 pairs" in ended.err
    assert "transformer, " in ended.err
    assert 'everysum translate run "Wo wohnst du?" --look' in ended.err
    recipe = json.loads((here / "run" / "recipe.json").read_text())
    assert recipe["text"]["held_out_target_paths"] == [str(here / "val.en")]
    assert json.loads((here / "run" / "config.json").read_text())["model_type"] == "pegasus"


def test_the_article_s_other_way_is_a_recipe(everysum, here: Path) -> None:
    quick = ("--set", "network.width=16", "--set", "network.layers=1", "--set", "schedule.steps=3")
    small = ("--set", "tokenizer.vocabulary_size=300", "--set", "engine.threads=1", "--set", "schedule.batch_size=200")
    ended = everysum("train", "--pairs", "train.de", "train.en", "--recipe", "separator", *quick, *small)
    assert ended.code == 0, ended.err
    assert ended.out == "runs/train\n"
    added = json.loads((here / "runs" / "train" / "tokenizer.json").read_text())["added_tokens"]
    assert [token["content"] for token in added] == ["<SEP>", "<|endoftext|>"]


def test_pairs_from_standard_input_are_kept_with_the_run(everysum, here: Path) -> None:
    sources = (here / "train.de").read_text(encoding="utf-8")
    ended = everysum("train", "--pairs", "-", "train.en", "--out", "run", *QUICK, given=sources.encode())
    assert ended.code == 0, ended.err
    assert (here / "run" / "stdin.txt").read_text(encoding="utf-8") == sources


def test_the_tiny_translator_needs_no_file(everysum, home: Path) -> None:
    ended = everysum("train", "--recipe", "tiny-translator", "--out", "run", *QUICK)
    assert ended.code == 0, ended.err
    assert len((home / "run" / "training.de").read_text(encoding="utf-8").splitlines()) == 8000
    resumed = everysum("train", "--resume", "--out", "run")
    assert resumed.code == 0, resumed.err


REFUSED = {
    "files of different length": (
        ("--pairs", "train.de", "short.en"),
        3,
        "short.en ends before line 160, which train.de has",
    ),
    "a text beside pairs": (
        ("--pairs", "train.de", "train.en", "val.de"),
        2,
        "--pairs takes the place of TEXT, and --valid with it takes two files",
    ),
    "one file held out": (
        ("--pairs", "train.de", "train.en", "--valid", "val.de"),
        2,
        "--pairs takes the place of TEXT, and --valid with it takes two files",
    ),
    "the same pairs held out": (
        ("--pairs", "train.de", "train.en", "--valid", "train.de", "train.en"),
        3,
        "train.de is held out, and also among the texts to train on",
    ),
    "separator without pairs": (
        ("train.de", "--recipe", "separator"),
        2,
        "the recipe separator learns from pairs of sentences",
    ),
    "transformer without pairs": (
        ("train.de", "--recipe", "transformer"),
        2,
        "the recipe transformer learns from pairs of sentences",
    ),
    "a file that is not there": (("--pairs", "train.de", "trian.en"), 3, "there is no file trian.en"),
    "pairs and demo": (("--pairs", "train.de", "train.en", "--demo"), 2, "--demo and TEXT do not go together"),
    "pairs on resuming": (("--resume", "--out", "run", "--pairs", "train.de", "train.en"), 2, "--resume goes on with"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_and_nothing_left_behind(everysum, here: Path, name: str) -> None:
    (here / "short.en").write_text("\n".join((here / "train.en").read_text().splitlines()[:159]) + "\n")
    before = sorted(path.name for path in here.iterdir())
    arguments, code, said = REFUSED[name]
    ended = everysum("train", *arguments, "--minutes", "0.1")
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err.replace(f"{here}/", "")
    assert "Traceback" not in ended.err
    assert sorted(path.name for path in here.iterdir()) == before


def test_the_recipe_of_a_translator_is_shown(everysum, here: Path) -> None:
    shown = everysum("train", "--recipe", "transformer", "--print-recipe").out
    assert "network.kind=transformer " in shown
    assert "network.encoder_layers=" in shown
    assert "# Only with network.kind=llama.\n" in shown
    assert "optimizer.label_smoothing=0.1 " in shown
    recipe = json.loads(everysum("train", "--pairs", "train.de", "train.en", "--print-recipe", "--json", *QUICK).out)
    assert recipe["network"]["kind"] == "transformer"
