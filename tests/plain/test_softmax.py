"""Softmax, drawing by chances, and the tree of continuations: by hand, and as in torch and `generation/`."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_and_torch import assert_held_together, draw, plain, values
from small_networks import assert_same, small

from everysum.generation import continuations as torch_continuations
from everysum.generation.sampling import Sampling, probabilities
from everysum.plain.continuations import tree, ways
from everysum.plain.number import Number
from everysum.plain.softmax import capped, drawn, likeliest, logistic, softmax
from everysum.plain.vector import Vector, numbers


def figures(vector: Vector) -> list[float]:
    return [number.value for number in vector]


def test_chances_by_hand() -> None:
    assert figures(softmax(numbers([0, math.log(3)]))) == pytest.approx([0.25, 0.75])
    assert figures(softmax(numbers([5, 5, 5, 5]))) == [0.25] * 4


@settings(deadline=None)
@given(st.lists(st.floats(-700, 700), min_size=1, max_size=10))
def test_any_numbers_become_chances_in_the_same_order(given: list[float]) -> None:
    chances = figures(softmax(numbers(given)))
    assert sum(chances) == pytest.approx(1)
    assert all(0 <= chance <= 1 for chance in chances)
    assert sorted(range(len(given)), key=lambda i: (chances[i], given[i])) == sorted(
        range(len(given)), key=lambda i: (given[i], chances[i])
    )


def test_numbers_of_any_size_can_be_computed() -> None:
    assert figures(softmax(numbers([1e6, 0, -1e6]))) == [1, 0, 0]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
def test_softmax_is_torchs_at_every_temperature(temperature: float) -> None:
    x = draw(6)
    ours = plain(x)
    assert_held_together(softmax(ours, temperature), (x / temperature).softmax(0), [(ours, x)])
    assert_same(values(softmax(ours, temperature)), probabilities(x.detach(), Sampling(temperature=temperature)))


def test_low_temperatures_sharpen_and_high_ones_level() -> None:
    outputs = numbers("1 2 4")
    tops = [softmax(outputs, temperature)[2].value for temperature in (0.1, 0.5, 1, 2, 100)]
    assert tops == sorted(tops, reverse=True)
    assert tops[0] == pytest.approx(1)
    assert tops[-1] == pytest.approx(1 / 3, abs=0.01)
    with pytest.raises(ValueError, match="take one above 0"):
        softmax(outputs, 0)


def test_softmax_of_two_is_the_logistic_function_of_their_difference() -> None:
    a, b = Number("0.79584"), Number("0.25122")
    assert figures(softmax([a, b])) == pytest.approx([logistic(a - b).value, logistic(b - a).value])


def test_the_logistic_function_keeps_the_order_and_a_half_is_its_middle() -> None:
    found = figures([logistic(number) for number in numbers([-800, -2, -1, 0, 1, 2, 800])])
    assert found == sorted(found)
    assert (found[0], found[3], found[-1]) == (0, 0.5, 1)


def test_capping_forgets_the_order_and_passes_no_gradient_back() -> None:
    assert figures([capped(number) for number in numbers("−3 0.25 5 7")]) == [0, 0.25, 1, 1]
    x = Number(5)
    capped(x).backward()
    assert x.gradient == 0


def test_a_near_tie_is_nearly_even_and_the_likeliest_is_only_just_it() -> None:
    outputs = numbers("0.1 4.0 3.9")  # b, u, m after "humpty d…"
    chances = figures(softmax(outputs))
    assert chances[1:] == pytest.approx([0.52, 0.47], abs=0.01)
    assert likeliest(outputs) == 1


def test_places_are_drawn_as_often_as_their_chances_say() -> None:
    random = Random(1)
    counts = Counter(drawn(numbers([0.5, 0.0, 0.3, 0.2]), random) for _ in range(4000))
    assert [counts[place] / 4000 for place in range(4)] == pytest.approx([0.5, 0, 0.3, 0.2], abs=0.03)
    assert counts[1] == 0


def test_a_pin_beyond_the_end_falls_on_the_likeliest() -> None:
    class End(Random):
        def random(self) -> float:
            return 1.0

    assert drawn(numbers([0.25, 0.5, 0.25]), End()) == 1


CHANCES = {(): [0.6, 0.4], (0,): [0.5, 0.5], (1,): [0.1, 0.9]}


def test_a_second_choice_can_lead_to_the_better_whole() -> None:
    """0 first is likelier, 0.6; but 1 and then 1 has 0.4 × 0.9 = 0.36, more than 0.6 × 0.5 = 0.3."""
    found = tree(lambda tokens: numbers(CHANCES[tokens]), (), length=2, choices=2)
    assert [(branch.token, branch.chance) for branch in found] == [(0, 0.6), (1, 0.4)]
    assert ways(found)[0] == ((1, 1), pytest.approx(0.36))
    assert sum(chance for _, chance in ways(found)) == pytest.approx(1)
    greedy = tree(lambda tokens: numbers(CHANCES[tokens]), (), length=2, choices=1)
    assert ways(greedy) == [((0, 0), pytest.approx(0.3))]


def test_the_tree_has_the_continuations_that_beam_search_finds_in_torch() -> None:
    """A tree that tries every token at every step misses nothing; neither does a beam as wide."""
    network = small("gpt", vocabulary_size=5, width=8, heads=2, layers=1)

    def chances_after(tokens: tuple[int, ...]) -> Vector:
        with torch.no_grad():
            return numbers(probabilities(network.head(network(torch.tensor([tokens])))[0, -1]).tolist())

    ours = ways(tree(chances_after, (3, 1), length=3, choices=5))
    theirs = torch_continuations.continuations(network, [3, 1], count=10, length=3, width=125)
    assert len(ours) == 125
    assert [way for way, _ in ours[:10]] == [each.token_ids for each in theirs]
    assert [chance for _, chance in ours[:10]] == pytest.approx([each.probability for each in theirs], rel=1e-9)
