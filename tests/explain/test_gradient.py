"""Slopes by formula and by nudging, against each other and against autograd through the network itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from foreign_networks import gpt2, token_ids
from recorded_models import PROMPT, model_of
from torch.nn import functional

from everysum.errors import InputError, UsageError
from everysum.explain import record
from everysum.explain.record import recorded


@pytest.mark.parametrize("name", ["gpt", "gpt, fused", "gpt, post-norm", "llama", "llama, written out"])
def test_the_slope_of_the_loss_in_a_weight_is_that_of_autograd(name: str) -> None:
    model = model_of(name)
    model.network.double()
    pass_ = model.record(PROMPT)
    ids = torch.tensor([model.token_ids(PROMPT)])
    logits = model.network.head(model.network(ids))
    functional.cross_entropy(logits[0, :-1], ids[0, 1:]).backward()
    for path, index in (("blocks.0.attention.query.weight", (3, 5)), ("token_embedding.weight", (79, 2))):
        gradient = pass_.gradient("loss", of=pass_[path][index])
        expected = model.network.get_parameter(path).grad[index].item()
        assert expected != 0
        assert gradient.formula == pytest.approx(expected, rel=1e-9)
        assert gradient.nudged == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "where", ["blocks.0.attention.mixed[0, 1, 3, 2]", "blocks.1.feed_forward.up[0, 5, 7]", "blocks.0[0, 2, 3]"]
)
@pytest.mark.parametrize("name", ["gpt", "gpt, fused", "llama"])
def test_by_formula_and_by_nudging_agree_for_what_was_computed(name: str, where: str) -> None:
    pass_ = model_of(name).record(PROMPT)
    gradient = pass_.gradient("loss", of=pass_.number(where))
    assert gradient.formula != 0
    assert gradient.nudged == pytest.approx(gradient.formula, rel=1e-5, abs=1e-9)
    assert gradient.difference == gradient.nudged - gradient.formula


@pytest.mark.parametrize("name", ["gpt", "gpt, fused"])
def test_of_an_attention_weight_also_inside_of_a_fused_operation(name: str) -> None:
    pass_ = model_of(name).record(PROMPT)
    number = pass_["blocks.1.attention.attention_weights"][0, 2, 7, 3]
    gradient = pass_.gradient("loss", of=number)
    assert abs(gradient.formula) > 1e-4
    assert gradient.nudged == pytest.approx(gradient.formula, rel=1e-5)


def test_of_one_number_in_another() -> None:
    pass_ = model_of("gpt").record(PROMPT)
    logit = pass_["logits"][-1, "y"]
    gradient = pass_.gradient(logit, of=pass_["hidden"][-1, 5])
    y = model_of("gpt").token_ids("y")[0]
    assert gradient.formula == pytest.approx(pass_["token_embedding.weight"][y, 5].value, rel=1e-6)
    assert pass_.gradient('logits[-1, "y"]', of=pass_["hidden"][-1, 5]) == gradient


def test_with_a_loss_of_the_network_itself() -> None:
    case = gpt2("sdpa", train=True, labels=token_ids())
    pass_ = record(case.network, *case.arguments, **case.named)
    pass_.result.loss.backward()
    weight = pass_["transformer.h.0.mlp.c_fc.weight"][3, 4]
    gradient = pass_.gradient("loss", of=weight)
    expected = case.network.transformer.h[0].mlp.c_fc.weight.grad[3, 4].item()
    assert gradient.formula == pytest.approx(expected, rel=1e-3, abs=1e-7)
    assert gradient.nudged == pytest.approx(gradient.formula, rel=1e-5, abs=1e-9)


def test_what_does_not_depend_has_no_slope() -> None:
    pass_ = model_of("gpt").record(PROMPT)
    gradient = pass_.gradient(pass_["logits"][0, 2, 5], of=pass_["blocks.0"][0, 7, 3])  # the future
    assert gradient.formula == gradient.nudged == 0.0


@pytest.mark.parametrize(
    ("operation", "slope"),
    [(lambda x: torch.igamma(x, x * 2), None), (lambda x: torch.histc(x, 4, 0.0, 4.0).sum() * x, 3.0)],
)
def test_where_no_derivative_is_known_the_nudge_stands_alone(operation: Any, slope: float | None) -> None:
    x = torch.tensor([1.0, 2.0, 3.0])
    pass_ = recorded(None, lambda: {"out": operation(x)}, {"x": x})
    gradient = pass_.gradient(pass_["out"][0], of=pass_["x"][0])
    assert gradient.formula is None
    assert gradient.difference is None
    above, below = (operation(torch.tensor([1.0 + by, 2.0, 3.0], dtype=torch.float64))[0] for by in (1e-6, -1e-6))
    assert gradient.nudged == pytest.approx((above - below).item() / 2e-6, rel=1e-4)
    assert slope is None or gradient.nudged == pytest.approx(slope)
    assert "derivative" in gradient.reason
    assert gradient.reason in str(gradient)


def test_it_reads_well() -> None:
    pass_ = model_of("gpt").record(PROMPT)
    gradient = pass_.gradient("loss", of=pass_["blocks.0.attention.query.weight"][3, 5])
    lines = str(gradient).splitlines()
    assert lines[0] == "the slope of loss in blocks.0.attention.query.weight[3, 5]"
    assert lines[1].startswith("  by formula: ")
    assert lines[2].startswith("  by nudging: ")
    assert "in float64" in lines[2]
    assert gradient.as_json()["of"] == "blocks.0.attention.query.weight[3, 5]"


def test_what_has_no_slope_is_refused() -> None:
    pass_ = model_of("gpt").record(PROMPT)
    for error, target, of, said in (
        (UsageError, "logits", "blocks.0[0, 1, 2]", "a slope is that of one"),
        (UsageError, "loss", "token_ids[0, 1]", "cannot move by a little"),
        (UsageError, "token_ids[0, 1]", "blocks.0[0, 1, 2]", "it has no slope"),
        (InputError, "blocks.0[0, 1, 2]", "logits[0, 1, 2]", "does not depend on it"),
    ):
        with pytest.raises(error, match=said):
            pass_.gradient(target, of=pass_.number(of))
