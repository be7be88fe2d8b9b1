"""Before the first step: what cannot be is refused before anything is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from tiny import Listener, quietly, tiny, write_text

from everysum import machine
from everysum.errors import EverysumError, InputError, MachineError, UsageError
from everysum.files import cache_folder
from everysum.training import pace
from everysum.training.base import recipe_of_run
from everysum.training.prepare import Request, prepare
from everysum.training.recipe import Recipe
from everysum.training.wishes import merged, overrides_from

REFUSALS = [
    (["network.heads=0"], UsageError, "the recipe's network.heads cannot be 0"),
    (["network.heads=5"], UsageError, "5 heads cannot share a width of 32 evenly"),
    (["network.kind=gpt", "network.heads=5"], UsageError, "5 heads cannot share a width of 32 evenly"),
    (["network.kind=gpt", "network.head_size=8"], UsageError, "a network of kind gpt has no head_size"),
    (["network.key_value_heads=3"], UsageError, "2 query heads cannot be dealt out evenly to 3 key/value heads"),
    (["network.head_size=7"], UsageError, "rotary positions turn pairs of numbers: a head size of 7 is odd"),
    (["network.width=wide"], UsageError, "the recipe's network.width cannot be 'wide'"),
    (["network.kind=mamba"], UsageError, "the recipe's network.kind cannot be 'mamba'"),
    (["schedule.accumulation=3"], UsageError, "a batch of 8 cannot be computed in 3 equal parts"),
    (["engine.workers=3"], UsageError, "8 windows cannot be shared out evenly to 3 workers of 1 threads"),
    (["engine.workers=2"], UsageError, "8 windows cannot be shared out evenly to 2 workers of 1 threads"),
    (["schedule.steps=2.5"], UsageError, "the recipe's schedule.steps cannot be 2.5"),
    (["tokenizer.kind=words", "tokenizer.vocabulary_size=100"], UsageError, "a vocabulary of 100 tokens is too small"),
    (["text.errors=ignore"], UsageError, "the recipe's text.errors cannot be 'ignore'"),
    (["text.held_out_share=1"], UsageError, "the recipe's text.held_out_share cannot be 1"),
    (["minutes=soon"], UsageError, "the recipe's minutes cannot be 'soon'"),
    (["engine.device=tpu"], UsageError, "there is no device called 'tpu'"),
    (["engine.threads=100000"], UsageError, "the recipe's engine.threads cannot be 100000"),
]


@pytest.mark.parametrize(("said", "kind", "problem"), REFUSALS, ids=[" ".join(said) for said, _, _ in REFUSALS])
def test_what_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, said: list[str], kind: type[EverysumError], problem: str
) -> None:
    text, out = write_text(tmp_path), tmp_path / "run"
    with quietly(tmp_path / "cache"), pytest.raises(kind, match="^" + re.escape(problem)) as refusal:
        prepare(Request([text], out, wishes=merged(tiny(), overrides_from(said))), Listener())
    assert type(refusal.value) is kind
    assert not out.exists() or list(out.iterdir()) == []


@pytest.mark.parametrize("wishes", [{"text": 3}, {"network": []}, {"schedule": None}, {"engine": "cpu"}])
def test_a_recipe_whose_sections_are_none_is_refused(tmp_path: Path, wishes: dict[str, object]) -> None:
    ((key, value),) = wishes.items()
    with pytest.raises(UsageError, match=re.escape(f"the recipe's {key} cannot be {value!r}")):
        prepare(Request([write_text(tmp_path)], tmp_path / "run", wishes=wishes), Listener())


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_minutes_that_cannot_be_are_refused(tmp_path: Path, minutes: float) -> None:
    with pytest.raises(UsageError, match=re.escape(f"the recipe's minutes cannot be {minutes!r}")):
        prepare(Request([write_text(tmp_path)], tmp_path / "run", minutes=minutes), Listener())


def test_a_device_that_is_not_here_is_refused(tmp_path: Path) -> None:
    import torch

    missing = next(name for name in ("mps", "cuda") if not getattr(torch, name).is_available())
    wishes = merged(tiny(), {"engine": {"device": missing}})
    with pytest.raises(MachineError, match=f"this machine has no {missing} that torch can use"):
        prepare(Request([write_text(tmp_path)], tmp_path / "run", wishes=wishes), Listener())


def test_without_a_text_there_is_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        prepare(Request([], tmp_path / "run"), Listener())
    assert str(refusal.value) == ("there is no text to train on\n  wanted: a file or folder, or - for standard input")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "there is no file"),
        (b"", "is empty"),
        (b"abc \xff" + b"x" * 2000, "the byte 0xff at offset 4"),
        (b"abc\0" + b"x" * 2000, "it looks binary"),
    ],
)
def test_a_text_that_is_none_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with quietly(tmp_path / "cache"), pytest.raises(InputError, match=problem):
        prepare(Request([path], tmp_path / "run", wishes=tiny()), Listener())
    assert list((tmp_path / "run").iterdir()) == []


def test_bytes_that_are_not_text_can_be_replaced_instead(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"abc \xff\n" * 300)
    wishes = tiny({"text": {"errors": "replace"}})
    with quietly(tmp_path / "cache"):
        prepared = prepare(Request([path], tmp_path / "run", wishes=wishes), Listener())
    assert prepared.tokenizer.decode(prepared.tokens.train.tokens.tolist()[:7]) == "abc \ufffd\n"
    assert recipe_of_run(tmp_path / "run") == prepared.recipe


def test_the_same_text_is_cut_into_tokens_once(tmp_path: Path) -> None:
    text = write_text(tmp_path)
    with quietly(tmp_path / "cache"):
        first, second = (prepare(Request([text], tmp_path / name, wishes=tiny()), Listener()) for name in "ab")
    assert (first.tokens.reused, second.tokens.reused) == (False, True)
    assert first.tokens.train.path == second.tokens.train.path


@pytest.mark.parametrize(("said", "dropout", "timed"), [({}, 0.13, 2), ({"network": {"dropout": 0.0}}, 0.0, 1)])
def test_a_text_that_will_be_seen_often_is_learned_with_dropout_and_timed_with_it(
    said: dict[str, Any], dropout: float, timed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is drafted for as slow, and then its steps take no time: the text is seen six times."""
    seen: list[Recipe] = []
    monkeypatch.setattr(pace, "seconds_per_step", lambda trainer, budget: seen.append(trainer.recipe) or 1e-6)
    wishes = tiny()
    del wishes["schedule"]["steps"], wishes["network"]["dropout"]
    wishes = merged(wishes, said)
    slow = mock.patch.object(machine, "matrix_speeds", return_value=machine.Speeds(1e-4, 1e-4))
    with quietly(tmp_path / "cache"), slow:
        recipe = prepare(Request([write_text(tmp_path)], tmp_path / "run", minutes=1, wishes=wishes), Listener()).recipe
    assert recipe.network.dropout == dropout
    assert [timing.network.dropout for timing in seen] == [0.0, dropout][:timed]


def test_what_can_be_made_again_is_kept_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYSUM_CACHE", "/said")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/said")
    monkeypatch.delenv("EVERYSUM_CACHE")
    assert cache_folder() == Path("/xdg/everysum")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "everysum"
