"""The plan: what is wished for stands, and what is chosen goes together."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from everysum import machine
from everysum.errors import UsageError
from everysum.recipes import RECIPES
from everysum.training import pace, plan
from everysum.training.build import design
from everysum.training.pace import fitting_steps, seconds_per_step, seconds_to_finish
from everysum.training.plan import Situation, draft, with_steps
from everysum.training.recipe import Recipe

WISHES = {
    "network.kind": ["gpt", "llama"],
    "network.width": [32, 48, 100, 160],
    "network.layers": [1, 3],
    "network.context_length": [8, 256],
    "network.dropout": [0.0, 0.3],
    "tokenizer.vocabulary_size": [300, 5000],
    "optimizer.matrices": ["muon", "adamw"],
    "optimizer.matrix_rate": [0.5],
    "schedule.batch_size": [1, 32],
    "schedule.steps": [1, 7],
    "schedule.evaluate_every": [1, 50],
    "engine.dtype": ["float32", "bfloat16"],
    "engine.threads": [1, 3],
    "seed": [0, 99],
}


@pytest.fixture(autouse=True)
def speeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "matrix_speeds", lambda device: machine.Speeds(100.0, 300.0))


def nested(wishes: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for path, value in wishes.items():
        place = values
        *sections, last = path.split(".")
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return values


def at(recipe: Recipe, path: str) -> Any:
    value: Any = recipe
    for part in path.split("."):
        value = getattr(value, part)
    return value


def laid_out(recipe: Recipe) -> torch.nn.Module:
    with torch.device("meta"):
        return design(recipe.network, recipe.tokenizer.vocabulary_size, recipe.engine.attention)


wished = some.dictionaries(some.sampled_from(sorted(WISHES)), some.integers(0, 3)).map(
    lambda chosen: {path: WISHES[path][number % len(WISHES[path])] for path, number in chosen.items()}
)
situations = some.builds(
    Situation, some.integers(1000, 10**10), some.floats(-5, 10**6), some.sampled_from(["cpu", "cuda", "mps"])
)


@settings(deadline=None, max_examples=60)
@given(situations, wished)
def test_every_plan_can_be_built_and_every_wish_stands(situation: Situation, wishes: dict[str, Any]) -> None:
    before = copy.deepcopy(values := nested(wishes))
    recipe = with_steps(draft(situation, values), values, 1234)
    assert values == before
    for path, value in wishes.items():
        assert at(recipe, path) == value, path
    laid_out(recipe)
    assert recipe.schedule.steps == wishes.get("schedule.steps", 1234)
    assert recipe.engine.device == situation.device


@settings(deadline=None, max_examples=60)
@given(situations, some.integers(1, 400))
def test_any_even_width_can_be_wished_for_alone(situation: Situation, half: int) -> None:
    recipe = draft(situation, {"network": {"width": 2 * half, "layers": 1}})
    assert recipe.network.width == 2 * half
    laid_out(recipe)


@pytest.mark.parametrize("name", RECIPES)
def test_every_named_recipe_is_completed(name: str) -> None:
    pairs = RECIPES[name][1].get("network", {}).get("kind") == "transformer"
    recipe = draft(Situation(10**6, 60.0, "cpu", pairs), RECIPES[name][1])
    laid_out(recipe)


@settings(deadline=None, max_examples=40)
@given(situations, wished)
def test_every_plan_for_pairs_can_be_built_and_every_wish_stands(situation: Situation, wishes: dict[str, Any]) -> None:
    situation = replace(situation, pairs=True)
    wishes = {path: value for path, value in wishes.items() if path != "network.layers"}
    recipe = with_steps(draft(situation, nested(wishes)), nested(wishes), 1234)
    laid_out(recipe)
    for path, value in wishes.items():
        assert at(recipe, path) == value
    assert recipe.network.kind == wishes.get("network.kind", "transformer")
    assert recipe.optimizer.label_smoothing == plan.pair_plan.LABEL_SMOOTHING


def test_more_time_for_pairs_means_a_larger_network_and_then_more_dropout() -> None:
    recipes = [draft(Situation(4 * 10**6, 60.0 * minutes, "cpu", True), {}) for minutes in (1, 5, 20, 60, 600)]
    for less, more in pairwise(recipes):
        assert less.network.width <= more.network.width
        assert less.schedule.batch_size <= more.schedule.batch_size
    assert recipes[0].network.width < recipes[-1].network.width
    assert recipes[-1].network.dropout == 0.3
    joined = draft(Situation(4 * 10**6, 1200.0, "cpu", True), {"network": {"kind": "llama"}})
    assert joined.network.layers >= 2 * recipes[2].network.encoder_layers - 2


def test_a_text_that_is_seen_more_often_than_was_drafted_gets_dropout_unless_it_was_wished_for() -> None:
    recipe = draft(Situation(10**6, 20.0, "cpu"), {})
    assert recipe.network.dropout == 0.0
    assert plan.with_dropout(recipe, {}, 4.0) is recipe
    assert plan.with_dropout(recipe, {}, 6.0).network.dropout == plan.chosen_dropout(6.0) == 0.13
    assert plan.with_dropout(recipe, {"network": {"dropout": 0.0}}, 6.0) is recipe
    dropping = plan.with_dropout(recipe, {}, 6.0)
    assert plan.with_dropout(dropping, {}, 5.0) is dropping


def test_heads_that_do_not_share_the_width_are_refused_with_those_that_would() -> None:
    for kind in ("llama", "gpt"):
        with pytest.raises(UsageError) as refusal:
            laid_out(draft(Situation(10**6, 60.0, "cpu"), {"network": {"kind": kind, "width": 100, "heads": 3}}))
        assert str(refusal.value) == (
            "3 heads cannot share a width of 100 evenly\n"
            "  wanted: a number of heads that divides the width\n"
            "  came: width 100, heads 3\n"
            "  do: for this width take 1, 2, 4 heads, or a width of 99"
        )


def test_heads_of_a_size_of_their_own_need_not_share_the_width() -> None:
    recipe = draft(Situation(10**6, 60.0, "cpu"), {"network": {"width": 100, "heads": 3, "head_size": 16}})
    laid_out(recipe)


def test_a_larger_text_or_more_time_never_makes_the_network_smaller() -> None:
    def numbers(train_bytes: int, seconds: float) -> int:
        network = laid_out(draft(Situation(train_bytes, seconds, "cpu"), {})).blocks  # type: ignore[attr-defined]
        return sum(parameter.numel() for parameter in network.parameters())

    times = [numbers(10**6, seconds) for seconds in (5, 30, 90, 300, 3000, 30_000)]
    assert times == sorted(times)


def test_the_precision_is_the_faster_one_where_it_is_clearly_faster() -> None:
    assert machine.Speeds(100, 119).faster == "float32"
    assert machine.Speeds(100, 121).faster == "bfloat16"


@given(some.integers(1, 10**6))
@settings(deadline=None)
def test_looks_and_samples_are_spread_over_the_steps(steps: int) -> None:
    recipe = draft(Situation(10**6, 60.0, "cpu"), {})
    schedule = with_steps(recipe, {}, steps).schedule
    assert schedule.steps == steps
    for every, most in ((schedule.evaluate_every, plan.QUICK_LOOKS), (schedule.sample_every, plan.SAMPLES)):
        assert 1 <= every <= steps
        assert steps / every <= most


@given(some.floats(-100, 10**5), some.floats(1e-4, 100))
def test_the_steps_fit_into_the_time_that_is_left_and_are_at_least_ten(seconds: float, each: float) -> None:
    steps = fitting_steps(seconds, each)
    assert steps >= 10
    assert steps == 10 or steps * each <= seconds


def test_the_end_takes_longer_the_more_is_held_out() -> None:
    recipe = draft(Situation(10**6, 60.0, "cpu"), {})
    assert 0 < seconds_to_finish(recipe, 10, 0.1) < seconds_to_finish(recipe, 10**6, 0.1)


def test_a_step_is_timed_without_the_first_slow_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first steps take a second, all others a tenth."""
    clock = 0.0

    class Slow:
        def step(self, step: int) -> float:
            nonlocal clock
            clock += 1.0 if step < 3 else 0.1
            return 0.0

    monkeypatch.setattr(pace.time, "perf_counter", lambda: clock)
    assert seconds_per_step(Slow(), 2.0) == pytest.approx(0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["gpt", "llama"])
def test_attention_is_one_of_its_engines(kind: str) -> None:
    small = {"network": {"kind": kind, "width": 32, "heads": 2, "context_length": 8}, "engine": {"dtype": "float32"}}
    assert pace.faster_attention(draft(Situation(5000, 1.0, "cpu"), small)) in ("written_out", "fused")
