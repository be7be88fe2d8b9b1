from __future__ import annotations

import itertools

import pytest
import torch
from small_networks import assert_same
from torch import nn

from everysum.layers.dropout import ConnectionDropout, Dropout, seed_dropout
from everysum.layers.linear import Linear


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


# --- the article's: connections instead of neurons --------------------------------------------------------------------


def connections(probability: float, inputs: int = 3, outputs: int = 2) -> ConnectionDropout:
    layer = ConnectionDropout(Linear(inputs, outputs, bias=True), probability).double()
    for parameter in layer.parameters():
        parameter.data = torch.randn(parameter.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return layer


@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_the_share_of_connections_deleted_is_the_probability_and_the_others_keep_their_weight(
    probability: float,
) -> None:
    layer = ConnectionDropout(Linear(400, 500), probability).double().train()
    layer.linear.weight.data = torch.ones(500, 400, dtype=torch.float64)
    seed_dropout(layer, "1")
    seen = layer(torch.eye(400, dtype=torch.float64))  # one input at a time: the weights as they were used
    assert set(seen.unique().tolist()) == {0.0, 1.0}
    count = seen.numel()
    assert abs(seen.mean().item() - (1 - probability)) < 5 * (probability * (1 - probability) / count) ** 0.5


def test_afterwards_all_weights_count_times_what_was_kept_and_biases_stay() -> None:
    layer, hidden = connections(0.25).eval(), torch.tensor([[0.5, -2.0, 3.0]], dtype=torch.float64)
    linear = layer.linear
    assert_same(layer(hidden), hidden @ linear.weight.T * 0.75 + linear.bias, 1e-14)


def test_the_smaller_weights_give_the_mean_over_every_way_to_delete_some() -> None:
    """An ensemble in disguise: 2⁶ networks share their weights, and each way is as likely as its deletions."""
    layer, hidden = connections(0.3), torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)
    weight, bias = layer.linear.weight, layer.linear.bias
    mean = torch.zeros(2, dtype=torch.float64)
    for kept in itertools.product([0.0, 1.0], repeat=6):
        share = torch.tensor(kept, dtype=torch.float64).reshape(2, 3)
        mean += 0.7 ** sum(kept) * 0.3 ** (6 - sum(kept)) * (weight * share @ hidden + bias)
    assert_same(layer.eval()(hidden), mean, 1e-14)


def test_without_deletions_connection_dropout_is_its_layer() -> None:
    layer, hidden = connections(0.0), torch.randn(4, 3, dtype=torch.float64)
    assert torch.equal(layer.train()(hidden), layer.linear(hidden))


def test_connections_are_deleted_anew_each_time_by_the_seed_of_their_place() -> None:
    network, hidden = nn.ModuleList([connections(0.5, 20), connections(0.5, 20)]).train(), torch.ones(1, 20).double()
    seed_dropout(network, "1/0")
    first = [network[0](hidden), network[0](hidden), network[1](hidden)]
    seed_dropout(network, "1/0")
    assert torch.equal(first[0], network[0](hidden))
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(first, 2))


def test_only_weights_that_were_kept_get_a_gradient() -> None:
    layer = connections(0.5, 20).train()
    layer(torch.ones(1, 20, dtype=torch.float64)).sum().backward()
    assert set(layer.linear.weight.grad.unique().tolist()) == {0.0, 1.0}
    assert layer.linear.bias.grad.tolist() == [1.0, 1.0]
