from __future__ import annotations

import math

import pytest
import torch
from small_networks import assert_same, randomized, tokens
from torch import Tensor

from everysum.layers.attention import Attention, causal, fused, written_out
from everysum.layers.heads import SharedHeads, standard, unscaled
from everysum.layers.layer import initialize
from everysum.models.gpt import GPT

WIDTH, HEADS, HEAD_SIZE = 6, 2, 3


def heads(**changes: object) -> SharedHeads:
    return randomized(SharedHeads(WIDTH, HEADS, **{"head_size": HEAD_SIZE, "shared_width": 5, **changes}))


def hidden(positions: int = 4) -> Tensor:
    return torch.randn(2, positions, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def plain_heads(layer: SharedHeads, rows: list[list[float]]) -> list[float]:
    """What the last of these positions gets, as the article tells it: twice a linear layer, then u·v."""

    def times(name: str, vector: list[float]) -> list[float]:
        return [sum(w * x for w, x in zip(row, vector, strict=True)) for row in layer.get_parameter(name).tolist()]

    shared = {name: [times(f"{name}.shared.weight", row) for row in rows] for name in ("query", "key", "value")}
    result: list[float] = []
    for head in range(HEADS):
        here = slice(head * HEAD_SIZE, (head + 1) * HEAD_SIZE)
        query, key, value = (
            [times(f"{name}.per_head.weight", row)[here] for row in shared[name]] for name in ("query", "key", "value")
        )
        powers = [math.exp(sum(a * b for a, b in zip(query[-1], k, strict=True))) for k in key]
        result += [sum(u * v[i] for u, v in zip(powers, value, strict=True)) / sum(powers) for i in range(HEAD_SIZE)]
    return result


def test_the_articles_heads_are_what_it_says_number_by_number() -> None:
    layer, rows = heads(), hidden()
    assert layer(rows)[1, 3].tolist() == pytest.approx(plain_heads(layer, rows[1].tolist()), abs=1e-12)
    assert layer(rows)[1, 1].tolist() == pytest.approx(plain_heads(layer, rows[1, :2].tolist()), abs=1e-12)


def test_scores_without_the_root_are_the_standard_ones_of_queries_as_much_larger() -> None:
    query, key, value = torch.randn(3, 1, 2, 5, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    assert_same(unscaled(query, key, value, None), written_out(3 * query, key, value, None), 1e-12)
    seen = torch.ones(1, 1, 5, 5, dtype=torch.bool)
    scores = (query @ key.mT).softmax(dim=-1)
    assert_same(unscaled(query, key, value, seen), scores @ value, 1e-12)
    assert not torch.allclose(unscaled(query, key, value, seen), unscaled(query, key, value, causal(5, 5, seen.device)))


@pytest.mark.parametrize("engine", [unscaled, written_out, fused])
@pytest.mark.parametrize("shared_width", [2, 6, 20])
def test_the_articles_heads_fold_into_the_standard_ones(engine, shared_width: int) -> None:
    layer, rows = heads(engine=engine, shared_width=shared_width), hidden()
    folded = standard(layer)
    assert type(folded) is Attention
    assert_same(folded(rows), layer(rows), 1e-12)


def test_the_gradient_reaches_both_layers() -> None:
    layer, rows = heads(), hidden(3)
    names = [name for name, _ in layer.named_parameters()]
    assert names == [f"{of}.{part}.weight" for of in ("query", "key", "value") for part in ("shared", "per_head")]
    parameters = [parameter.detach().requires_grad_() for parameter in layer.parameters()]
    assert torch.autograd.gradcheck(
        lambda *numbers: torch.func.functional_call(layer, dict(zip(names, numbers, strict=True)), rows), parameters
    )


def test_they_can_be_put_into_a_gpt_and_trained_in_it() -> None:
    network = GPT(vocabulary_size=29, context_length=8, width=6, layers=1, heads=2, wiring="post_norm")
    network.blocks[0].attention = SharedHeads(6, 2, head_size=3)
    initialize(network, 1)
    token_ids = tokens(2, 8)
    logits = network.head(network(token_ids))
    logits.square().sum().backward()
    gradients = [parameter.grad.abs().max() for parameter in network.blocks[0].attention.parameters()]
    assert len(gradients) == 6
    assert min(gradients) > 0


def test_they_decode_with_a_cache_as_without() -> None:
    network = randomized(GPT(vocabulary_size=29, context_length=8, width=6, layers=1, heads=2))
    network.blocks[0].attention = randomized(SharedHeads(6, 2, head_size=3))
    token_ids, cache = tokens(1, 8), network.new_cache(1, 8)
    pieces = [network(token_ids[:, start : start + 4], cache=cache) for start in (0, 4)]
    assert_same(torch.cat(pieces, dim=1), network(token_ids), 1e-12)
