"""`--print-recipe`: what `--set` can change."""

from __future__ import annotations

import json

import pytest

from everysum.training.recipe import Recipe
from everysum.training.wishes import keys_of


def test_every_key_that_can_be_set_is_shown_with_what_it_can_be(everysum) -> None:
    shown = everysum("train", "--print-recipe").out
    for key in keys_of(Recipe):
        line = next(line for line in shown.splitlines() if line.removeprefix("# ").split("=")[0].split()[:1] == [key])
        assert "#" in line[len(key) :] or key in ("text.paths",), line
    assert "network.kind=llama                # gpt, llama or transformer\n" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_each_line_can_be_given_to_set(everysum) -> None:
    shown = everysum("train", "--print-recipe").out.splitlines()
    pairs = [line.split("  #")[0].strip() for line in shown if "=" in line and not line.startswith(("#", " "))]
    again = everysum("train", "--print-recipe", *(word for pair in pairs for word in ("--set", pair)))
    assert again.code == 0, again.err
    assert [line for line in again.out.splitlines() if line.split("=")[0] != "engine.dtype"] == [
        line for line in shown if line.split("=")[0] != "engine.dtype"
    ]


def test_what_is_set_is_shown(everysum) -> None:
    shown = everysum("train", "--print-recipe", "--recipe", "gpt", "--set", "network.layers=7", "--seed", "9").out
    assert "network.layers=7 " in shown
    assert "seed=9 " in shown
    assert "network.wiring=pre_norm " in shown
    assert "# Only with network.kind=llama.\n" in shown


def test_with_a_text_the_steps_are_measured_and_nothing_is_written(everysum, home) -> None:
    quick = ("--set", "network.width=16", "--set", "network.layers=1", "--minutes", "0.1", "--set", "engine.threads=1")
    recipe = json.loads(everysum("train", "book.txt", *quick, "--print-recipe", "--json").out)
    assert recipe["text"]["paths"] == [str(home / "book.txt")]
    assert recipe["schedule"]["steps"] > 1
    assert recipe["minutes"] == pytest.approx(0.1)
    assert [path.name for path in home.iterdir()] == ["book.txt"]


def test_options_count_more_than_the_recipe_and_auto_is_chosen_anew(everysum, home) -> None:
    (home / "mine.json").write_text('{"seed": 4, "minutes": 2, "engine": {"device": "cuda"}}', encoding="utf-8")
    arguments = ("train", "--print-recipe", "--json", "--recipe", "mine.json", "--errors", "replace")
    recipe = json.loads(everysum(*arguments, "--device", "cpu", "--seed", "5").out)
    assert (recipe["seed"], recipe["minutes"], recipe["engine"]["device"]) == (5, 2, "cpu")
    assert recipe["text"]["errors"] == "replace"
    assert everysum(*arguments, "--device", "auto").code == 0
