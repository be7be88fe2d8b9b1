from __future__ import annotations

import pytest
import torch
from torch import nn

from everysum.layers.dropout import Dropout, seed_dropout


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


def test_the_draw_is_a_function_of_the_seed_and_of_the_place_in_the_network() -> None:
    network, hidden = nn.ModuleList([Dropout(0.5), Dropout(0.5)]).train(), torch.ones(1, 100)

    def draws(seed: str) -> list[torch.Tensor]:
        seed_dropout(network, seed)
        return [layer(hidden) for layer in network]

    first = draws("1/0")
    torch.manual_seed(7)  # nothing else that is drawn meanwhile matters
    again = draws("1/0")
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], draws("1/1")[0])


def test_one_layer_draws_anew_each_time() -> None:
    dropout, hidden = Dropout(0.5).train(), torch.ones(1, 100)
    assert not torch.equal(dropout(hidden), dropout(hidden))


def test_the_gradient_passes_where_the_number_passed() -> None:
    dropout = Dropout(0.25).train()
    hidden = torch.randn(3, 50, dtype=torch.float64, requires_grad=True)
    result = dropout(hidden)
    result.sum().backward()
    torch.testing.assert_close(hidden.grad, (result != 0) / torch.tensor(0.75, dtype=torch.float64))
