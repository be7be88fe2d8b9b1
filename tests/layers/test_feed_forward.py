from __future__ import annotations

import math

import pytest
import torch
from small_networks import CONTEXT, logits, randomized, small, tokens
from torch import Tensor

from everysum.layers.activation import ACTIVATIONS
from everysum.layers.dropout import seed_dropout
from everysum.layers.feed_forward import BentTwiceFeedForward, FeedForward, GatedFeedForward


def times(weight: Tensor, vector: list[float]) -> list[float]:
    return [sum(w * x for w, x in zip(row, vector, strict=True)) for row in weight.tolist()]


def test_feed_forward_is_down_of_the_activation_of_up() -> None:
    layer = randomized(FeedForward(3, 5, ACTIVATIONS["relu"], output_deviation=0.02))
    hidden = [0.4, -1.5, 2.0]
    inner = [max(0.0, x + b) for x, b in zip(times(layer.up.weight, hidden), layer.up.bias.tolist(), strict=True)]
    assert min(inner) == 0.0 < max(inner)  # both sides of the bend are tried
    expected = [x + b for x, b in zip(times(layer.down.weight, inner), layer.down.bias.tolist(), strict=True)]
    ours = layer(torch.tensor([hidden], dtype=torch.float64))[0].tolist()
    assert ours == pytest.approx(expected, abs=1e-12)


def test_gated_feed_forward_multiplies_the_two_halves() -> None:
    layer = randomized(GatedFeedForward(3, 5, ACTIVATIONS["silu"], output_deviation=0.02))
    hidden = [0.4, -1.5, 2.0]
    gates = [x / (1 + math.exp(-x)) for x in times(layer.gate.weight, hidden)]
    inner = [gate * x for gate, x in zip(gates, times(layer.up.weight, hidden), strict=True)]
    ours = layer(torch.tensor([hidden], dtype=torch.float64))[0].tolist()
    assert ours == pytest.approx(times(layer.down.weight, inner), abs=1e-12)


def test_positions_do_not_meet_in_a_feed_forward() -> None:
    layer = randomized(FeedForward(3, 5, ACTIVATIONS["gelu"], output_deviation=0.02))
    hidden = torch.randn(1, 4, 3, dtype=torch.float64)
    alone = torch.cat([layer(hidden[:, i : i + 1]) for i in range(4)], dim=1)
    torch.testing.assert_close(layer(hidden), alone, rtol=0, atol=1e-12)


def test_the_articles_feed_forward_bends_after_both_layers() -> None:
    layer = randomized(BentTwiceFeedForward(3, 5, ACTIVATIONS["relu"], dropout=0.5, output_deviation=0.02))
    plain = FeedForward(3, 5, ACTIVATIONS["relu"], output_deviation=0.02).double()
    plain.load_state_dict(layer.state_dict())
    hidden = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert (plain(hidden) < 0).any()  # where the two differ
    assert torch.equal(layer(hidden), plain(hidden).clamp(min=0))


def test_the_articles_feed_forward_drops_after_both_layers() -> None:
    """The inner numbers are all 1 and there are 1000: a half silenced and the rest doubled sums to about 1000."""
    layer = BentTwiceFeedForward(1, 1000, ACTIVATIONS["relu"], bias=False, dropout=0.5, output_deviation=0.0).train()
    layer.up.weight.data, layer.down.weight.data = torch.ones(1000, 1), torch.ones(1, 1000)
    seed_dropout(layer, "1")
    results = layer(torch.ones(400, 1))[:, 0]
    survivors = results[results > 0] / 2
    assert 140 < len(survivors) < 260
    assert (survivors != 1000).any()
    assert survivors.mean().item() == pytest.approx(1000, abs=15)


def test_the_articles_feed_forward_stands_where_the_standard_does_in_a_gpt() -> None:
    network, token_ids = small("gpt_post_norm"), tokens(2, CONTEXT)
    before = logits(network, token_ids)
    for block in network.blocks:
        article = BentTwiceFeedForward(24, 96, ACTIVATIONS["relu"], dropout=0.1, output_deviation=0.02).double()
        article.load_state_dict(block.feed_forward.state_dict())
        block.feed_forward = article.eval()
    assert not torch.allclose(logits(network, token_ids), before)
    network.train()
    network.head(network(token_ids)).square().sum().backward()
    assert network.blocks[0].feed_forward.up.weight.grad.abs().max() > 0
