"""`everysum evaluate`: the measurement of `Model.evaluate`, told."""

from __future__ import annotations

import json

import pytest

import everysum as es


@pytest.fixture
def measured(tiny_run):
    return es.load(tiny_run).evaluate(tiny_run.parent / "rhymes.txt")


def test_json_is_the_measurement(everysum, tiny_run, measured) -> None:
    text = tiny_run.parent / "rhymes.txt"
    outcome = everysum("evaluate", tiny_run, text, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert json.loads(outcome.out) == {"model": str(tiny_run), "texts": [str(text)]} | measured.as_json()


def test_the_figures_are_told_with_their_units(everysum, tiny_run, measured) -> None:
    outcome = everysum("evaluate", tiny_run, tiny_run.parent / "rhymes.txt")
    assert outcome.out.splitlines() == [
        f"loss           {measured.loss:.4f} nats a token",
        f"perplexity     {measured.perplexity:.2f}",
        f"bits per byte  {measured.bits_per_byte:.4f}",
        f"tokens         {measured.tokens:,}, in windows of 16 that move on by 8",
        f"bytes          {measured.bytes:,}",
    ]


def test_a_text_may_come_from_standard_input(everysum, tiny_run, measured) -> None:
    given = (tiny_run.parent / "rhymes.txt").read_bytes()
    piped = json.loads(everysum("evaluate", tiny_run, "-", "--json", given=given).out)
    assert piped == {"model": str(tiny_run), "texts": ["-"]} | measured.as_json()


@pytest.mark.parametrize(("form", "loses"), [("float32", 1e-6), ("bf16", 0.002), ("int8", 0.01), ("int4", 0.04)])
def test_what_packed_weights_lose_is_measured(everysum, tiny_run, measured, form, loses) -> None:
    text = tiny_run.parent / "rhymes.txt"
    packed = json.loads(everysum("evaluate", tiny_run, text, "--weights", form, "--json").out)
    assert packed["tokens"] == measured.tokens
    assert packed["loss"] == pytest.approx(measured.loss, rel=loses)
    assert form == "float32" or packed["loss"] != measured.loss


def test_the_stride_is_the_one_asked_for(everysum, tiny_run) -> None:
    outcome = everysum("evaluate", tiny_run, tiny_run.parent / "rhymes.txt", "--stride", "16", "--json")
    assert json.loads(outcome.out)["stride"] == 16
