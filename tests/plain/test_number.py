"""A number that remembers how it was made: its value, its gradient in two ways, and its sum in figures."""

from __future__ import annotations

import math
from collections.abc import Callable

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from plain_and_torch import assert_held_together, draw, plain

from everysum.plain import operations as of
from everysum.plain.number import Number, behind, gradient_by_nudging, made, nudged
from everysum.plain.operations import Operation
from everysum.plain.vector import numbers, total, weighted_sum
from everysum.plain.writing import figure

OF_ONE: dict[Operation, Callable[[torch.Tensor], torch.Tensor]] = {
    of.NEGATIVE: torch.neg,
    of.ABSOLUTE: torch.abs,
    of.ROOT: torch.sqrt,
    of.EXPONENTIAL: torch.exp,
    of.LOGARITHM: torch.log,
    of.SINE: torch.sin,
    of.COSINE: torch.cos,
    of.RELU: torch.relu,
    of.TANH: torch.tanh,
    of.LOGISTIC: torch.sigmoid,
    of.NORMAL_SHARE: torch.special.ndtr,
    of.power(3): lambda x: x**3,
    of.power(-2): lambda x: x**-2.0,
}
OF_POSITIVE = (of.ROOT, of.LOGARITHM)


@pytest.mark.parametrize("operation", OF_ONE, ids=lambda operation: operation.name)
@pytest.mark.parametrize("value", [-30.0, -1.25, -0.5, 0.75, 2.5, 30.0])
def test_an_operation_with_one_parent_computes_what_torch_does(operation: Operation, value: float) -> None:
    value = abs(value) if operation in OF_POSITIVE else value
    value = value / 10 if operation is of.EXPONENTIAL else value
    x = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    number = Number(value)
    ours, theirs = made(operation, number), OF_ONE[operation](x)
    ours.backward()
    theirs.backward()
    assert ours.value == pytest.approx(theirs.item(), rel=1e-12)
    assert number.gradient == pytest.approx(x.grad.item(), rel=1e-12, abs=1e-15)


OF_SEVERAL: dict[Operation, Callable[[torch.Tensor], torch.Tensor]] = {
    of.SUM: torch.sum,
    of.DIFFERENCE: lambda x: x[0] - x[1],
    of.PRODUCT: lambda x: x[0] * x[1],
    of.QUOTIENT: lambda x: x[0] / x[1],
    of.WEIGHTED_SUM: lambda x: x[: len(x) // 2] @ x[len(x) // 2 : 2 * (len(x) // 2)] + x[2 * (len(x) // 2) :].sum(),
    of.LOG_TOTAL: lambda x: x.logsumexp(0),
}


@pytest.mark.parametrize(
    ("operation", "count"),
    [
        (of.SUM, 5),
        (of.DIFFERENCE, 2),
        (of.PRODUCT, 2),
        (of.QUOTIENT, 2),
        (of.WEIGHTED_SUM, 6),
        (of.WEIGHTED_SUM, 7),
        (of.LOG_TOTAL, 5),
    ],
)
def test_an_operation_with_several_parents_computes_what_torch_does(operation: Operation, count: int) -> None:
    x = draw(count, seed=count)
    parents = plain(x)
    assert_held_together(made(operation, *parents), OF_SEVERAL[operation](x), [(parents, x)])


def test_every_operation_is_held_against_torch() -> None:
    there = {operation for operation in vars(of).values() if isinstance(operation, Operation)}
    assert there - {of.GIVEN} <= {*OF_ONE, *OF_SEVERAL}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("+−×÷max"), st.integers(), st.integers()), max_size=12), st.integers(1, 99))
def test_gradient_by_formula_is_gradient_by_nudging(steps: list[tuple[str, int, int]], seed: int) -> None:
    """In any tangle of sums: numbers are used again and again, as random steps choose them."""
    start = [Number(0.3 + 0.1 * ((seed + 7 * i) % 9)) for i in range(3)]
    made_so_far = list(start)
    for sign, first, second in steps:
        a, b = (made_so_far[place % len(made_so_far)] for place in (first, second))
        # each result is brought back to a size at which a nudge says something
        squashed = {"+": a + b, "−": a - b, "×": a * b, "÷": a / (b * b + 1)}.get(sign, made(of.RELU, a - 2) + b)
        made_so_far.append(made(of.TANH, squashed))
    result = total(made_so_far)
    result.backward()
    for number in start:
        assert number.gradient == pytest.approx(gradient_by_nudging(result, number), rel=1e-6, abs=1e-6)


def test_a_number_used_twice_gets_both_gradients() -> None:
    x = Number(3)
    (x * x + x).backward()
    assert x.gradient == 7


def test_backward_starts_anew_each_time() -> None:
    x = Number(3)
    result = x * 2
    result.backward()
    result.backward()
    assert x.gradient == 2


def test_nudging_moves_only_what_depends_on_the_number() -> None:
    x, y = Number(3), Number(5)
    result = x * 2 + y
    assert nudged(result, x, 4.0) == 13.0
    assert nudged(result, Number(1), 4.0) == 11.0
    assert (result.value, x.value) == (11.0, 3.0)


def test_a_number_in_the_middle_can_be_nudged_too() -> None:
    middle = Number(3) * 2
    assert nudged(middle + 1, middle, 10.0) == 11.0


def test_a_graph_a_hundred_thousand_deep_works() -> None:
    start = number = Number(1)
    for _ in range(100_000):
        number = number + 1
    number.backward()
    assert start.gradient == 1
    assert len(behind(number)) == 200_001
    assert nudged(number, start, 5.0) == 100_005
    assert number.sums(None).count("\n") == 99_999
    assert number.sums().count("\n") == 0


def test_bare_numbers_stand_on_either_side() -> None:
    x = Number("4")
    assert [str(each) for each in (2 + x, 2 - x, 2 * x, 2 / x)] == [
        "6 = 2 + 4",
        "−2 = 2 − 4",
        "8 = 2 × 4",
        "0.5 = 2 ÷ 4",
    ]
    assert [str(each) for each in (x + 2, x - 2, x * 2, x / 2)] == ["6 = 4 + 2", "2 = 4 − 2", "8 = 4 × 2", "2 = 4 ÷ 2"]
    assert sum([x, x, x]).value == 12
    assert float(x) == 4.0


def test_a_number_prints_its_sum_in_figures() -> None:
    inputs, weights = numbers("32 107 56 11.2"), numbers("0.10 -0.29 -0.07 0.46")
    assert str(weighted_sum(inputs, weights)) == "−26.598 = 32 × 0.10 + 107 × −0.29 + 56 × −0.07 + 11.2 × 0.46"
    assert str(weighted_sum(inputs, weights, Number("0.25"))).endswith("11.2 × 0.46 + 0.25")
    assert str(weighted_sum(inputs, weights, Number("-0.25"))).endswith("11.2 × 0.46 − 0.25")


def test_a_given_number_prints_as_it_was_written() -> None:
    assert [str(Number(given)) for given in ("0.10", "−0.29", 0.1, 32, -1.5)] == ["0.10", "−0.29", "0.1", "32", "−1.5"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Number(-3) - Number(-2), "−1 = −3 − (−2)"),
        (Number(-3) / Number(-2), "1.5 = −3 ÷ (−2)"),
        (Number(-3) ** 2, "9 = (−3)²"),
        (Number(2) ** -2, "0.25 = 2⁻²"),
        (-Number(3), "−3 = −(3)"),
        (abs(Number(-3)), "3 = |−3|"),
        (made(of.ROOT, Number(2)), "1.4142 = √2"),
        (made(of.EXPONENTIAL, Number(-1)), "0.36788 = e^(−1)"),
        (made(of.RELU, Number(-1)), "0 = max(0, −1)"),
        (made(of.LOG_TOTAL, Number(0), Number(0)), "0.69315 = ln(e^(0) + e^(0))"),
        (total(numbers([1, -2, 3])), "2 = 1 − 2 + 3"),
    ],
    ids=str,
)
def test_each_operation_is_written_as_on_paper(number: Number, text: str) -> None:
    assert str(number) == text


def test_sums_are_shown_to_any_depth_and_each_only_once() -> None:
    a = Number("2") * Number("3")
    b = a + Number("1")
    result = b * a
    assert result.sums(1) == "42 = 7 × 6"
    assert result.sums(2) == "42 = 7 × 6\n  7 = 6 + 1\n  6 = 2 × 3"
    assert result.sums(None) == result.sums(3) == result.sums(2)
    assert (result + 1).sums(3) == "43 = 42 + 1\n  42 = 7 × 6\n    7 = 6 + 1\n    6 = 2 × 3"


def test_a_long_sum_stands_in_columns_and_loses_no_term() -> None:
    inputs, weights = numbers(range(1, 61)), numbers([0.25] * 60)
    text = str(weighted_sum(inputs, weights))
    lines = text.split("\n")
    assert max(map(len, lines)) <= 100
    assert all(line[lines[0].index("=") + 2] in " +" for line in lines)
    columns = [[place for place, character in enumerate(line) if character == "+"] for line in lines[1:]]
    assert all(column == columns[0][: len(column)] for column in columns)
    assert [term.split() for term in text.split("=")[1].replace("\n", " ").split("+")] == [
        [str(i), "×", "0.25"] for i in range(1, 61)
    ]


def test_a_sum_is_what_it_was_when_it_was_made_whatever_training_does_to_its_parts() -> None:
    weight, inputs = Number("0.10"), Number("32")
    result = weight * inputs
    weight.value = 0.2
    result.backward()
    assert (str(result), inputs.gradient) == ("3.2 = 0.10 × 32", 0.10)
    assert nudged(result, inputs, 10.0) == 1.0
    assert (str(weight), str(weight * inputs)) == ("0.2", "6.4 = 0.2 × 32")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.795842, "0.79584"),
        (-26.598000000000003, "−26.598"),
        (1472.0, "1472"),
        (123456.7, "123457"),
        (0.00001234567, "0.000012346"),
        (1.5e-9, "1.5·10⁻⁹"),
        (-2.5e20, "−2.5·10²⁰"),
        (0.0, "0"),
        (-0.0, "0"),
        (math.inf, "inf"),
        (100.0, "100"),
    ],
)
def test_figures_have_five_digits_and_whole_numbers_all_of_theirs(value: float, text: str) -> None:
    assert figure(value) == text


def test_each_input_needs_a_weight() -> None:
    with pytest.raises(ValueError, match="2 numbers on one side, 3 on the other: a weighted sum needs one weight"):
        weighted_sum(numbers([1, 2]), numbers([1, 2, 3]))
