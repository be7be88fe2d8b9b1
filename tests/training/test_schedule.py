"""The learning rate: up in a line, then down in a line, by hand and in general."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from everysum.training.schedule import SCHEDULES, inverse_square_root_at, rate_at

shares = some.floats(0, 0.99)


def test_by_hand_it_rises_stays_and_falls() -> None:
    rates = [rate_at(step, 10, warmup_share=0.4, decay_share=0.3, final_rate=0.1) for step in range(10)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 0.1 + 0.9 * 2 / 3, 0.1 + 0.9 / 3])


def test_with_neither_it_stays() -> None:
    assert [rate_at(step, 5, warmup_share=0, decay_share=0) for step in range(5)] == [1.0] * 5


def test_a_run_of_one_step_takes_it_in_full() -> None:
    assert rate_at(0, 1) == 1.0


@settings(deadline=None)
@given(some.integers(1, 2000), shares, some.floats(0, 1), shares)
def test_it_is_never_zero_nor_above_one_and_ends_near_the_last_rate(
    steps: int, warmup: float, decay: float, final: float
) -> None:
    rates = [
        rate_at(step, steps, warmup_share=warmup, decay_share=decay, final_rate=final)
        for step in range(0, steps, max(1, steps // 50))
    ]
    assert all(0 < rate <= 1 for rate in rates)
    last = rate_at(steps - 1, steps, warmup_share=warmup, decay_share=decay, final_rate=final)
    if decay * steps >= 1:
        assert last <= final + (1 - final) / (decay * steps) + 1e-12
        assert last >= final - 1e-12


@settings(deadline=None)
@given(some.integers(2, 500), shares, some.floats(0.01, 1), shares)
def test_it_turns_only_once(steps: int, warmup: float, decay: float, final: float) -> None:
    rates = [rate_at(s, steps, warmup_share=warmup, decay_share=decay, final_rate=final) for s in range(steps)]
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


@settings(deadline=None)
@given(some.integers(1, 300), shares, some.floats(0, 1), shares)
def test_it_is_the_smaller_of_two_lines(steps: int, warmup: float, decay: float, final: float) -> None:
    for step in range(0, steps, 7):
        rising = min(1.0, (step + 1) / (warmup * steps)) if warmup * steps else 1.0
        falling = min(1.0, (steps - step) / (decay * steps)) if decay * steps else 1.0
        expected = min(rising, final + (1 - final) * falling)
        found = rate_at(step, steps, warmup_share=warmup, decay_share=decay, final_rate=final)
        assert found == pytest.approx(expected, rel=1e-12)


def test_the_papers_schedule_by_hand() -> None:
    """Up over 4 of 16 steps, then 1/√step: half the rate at four times the warm-up."""
    rates = [inverse_square_root_at(step, 16, warmup_share=0.25) for step in range(16)]
    assert rates[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert rates[15] == pytest.approx(0.5)
    assert rates[8] == pytest.approx((4 / 9) ** 0.5)
    width, warmup = 512, 4000  # the paper's own formula, as a share of its highest rate
    for step in (0, 100, 3999, 4000, 99_999):
        theirs = width**-0.5 * min((step + 1) ** -0.5, (step + 1) * warmup**-1.5)
        highest = width**-0.5 * warmup**-0.5
        assert inverse_square_root_at(step, 100_000, warmup_share=0.04) == pytest.approx(theirs / highest)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_stays_between_nothing_and_the_full_rate(name: str) -> None:
    for steps, warmup in ((1, 0.0), (7, 0.3), (500, 0.02)):
        rates = [SCHEDULES[name](step, steps, warmup_share=warmup, decay_share=0.5) for step in range(steps)]
        assert all(0 < rate <= 1 for rate in rates)
