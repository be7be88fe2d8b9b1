from __future__ import annotations

import math

import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import assert_same, randomized
from torch import Tensor

from everysum.layers.attention import ENGINES, Attention, attention_weights, causal, fused, written_out
from everysum.layers.positions import RotaryPositions


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def some_visible(*shape: int, seed: int = 0) -> Tensor:
    """A random mask in which every query sees at least one key."""
    visible = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    visible[..., 0] |= ~visible.any(dim=-1)
    return visible


def plain_attention(query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """Vaswani et al. (2017), equation 1, one number after another; `visible` is (batch, heads, query, key)."""
    batch, heads, queries, head_size = query.shape
    group = heads // key.shape[1]
    mixed = torch.zeros_like(query)
    for row in range(batch):
        for head in range(heads):
            keys, values = key[row, head // group].tolist(), value[row, head // group].tolist()
            for position in range(queries):
                asked = query[row, head, position].tolist()
                exponentials = [
                    math.exp(sum(a * b for a, b in zip(asked, k, strict=True)) / math.sqrt(head_size)) if seen else 0.0
                    for k, seen in zip(keys, visible[row, head, position].tolist(), strict=True)
                ]
                for i in range(head_size):
                    weighted = sum(e * v[i] for e, v in zip(exponentials, values, strict=True))
                    mixed[row, head, position, i] = weighted / sum(exponentials)
    return mixed


def test_three_numbers_by_hand() -> None:
    """Head size 4 and scores 0 and 2·ln 3 make weights of 1/4 and 3/4."""
    query = torch.tensor([[[[2.0, 0, 0, 0]]]], dtype=torch.float64)
    key = torch.tensor([[[[0.0, 5, 5, 5], [math.log(3), 0, 0, 0]]]], dtype=torch.float64)
    assert_same(attention_weights(query, key, None), torch.tensor([[[[0.25, 0.75]]]], dtype=torch.float64))


def test_a_query_sees_itself_and_the_past() -> None:
    assert causal(3, 3, torch.device("cpu"))[0, 0].int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert causal(2, 4, torch.device("cpu"))[0, 0].int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize("masked", [False, True])
def test_weights_are_shares_of_one_and_none_falls_on_the_invisible(masked: bool) -> None:
    visible = some_visible(2, 1, 5, 7) if masked else None
    weights = attention_weights(draw(2, 3, 5, 4), draw(2, 3, 7, 4, seed=1), visible)
    assert_same(weights.sum(dim=-1), torch.ones(2, 3, 5, dtype=torch.float64))
    hidden = ~(causal(5, 7, weights.device) if visible is None else visible).expand_as(weights)
    assert (weights[hidden] == 0).all()
    assert (weights[~hidden] > 0).all()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("key_value_heads", [1, 2, 4])
@pytest.mark.parametrize(("queries", "keys"), [(5, 5), (2, 5), (1, 5), (1, 1)])
@pytest.mark.parametrize("mask", [None, (1, 1), (2, 1), (2, 4)])
def test_an_engine_computes_what_the_plain_loop_does(
    engine: str, key_value_heads: int, queries: int, keys: int, mask: tuple[int, int] | None
) -> None:
    query = draw(2, 4, queries, 6, seed=1)
    key, value = draw(2, key_value_heads, keys, 6, seed=2), draw(2, key_value_heads, keys, 6, seed=3)
    visible = None if mask is None else some_visible(*mask, queries, keys)
    for_all = causal(queries, keys, query.device) if visible is None else visible
    expected = plain_attention(query, key, value, for_all.expand(2, 4, queries, keys))
    assert_same(ENGINES[engine](query, key, value, visible), expected, 1e-12)


@given(
    st.sampled_from([(1, 1), (2, 1), (4, 2), (6, 3)]),
    st.integers(1, 9),
    st.integers(0, 9),
    st.booleans(),
    st.integers(),
)
@settings(max_examples=40, deadline=None)
def test_the_two_engines_agree_and_so_do_their_gradients(
    heads: tuple[int, int], queries: int, past: int, masked: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed % 2**32)
    shapes = ((2, heads[0], queries, 4), (2, heads[1], queries + past, 4), (2, heads[1], queries + past, 4))
    inputs = [torch.randn(shape, dtype=torch.float64, generator=generator, requires_grad=True) for shape in shapes]
    visible = some_visible(2, 1, queries, queries + past, seed=seed % 2**32) if masked else None
    ours, theirs = written_out(*inputs, visible), fused(*inputs, visible)
    assert_same(ours, theirs, 1e-12)
    direction = torch.randn(ours.shape, dtype=torch.float64, generator=generator)
    for one, other in zip(*(torch.autograd.grad(mixed, inputs, direction) for mixed in (ours, theirs)), strict=True):
        assert_same(one, other, 1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_by_nudging(engine: str, masked: bool) -> None:
    visible = some_visible(1, 1, 2, 3) if masked else None
    inputs = [
        draw(1, heads, positions, 2, seed=heads).requires_grad_() for heads, positions in ((2, 2), (1, 3), (1, 3))
    ]
    assert torch.autograd.gradcheck(lambda *parts: ENGINES[engine](*parts, visible), inputs)


@pytest.mark.parametrize("normalize_heads", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_the_layer_is_its_parts_in_order(normalize_heads: bool, bias: bool) -> None:
    """Project, split, normalize, turn, attend, join, project: written with matrices sliced by hand."""
    layer = randomized(
        Attention(
            6, 4, head_size=2, key_value_heads=2, bias=bias, normalize_heads=normalize_heads, output_deviation=0.02
        )
    )
    hidden, positions = draw(1, 3, 6), torch.tensor([[0, 1, 2]])
    cosine, sine = RotaryPositions(2).angles(positions, torch.float64)

    def head(part: str, number: int, turn: bool) -> Tensor:
        linear, rows = getattr(layer, part), slice(2 * number, 2 * number + 2)
        vectors = hidden[0] @ linear.weight[rows].T + (linear.bias[rows] if bias else 0.0)
        if not turn:
            return vectors
        if normalize_heads:
            size = (vectors.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt()
            vectors = vectors / size * getattr(layer, f"{part}_normalization").weight
        x, y = vectors[:, :1], vectors[:, 1:]
        return torch.cat([x * cosine[0, 0] - y * sine[0, 0], y * cosine[0, 0] + x * sine[0, 0]], dim=1)

    mixed = []
    for number in range(4):
        scores = head("query", number, True) @ head("key", number // 2, True).T / math.sqrt(2)
        scores = scores.masked_fill(torch.ones(3, 3).triu(1).bool(), -torch.inf)
        mixed.append(scores.softmax(dim=-1) @ head("value", number // 2, False))
    expected = torch.cat(mixed, dim=1) @ layer.output.weight.T + (layer.output.bias if bias else 0.0)
    assert_same(layer(hidden, rotation=(cosine, sine))[0], expected)


def test_whole_layer_gradients_by_nudging() -> None:
    layer = randomized(Attention(4, 2, head_size=2, key_value_heads=1, normalize_heads=True, output_deviation=0.02))
    parameters = dict(layer.named_parameters())
    rotation = RotaryPositions(2).angles(torch.tensor([[0, 1, 2]]), torch.float64)

    def run(hidden: Tensor, *values: Tensor) -> Tensor:
        state = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(layer, state, (hidden,), {"rotation": rotation})

    inputs = [draw(1, 3, 4).requires_grad_(), *(value.detach().requires_grad_() for value in parameters.values())]
    assert torch.autograd.gradcheck(run, inputs)


def test_wrong_shapes_are_caught_in_tests() -> None:
    """The shapes in signatures are checked here, by the hook in conftest.py."""
    with pytest.raises(jaxtyping.TypeCheckError):
        attention_weights(draw(1, 2, 3, 4), draw(1, 2, 3, 5), None)
    with pytest.raises(jaxtyping.TypeCheckError):
        attention_weights(draw(1, 2, 3, 4), draw(1, 2, 3, 4), torch.ones(1, 1, 3, 3))
