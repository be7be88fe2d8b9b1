"""Explanations: terms that are numbers again, and their text, HTML and data."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
import torch
from recorded_models import PROMPT, model_of
from torch import Tensor, nn
from torch.nn import functional

from everysum.explain import Number, Record, evaluate, record, results
from everysum.explain.record import recorded
from everysum.explain.recorded import RecordedNumber


@pytest.fixture(scope="module")
def pass_() -> Record:
    return model_of("gpt").record(PROMPT)


def leaves(number: Number, deepest: int) -> list[Number]:
    """Every number that is reached from this one within so many steps."""
    if not deepest or not len(number.terms):
        return [number]
    return [leaf for term in number.terms[:4] for leaf in leaves(term, deepest - 1)]


def test_by_hand() -> None:
    """A neuron of two inputs: 0.5 · 2 + (−3) · 0.25 + 1 = 1.25."""
    x, weight, bias = torch.tensor([[2.0, 0.25]]), torch.tensor([[0.5, -3.0]]), torch.tensor([1.0])
    neuron = recorded(
        None, lambda: {"out": functional.linear(x, weight, bias)}, {"x": x, "weight": weight, "bias": bias}
    )
    number = neuron["out"][0, 0]
    assert number.value == number.recomputed == 1.25
    assert number.kind == "sum"
    assert [term.value for term in number.terms] == [1.0, 1.0, -0.75]
    assert {term.name for term in number.terms} == {"bias[0]", "x[0, 0] × weight[0, 0]", "x[0, 1] × weight[0, 1]"}
    product = number.terms[-1]
    assert [factor.name for factor in product.terms] == ["x[0, 1]", "weight[0, 1]"]
    assert str(number.explain()) == (
        "out[0, 0] = 1.25\n"
        "  the sum of 3 terms: x[i, j] + Σₖ mat1[i, k] × mat2[k, j]  [aten.addmm.default]\n"
        "  recomputed in float64: 1.25, difference 0.0e+00"
        " (allowed 1e−05 of the sum of absolute terms, 2.75, for float32)\n"
        "               1  bias[0]\n"
        "               1  2 × 0.5   x[0, 0] × weight[0, 0]\n"
        "           −0.75  0.25 × −3   x[0, 1] × weight[0, 1]"
    )


def test_every_number_can_be_asked_down_to_weights_tokens_and_constants(pass_: Record) -> None:
    number = pass_["logits"][-1, "y"]
    for deepest in range(8):
        for leaf in leaves(number, deepest):
            assert leaf.agrees
    for step in number.path():
        assert step.agrees
    assert number.path()[-1].kind == "given"


def test_the_terms_of_a_sum_add_up_to_it(pass_: Record) -> None:
    for name in (
        "logits",
        "blocks.0.attention.scores",
        "blocks.1",
        "blocks.0.feed_forward.up",
        "blocks.0.attention.mixed",
    ):
        number = pass_[name].numbers()[7]
        assert number.kind == "sum"
        assert math.fsum(term.value for term in number.terms) == pytest.approx(number.recomputed, abs=1e-12)
        sizes = [abs(term.value) for term in number.terms]
        assert sizes == sorted(sizes, reverse=True)


def test_the_factors_of_a_product_multiply_to_it(pass_: Record) -> None:
    term = pass_["logits"][-1, 5].terms[3]
    assert term.kind == "product"
    assert math.prod(factor.value for factor in term.terms) == pytest.approx(term.value, rel=1e-12)


@pytest.mark.parametrize(
    ("where", "kind", "formula"),
    [
        ("logits[0, 1, 2]", "sum", "Σₖ x[i, k] × mat2[k, j]"),
        ("blocks.0.attention.attention_weights[0, 1, 2, 1]", "function", "exp(x − largest) ÷ total"),
        (
            "blocks.0.attention_normalization[0, 1, 2]",
            "sum",
            "(input − mean) × rsqrt(variance + 1e−05) × weight + bias",
        ),
        ("token_embedding[0, 1, 2]", "look-up", "weight[indices[…], j]"),
        ("blocks.0.feed_forward.gelu[0, 1, 2]", "product", None),
        ("token_embedding.weight[3, 2]", "given", "a weight"),
        ("token_ids[0, 3]", "given", "an input"),
        ("blocks.0.attention.unseen@1[0, 0, 1, 2]", "choice", "−∞ if mask else x"),
        ("blocks.0.attention.visible[0, 0, 1, 2]", "constant", "0"),
    ],
)
def test_numbers_say_how_they_came_to_be(pass_: Record, where: str, kind: str, formula: str | None) -> None:
    number = pass_.number(where)
    assert number.kind == kind
    assert formula is None or number.formula == formula


def test_a_look_up_shows_the_row_and_the_token_that_chose_it(pass_: Record) -> None:
    row, token = pass_["token_embedding"][0, 3, 5].terms
    assert re.fullmatch(r"token_embedding\.weight\[\d+, 5\]", row.name)
    assert token.name == "token_ids[0, 3]"
    assert "position “p”" in str(pass_["token_embedding"][0, 3, 5].explain())


def test_a_choice_shows_what_was_taken_and_the_condition(pass_: Record) -> None:
    taken, condition = pass_["blocks.0.attention.unseen@1"][0, 0, 1, 0].terms
    assert taken.name.startswith("blocks.0.attention.zeros_like")
    assert condition.value == 0
    assert "the condition: " in str(pass_["blocks.0.attention.unseen@1"][0, 0, 1, 0].explain())


def test_the_largest_of_some_shows_them_the_largest_first() -> None:
    x = torch.tensor([[1.0, 5.0, 3.0]])
    number = recorded(None, lambda: {"out": x.amax(1)}, {"x": x})["out"][0]
    assert number.kind == "largest"
    assert [term.value for term in number.terms] == [5.0, 3.0, 1.0]


def test_a_random_draw_is_called_one() -> None:
    pass_ = model_of("gpt, dropout").record(PROMPT)
    drawn = next(tensor for tensor in pass_.list() if tensor.name.endswith("kept"))
    number = drawn[0, 1, 2]
    assert number.kind == "drawn"
    assert number.recomputed is None
    assert "a random draw: 1 with the probability" in str(number.explain())


def test_depth_goes_on_through_the_operations(pass_: Record) -> None:
    number = pass_["logits"][-1, "y"]
    one, two, three = (str(number.explain(depth=depth, shown=2)) for depth in (1, 2, 3))
    assert len(one.splitlines()) == 6
    assert len(one.splitlines()) < len(two.splitlines()) < len(three.splitlines())
    assert "aten.native_layer_norm" in two
    assert "aten.native_layer_norm" not in one
    assert "aten.add.Tensor" in three


def test_of_a_long_sum_twenty_terms_are_shown_and_the_rest_counted_and_summed() -> None:
    x, y = torch.randn(1, 300), torch.randn(300, 1)
    number = recorded(None, lambda: {"out": x @ y}, {"x": x, "y": y})["out"][0, 0]
    lines = str(number.explain()).splitlines()
    assert len(lines) == 3 + 20 + 1
    products = sorted((x[0].double() * y[:, 0].double()).tolist(), key=abs, reverse=True)
    assert lines[-1].endswith("280 more terms, added up")
    rest = float(lines[-1].split()[0].replace("−", "-"))
    assert rest == pytest.approx(sum(products[20:]), rel=1e-5)
    assert [term.value for term in number.terms[:20]] == pytest.approx(products[:20])
    data = number.explain().as_json()
    assert (len(data["terms"]), data["terms_in_all"]) == (20, 300)
    assert data["rest"] == pytest.approx(sum(products[20:]))


def test_the_text_uses_real_signs_and_no_hyphens_for_minus(pass_: Record) -> None:
    text = str(pass_["logits"][-1, "y"].explain(depth=3))
    assert not re.search(r"-\d", text)
    assert "×" in text
    assert "−" in text


def test_html_says_the_same_and_is_escaped() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"<b>out": x + 1}

    number = record(Odd(), torch.ones(1))["<b>out"][0]
    shown = number.explain()._repr_html_()
    assert "&lt;b&gt;out[0] = 2" in shown
    assert "<b>" not in shown
    assert shown.count("<tr>") == len(number.explain().lines)


def test_as_data_it_survives_json_also_where_numbers_are_infinite(pass_: Record) -> None:
    for where in ("logits[0, 3, 4]", "blocks.0.attention.scores[0, 1, 5]", "loss"):
        data = pass_.number(where).explain(depth=2).as_json()
        assert json.loads(json.dumps(data, allow_nan=False)) == data
        assert data["agrees"] is True
    assert pass_.number("blocks.0.attention.scores[0, 1, 5]").explain().as_json()["value"] == "-inf"


def test_the_difference_is_shown_with_what_is_allowed(pass_: Record) -> None:
    number = pass_["blocks.1"][0, 3, 4]
    assert number.difference == number.recomputed - number.value
    assert abs(number.difference) <= 1e-5 * number.magnitude
    assert number.tolerance.relative == 1e-5
    assert "(allowed 1e−05 of the sum of absolute terms, " in str(number.explain())
    exact = pass_["blocks.0.attention.visible"][0, 0, 1, 2]
    assert "whole numbers must be exact" in str(exact.explain())


def test_a_number_that_disagrees_says_so(pass_: Record) -> None:
    number = pass_["blocks.1"][0, 3, 4]
    number.value = number.value + 1e-3  # as a kernel that computes wrongly would leave it
    assert not number.agrees
    assert "THIS IS TOO FAR" in str(number.explain())


def test_a_part_was_never_stored_and_cannot_be_replayed(pass_: Record) -> None:
    part = pass_["logits"][-1, "y"].terms[0]
    assert not isinstance(part, RecordedNumber)
    with pytest.raises(Exception, match="stands in no tensor of the pass"):
        pass_.replay({part: 1.0})


def test_the_smallest_digits_of_a_half_precision_norm_come_from_x() -> None:
    """The stored mean has fewer digits than the kernel used: from it the number would come out wrong."""
    x = 100 + torch.randn(2, 512, generator=torch.Generator().manual_seed(0))
    norm = recorded(None, lambda: {"out": functional.layer_norm(x.bfloat16(), (512,))}, {"x": x})
    assert norm.verify().wrong == 0


def test_a_number_of_a_fused_operation_is_told_without_the_rest_of_its_block(monkeypatch) -> None:
    """What makes a click quick: of the block in between only the row that the sum needs is looked at."""
    name, index = "blocks.1.attention.mixed", (0, 2, -1, 3)
    number = model_of("gpt, fused").record(PROMPT)[name][index]
    assert number.inner is not None
    few = (number.recomputed, number.magnitude, number.difference, [term.magnitude for term in number.terms])
    remembered = number.inner.record
    assert not remembered.magnitudes
    assert sum(map(len, remembered.few_magnitudes.values())) == len(number.terms)
    monkeypatch.setattr(results, "FEW", 10**9)
    whole = model_of("gpt, fused").record(PROMPT)[name][index]
    assert (whole.recomputed, whole.magnitude, whole.difference) == few[:3]
    assert [term.magnitude for term in whole.terms] == few[3]
    assert whole.inner is not None
    assert whole.inner.record.magnitudes


@pytest.mark.parametrize("rule", ["aten._softmax", "aten._log_softmax", "aten.native_layer_norm", "aten.var"])
def test_what_a_row_has_in_common_is_computed_once_and_the_same_for_each_of_its_elements(rule, monkeypatch) -> None:
    x = torch.randn(5, 7, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    calls = {
        "aten._softmax": lambda: x.softmax(1),
        "aten._log_softmax": lambda: x.log_softmax(-1),
        "aten.native_layer_norm": lambda: functional.layer_norm(x, (7, 6)),
        "aten.var": lambda: x.var((0, 2)),
    }
    pass_ = recorded(None, lambda: {"out": calls[rule]()}, {"x": x})
    operation = next(each for each in pass_.operations if each.facts.packet == rule)
    output = operation.outputs[0]
    assert output is not None
    together = results.computed(pass_, operation, 0, output.all_coordinates())
    assert together is not None
    monkeypatch.setattr(evaluate, "in_common", lambda node, asked: None)
    apart = results.computed(pass_, operation, 0, output.all_coordinates())
    assert apart is not None
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)
    np.testing.assert_allclose(together[0].reshape(output.size), pass_["out"].tensor, rtol=1e-10, atol=1e-12)
