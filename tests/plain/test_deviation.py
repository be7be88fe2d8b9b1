"""Mean, variance and standard deviation."""

from __future__ import annotations

import torch
from plain_and_torch import assert_held_together, draw, plain

from everysum.plain.deviation import deviation, differences, mean, variance
from everysum.plain.vector import numbers


def test_figures_by_hand() -> None:
    """Of 2, 4, 4, 4, 5, 5, 7, 9 the mean is 5, the squared differences add up to 32, and 32 ÷ 8 is 2²."""
    values = numbers("2 4 4 4 5 5 7 9")
    assert [mean(values).value, variance(values).value, deviation(values).value] == [5, 4, 2]
    assert sum(each.value for each in differences(values)) == 0


def test_numbers_that_are_the_same_have_no_deviation() -> None:
    assert deviation(numbers("3 3 3")).value == 0


def test_it_is_torchs_divided_by_n() -> None:
    x = draw(7)
    ours = plain(x)
    theirs = torch.stack([x.mean(), x.var(correction=0), x.std(correction=0)])
    assert_held_together([mean(ours), variance(ours), deviation(ours)], theirs, [(ours, x)])
