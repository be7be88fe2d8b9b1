"""Losses, steps, epochs; gradients that vanish and explode."""

from __future__ import annotations

from random import Random

import pytest
import torch
from plain_and_torch import assert_held_together, draw, plain, values
from torch import nn
from torch.nn import functional

from everysum.plain.classifier import FLOWER, KINDS, LEAF, largest
from everysum.plain.gradient import gradients_down, tower
from everysum.plain.linear import random_linear, random_matrix
from everysum.plain.loss import cross_entropy, sum_of_differences
from everysum.plain.network import activated, forward, relu
from everysum.plain.number import Number
from everysum.plain.overfitting import curves
from everysum.plain.residual import residual
from everysum.plain.softmax import logistic, softmax
from everysum.plain.training import (
    descend,
    falling,
    gradients,
    gradients_by_nudging,
    move,
    parameters,
    steady,
    train,
)
from everysum.plain.vector import Vector, numbers

SMALL_LEAF, SMALL_FLOWER = ([Number(number.value / 100) for number in inputs] for inputs in (LEAF, FLOWER))


def test_the_articles_loss() -> None:
    assert sum_of_differences(numbers("0.6 0.4"), [0.8, 0.2]).value == pytest.approx(0.4)


def test_without_a_limit_the_right_choice_can_cost_more() -> None:
    """(5, 1) chooses the first, as wanted, and loses 5; (0, 1) does not, and loses 2. Through logistic it is right."""
    assert sum_of_differences(numbers("5 1"), [1, 0]).value == 5
    assert sum_of_differences(numbers("0 1"), [1, 0]).value == 2
    right, wrong = ([logistic(number) for number in numbers(outputs)] for outputs in ("5 1", "0 1"))
    assert sum_of_differences(right, [1, 0]).value < sum_of_differences(wrong, [1, 0]).value


def test_each_output_needs_a_wanted_number() -> None:
    with pytest.raises(ValueError, match="each output needs a wanted number"):
        sum_of_differences(numbers("5 1"), [1])


def test_the_losses_are_torchs() -> None:
    x, wanted = draw(5), draw(5, seed=1).detach()
    ours = plain(x)
    differences = (wanted - x).abs().sum()
    assert_held_together([sum_of_differences(ours, wanted.tolist())], differences[None], [(ours, x)])
    theirs = functional.cross_entropy(x, torch.tensor(2))
    assert_held_together([cross_entropy(ours, 2)], theirs[None], [(ours, x)])


def test_cross_entropys_gradient_is_the_chance_less_one_where_it_is_wanted() -> None:
    outputs = numbers("0.5 −1 2")
    cross_entropy(outputs, 0).backward()
    expected = [chance.value - wanted for chance, wanted in zip(softmax(outputs), [1, 0, 0], strict=True)]
    assert [output.gradient for output in outputs] == pytest.approx(expected)


def test_cross_entropy_does_not_overflow() -> None:
    assert cross_entropy(numbers([1e4, 0.0]), 1).value == 1e4


def small_network(seed: int = 1) -> tuple[list[list[Vector]], Vector]:
    random = Random(seed)
    layers = [random_matrix(3, 4, random, 0.5), random_matrix(2, 3, random, 0.5)]
    return layers, parameters(layers)


def both() -> list[tuple[Vector, int]]:
    return [(SMALL_LEAF, 0), (SMALL_FLOWER, 1)]


def test_one_small_step_lowers_the_loss() -> None:
    layers, movable = small_network()

    def loss() -> Number:
        return sum_of_differences(forward(SMALL_LEAF, layers)[-1], [0.8, 0.2])

    before = loss()
    before.backward()
    move(movable, 0.001)
    assert loss().value < before.value


def test_by_nudging_and_by_formula_training_goes_the_same_way() -> None:
    layers, movable = small_network()
    loss = sum_of_differences(forward(SMALL_LEAF, layers, relu)[-1], [0.8, 0.2])
    assert gradients(loss, movable) == pytest.approx(gradients_by_nudging(loss, movable), abs=1e-7)


def test_leaf_and_flower_are_learned_from_random_weights() -> None:
    layers, movable = small_network()

    def loss_of(example: tuple[Vector, int]) -> Number:
        inputs, kind = example
        return cross_entropy(forward(inputs, layers, relu)[-1], kind)

    losses = train(both(), loss_of, movable, epochs=200, rate=0.2)
    assert losses[-1] < 0.05 < losses[0]
    assert [largest(forward(inputs, layers, relu)[-1]) for inputs, _ in both()] == list(KINDS)


def test_a_step_that_suits_one_example_harms_the_other_and_the_average_serves_both() -> None:
    layers, movable = small_network()

    def losses() -> list[Number]:
        return [cross_entropy(forward(inputs, layers)[-1], kind) for inputs, kind in both()]

    start = [number.value for number in movable]
    before = [loss.value for loss in losses()]
    losses()[0].backward()
    move(movable, 0.3)
    alone = [loss.value for loss in losses()]
    for number, value in zip(movable, start, strict=True):
        number.value = value
    train(
        both(), lambda example: cross_entropy(forward(example[0], layers)[-1], example[1]), movable, epochs=1, rate=0.3
    )
    together = [loss.value for loss in losses()]
    assert alone[0] < before[0]
    assert alone[1] > before[1]
    assert sum(together) < sum(before)


def test_descent_follows_torchs() -> None:
    """The same start, the same examples, the same plain steps: the same losses."""
    random = Random(3)
    ours = [random_linear(4, 5, random), random_linear(5, 2, random)]
    theirs = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    for linear, module in zip(ours, (theirs[0], theirs[2]), strict=True):
        module.weight.data = values(linear.weight).reshape(module.weight.shape)
        module.bias.data = torch.zeros_like(module.bias)

    def loss_of(example: tuple[Vector, int]) -> Number:
        return cross_entropy(ours[1](activated(ours[0](example[0]))), example[1])

    heard: list[tuple[int, float]] = []
    losses = train(
        both(),
        loss_of,
        parameters(ours),
        epochs=30,
        rate=0.3,
        progress=lambda done, loss: heard.append((done, loss)),
    )
    assert heard == list(enumerate(losses, start=1))
    inputs = torch.tensor([[number.value for number in each] for each, _ in both()], dtype=torch.float64)
    optimizer, expected = torch.optim.SGD(theirs.parameters(), lr=0.3), []
    for _ in range(30):
        loss = functional.cross_entropy(theirs(inputs), torch.tensor([0, 1]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    assert losses == pytest.approx(expected, abs=1e-9)


def test_a_parameter_that_a_step_does_not_use_does_not_move() -> None:
    """Its gradient from the step before is past."""
    x, y = Number(1), Number(1)
    descend(lambda step: [x * 3, y * 2][step], [x, y], steps=2, rate=steady(0.1))
    assert (x.value, y.value) == (pytest.approx(0.7), 0.8)


def test_the_rate_may_fall_to_nothing() -> None:
    assert [falling(0.4, 4)(step) for step in range(4)] == [0.4, pytest.approx(0.3), 0.2, pytest.approx(0.1)]
    assert {steady(0.4)(step) for step in range(4)} == {0.4}
    x = Number(1)
    descend(lambda _: x * 1, [x], steps=2, rate=falling(1.0, 2))
    assert x.value == 1 - 1.0 - 0.5


def test_parameters_are_found_once_each_and_sums_are_not_among_them() -> None:
    shared = Number(1)
    assert parameters([shared, [(shared, Number(2) + 3)], {"no": "number"}, None]) == [shared]


@pytest.mark.parametrize(("weight", "expected"), [("0.5", 0.5**10), ("2", 2.0**10)])
def test_gradients_vanish_and_explode(weight: str, expected: float) -> None:
    factor = Number(weight)
    found = gradients_down(tower(Number("0.3"), lambda x: x * factor, 10))
    assert found[0] == pytest.approx(expected)
    assert found[-1] == 1
    assert sorted(found, reverse=float(weight) > 1) == found


def test_a_logistic_tower_keeps_at_most_a_quarter_a_floor_and_a_residual_one_loses_nothing() -> None:
    start = Number("0.3")
    assert gradients_down(tower(start, logistic, 10))[0] < 0.25**10
    past = tower(start, lambda x: residual([[x]], lambda hidden: [[logistic(hidden[0][0])]])[0][0], 10)
    assert gradients_down(past)[0] > 1


def test_learning_by_heart_shows_on_what_was_held_out_and_dropout_holds_against_it() -> None:
    by_heart, with_dropout = (curves(probability, seed=3, epochs=60) for probability in (0.0, 0.5))
    seen, held_out = zip(*by_heart, strict=True)
    assert seen[-1] < 0.1
    assert held_out[-1] > 1.3 * min(held_out)
    assert by_heart[-1][0] < with_dropout[-1][0]
    assert by_heart[-1][1] > 1.2 * with_dropout[-1][1]
