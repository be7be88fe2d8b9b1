from __future__ import annotations

import pytest
import torch

from everysum.layers.dropout import Dropout


@pytest.mark.parametrize("probability", [0.1, 0.25, 0.5])
def test_the_share_silenced_is_the_probability_and_the_others_grow(probability: float) -> None:
    torch.manual_seed(1)
    count = 200_000
    survivors = Dropout(probability).train()(torch.ones(1, count, dtype=torch.float64))
    kept = survivors[survivors != 0]
    # five standard deviations of a binomial: a wrong probability fails, chance does so once in two million runs
    assert abs(len(kept) / count - (1 - probability)) < 5 * (probability * (1 - probability) / count) ** 0.5
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - probability)))


def test_outside_training_nothing_happens() -> None:
    hidden = torch.randn(2, 3, 4)
    assert torch.equal(Dropout(0.5).eval()(hidden), hidden)
    assert torch.equal(Dropout(0.0).train()(hidden), hidden)


def test_the_draw_follows_the_global_seed() -> None:
    dropout, hidden = Dropout(0.5).train(), torch.ones(1, 100)
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(dropout(hidden))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
