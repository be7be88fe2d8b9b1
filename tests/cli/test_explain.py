"""`everysum explain`: the record's answers, told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from small_translators import saved_translator

import everysum as es

PROMPT = "Tom sat on the"


@pytest.fixture(scope="module")
def record(tiny_run):
    return es.load(tiny_run).record(PROMPT)


def test_the_prediction_is_told_with_three_views_of_its_first_token(everysum, tiny_run, record) -> None:
    outcome = everysum("explain", tiny_run, PROMPT)
    best = record.prediction().candidates[0]
    assert outcome.code == 0
    first, *_ = outcome.out.splitlines()
    assert first.startswith(repr(best.text))
    assert f"{best.probability:.2%}" in first
    for title in ("What each part of the network added", "Its last sum:", "The way back along the largest terms:"):
        assert title in outcome.out
    assert "token_embedding" in outcome.out
    assert "token_ids[0, " in outcome.out
    assert f"--at '{best.logit.name}'" in outcome.err


def test_json_is_the_prediction(everysum, tiny_run, record) -> None:
    told = json.loads(everysum("explain", tiny_run, PROMPT, "--json").out)
    assert told == json.loads(json.dumps(record.prediction().as_json()))
    parts = sum(part["value"] for part in told["residual"]["contributions"])
    assert parts == pytest.approx(told["candidates"][0]["logit"], abs=1e-5)


def test_a_number_is_explained_and_its_terms_add_up(everysum, tiny_run) -> None:
    where = "blocks.0.attention.output[0, -1, 3]"
    told = json.loads(everysum("explain", tiny_run, PROMPT, "--at", where, "--json").out)["numbers"][0]
    assert told["kind"] == "sum"
    assert sum(term["value"] for term in told["terms"]) + told["rest"] == pytest.approx(told["value"], rel=1e-4)
    text = everysum("explain", tiny_run, PROMPT, "--at", where).out
    assert "recomputed in float64" in text
    assert "the sum of 16 terms" in text


def test_depth_opens_the_terms(everysum, tiny_run) -> None:
    arguments = ("explain", tiny_run, PROMPT, "--at", "logits[-1, 5]")
    shallow, deep = (everysum(*arguments, "--depth", depth).out for depth in ("1", "2"))
    assert len(deep.splitlines()) > len(shallow.splitlines())
    assert deep.startswith(shallow.splitlines()[0])


def test_every_tensor_is_listed(everysum, tiny_run, record) -> None:
    outcome = everysum("explain", tiny_run, PROMPT, "--list")
    assert len(outcome.out.splitlines()) == len(record.list())
    told = json.loads(everysum("explain", tiny_run, PROMPT, "--list", "--json").out)["tensors"]
    assert "blocks.0.attention.query.weight" in [tensor["name"] for tensor in told]


def test_a_nudge_moves_the_prediction_as_a_changed_weight_does(everysum, tiny_run) -> None:
    change = "output.weight[7, 3]=2.5"
    told = json.loads(everysum("explain", tiny_run, PROMPT, "--nudge", change, "--json").out)
    model = es.load(tiny_run)
    with torch.no_grad():
        model.network.output.weight[7, 3] = 2.5
    after = model.record(PROMPT)["probabilities"].tensor[0, -1]
    for each in told["predictions"]:
        assert each["after"] == pytest.approx(float(after[each["id"]]), rel=1e-6)
    text = everysum("explain", tiny_run, PROMPT, "--nudge", change).out
    assert text.startswith("output.weight[7, 3]: ")
    assert "logits: " in text
    assert "before → after" in text


def test_numbers_are_recomputed_on_request(everysum, tiny_run) -> None:
    outcome = everysum("explain", tiny_run, PROMPT, "--verify", "3000")
    assert outcome.out.startswith("3,000 numbers recomputed from their explanations: 0 unexplained, 0 wrong")


def test_a_slope_is_given_by_formula_and_by_nudging(everysum, tiny_run) -> None:
    where = "blocks.0.feed_forward.up.weight[3, 5]"
    (told,) = json.loads(everysum("explain", tiny_run, PROMPT, "--slope", where, "--json").out)["slopes"]
    assert told["formula"] == pytest.approx(told["nudged"], rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--at", "blocks.0.atention.query.weight[0, 0]"), 3, "blocks.0.attention.query.weight"),
        (("--at", "logits[0, 99, 1]"), 3, "the axis position has"),
        (("--at", "logits[0]"), 3, "not one"),
        (("--at", 'logits[-1, "no such token"]'), 3, "stands at no places"),
        (("--nudge", "logits"), 2, "NUMBER=VALUE"),
        (("--nudge", "token_ids[0, 1]=1.5"), 2, "a whole number"),
        (("--verify", "0"), 2, "--verify cannot be 0"),
        (("--depth", "0", "--at", "logits[-1, 1]"), 2, "--depth cannot be 0"),
        (("--list", "--verify", "5"), 2, "--list and --verify do not go together"),
        (("--dtype", "float8"), 2, "float32 or float64"),
    ],
)
def test_what_cannot_be_explained_is_refused(everysum, tiny_run, arguments, code, said) -> None:
    outcome = everysum("explain", tiny_run, PROMPT, *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert said in outcome.err


def test_an_empty_prompt_and_one_beyond_the_context_are_refused(everysum, tiny_run) -> None:
    assert everysum("explain", tiny_run, "").code == 3
    assert "context" in everysum("explain", tiny_run, "Tom sat on the wall. " * 20).err


@pytest.fixture(scope="module")
def translators(tmp_path_factory) -> dict[str, Path]:
    return {kind: saved_translator(kind, tmp_path_factory.mktemp(kind)) for kind in ("transformer", "separator")}


def test_a_translator_is_explained_with_what_it_has_said_so_far(everysum, translators) -> None:
    model = es.load(translators["transformer"])
    record = model.record("wo wohnst du?", target="where do")
    asked = ("explain", translators["transformer"], "wo wohnst du?", "--target", "where do")
    told = json.loads(everysum(*asked, "--json").out)
    assert told == json.loads(json.dumps(record.prediction().as_json()))
    names = [part["name"] for part in told["residual"]["contributions"]]
    assert "blocks.1.cross_attention, head 1" in names
    where = 'blocks.1.cross_attention.attention_weights[0, 1, -1, " d"]'
    assert "key “ d”" in everysum(*asked, "--at", where).out
    assert "source_ids (batch 1, position " in everysum(*asked, "--list").out


def test_a_translators_page_is_saved_with_both_sides(everysum, translators, tmp_path) -> None:
    page = tmp_path / "page.html"
    asked = ("explain", translators["transformer"], "wo wohnst du?", "--target", "where do", "--save", page)
    assert everysum(*asked).out.strip() == str(page)
    data = json.loads(re.search(r'id="saved">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)[1])
    texts = es.load(translators["transformer"]).record("wo wohnst du?", target="where do").token_texts
    for side, name in (("source", "source_ids"), ("tokens", "target_ids")):
        assert [token["text"] for token in data["pass"][side]] == texts[name][0]
        assert name in [tensor["name"] for tensor in data["tensors"]]
    assert everysum("explain", translators["transformer"], "wo wohnst du?").code == 0


def test_a_tower_with_a_separator_shows_it_between_the_two(everysum, translators) -> None:
    asked = ("explain", translators["separator"], "wo wohnst du?", "--target", "where do")
    assert "“<SEP>”" in everysum(*asked, "--at", 'token_embedding[0, "<SEP>", 3]').out
    assert "0 unexplained, 0 wrong" in everysum(*asked, "--verify", "500").out


def test_a_target_is_for_translators(everysum, tiny_run, translators) -> None:
    outcome = everysum("explain", tiny_run, PROMPT, "--target", "Where do")
    assert outcome.code == 4
    assert "this model goes on with a text, it does not translate" in outcome.err
    outcome = everysum("explain", translators["transformer"], "")
    assert outcome.code == 3
    assert "there is no sentence to translate" in outcome.err
