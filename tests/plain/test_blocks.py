"""What surrounds attention in a block: residuals, normalization, dropout, feed-forward."""

from __future__ import annotations

from random import Random

import pytest
import torch
from plain_and_torch import assert_held_together, draw, plain, take_over, values
from small_networks import assert_same, randomized

from everysum.layers import feed_forward as torch_feed_forward
from everysum.layers import normalization as torch_normalization
from everysum.layers.activation import ACTIVATIONS as TORCH_ACTIVATIONS
from everysum.layers.dropout import ConnectionDropout
from everysum.layers.dropout import Dropout as TorchDropout
from everysum.layers.linear import Linear as TorchLinear
from everysum.layers.residual import WIRINGS as TORCH_WIRINGS
from everysum.plain.activation import ACTIVATIONS
from everysum.plain.deviation import deviation, mean
from everysum.plain.dropout import (
    Dropout,
    afterwards,
    connections_deleted,
    ensemble,
    unchanged,
    ways_to_delete,
)
from everysum.plain.feed_forward import BentTwiceFeedForward, FeedForward, GatedFeedForward, random_feed_forward
from everysum.plain.linear import Linear
from everysum.plain.network import layer, neuron, relu
from everysum.plain.normalization import LayerNorm, RMSNorm, layer_norm, normalized, rms_norm, safely_normalized
from everysum.plain.number import Number
from everysum.plain.residual import WIRINGS, residual
from everysum.plain.vector import Vector, numbers


def figures(vector: Vector) -> list[float]:
    return [number.value for number in vector]


def test_a_residual_adds_what_flows_past() -> None:
    found = residual([numbers("1 2")], lambda hidden: [numbers("10 20")])
    assert [str(number) for number in found[0]] == ["11 = 1 + 10", "22 = 2 + 20"]


def test_what_is_added_must_have_the_same_size() -> None:
    with pytest.raises(ValueError, match="2 numbers on one side, 3 on the other: vectors that are added"):
        residual([numbers("1 2")], lambda hidden: [numbers("1 2 3")])


@pytest.mark.parametrize("name", WIRINGS)
def test_a_wiring_is_torchs(name: str) -> None:
    x, weight = draw(3, 4), draw(4, 4, seed=1)
    norm = randomized(torch_normalization.LayerNorm(4))
    ours, linear = layer_norm(4), Linear(plain(weight))
    pairs = [*take_over(ours, norm), (linear.weight, weight)]
    hidden = plain(x)
    found = WIRINGS[name](hidden, ours, lambda rows: [linear(row) for row in rows])
    assert_held_together(found, TORCH_WIRINGS[name](x, norm, lambda rows: rows @ weight.T), [*pairs, (hidden, x)])
    assert list(WIRINGS) == list(TORCH_WIRINGS)


def test_the_articles_normalization_makes_mean_0_and_deviation_1() -> None:
    found = normalized(numbers("2 4 4 4 5 5 7 9"))
    assert figures(found) == [-1.5, -0.5, -0.5, -0.5, 0, 0, 1, 2]
    assert (mean(found).value, deviation(found).value) == (0, 1)


def test_the_articles_normalization_is_torchs_without_epsilon() -> None:
    x = draw(6)
    ours = plain(x)
    assert_held_together(normalized(ours), (x - x.mean()) / x.std(correction=0), [(ours, x)])


def test_numbers_that_are_all_the_same_need_the_standards_epsilon() -> None:
    with pytest.raises(ValueError, match="nothing divides by 0"):
        normalized(numbers("3 3 3"))
    assert figures(safely_normalized(numbers("3 3 3"))) == [0, 0, 0]


def test_scale_and_bias_can_undo_it() -> None:
    x = numbers("2 4 4 4 5 5 7 9")
    norm = LayerNorm(numbers([2] * 8), numbers([5] * 8), epsilon=0.0)
    assert figures(norm([x])[0]) == figures(x)


@pytest.mark.parametrize("epsilon", [1e-5, 0.1])
@pytest.mark.parametrize("kind", ["LayerNorm", "RMSNorm"])
def test_a_norm_with_its_parameters_is_torchs(kind: str, epsilon: float) -> None:
    module = randomized(getattr(torch_normalization, kind)(6, epsilon=epsilon))
    ours = {"LayerNorm": LayerNorm, "RMSNorm": RMSNorm}[kind](
        **{name: numbers([0.0] * 6) for name, _ in module.named_parameters()}, epsilon=epsilon
    )
    x, pairs = draw(3, 6), take_over(ours, module)
    hidden = plain(x)
    assert_held_together(ours(hidden), module(x), [*pairs, (hidden, x)])


def test_norms_start_as_torchs_do() -> None:
    assert layer_norm(4).epsilon == torch_normalization.LayerNorm(4).epsilon
    assert rms_norm(4).epsilon == torch_normalization.RMSNorm(4).epsilon
    assert (figures(rms_norm(2).weight), figures(layer_norm(2).bias)) == ([1, 1], [0, 0])


def matrix(rows: int, columns: int) -> list[Vector]:
    return plain(draw(rows, columns))


def test_half_of_the_connections_are_deleted_at_random_and_the_rest_stay_as_they_are() -> None:
    weights = matrix(40, 50)
    left = connections_deleted(weights, 0.5, Random(1))
    kept = [
        one is other
        for ours, theirs in zip(left, weights, strict=True)
        for one, other in zip(ours, theirs, strict=True)
    ]
    assert sum(kept) / 2000 == pytest.approx(0.5, abs=0.04)
    assert all(number.value == 0 for row, old in zip(left, weights, strict=True) for number in row if number not in old)


def test_a_deleted_connection_does_not_learn() -> None:
    weights, inputs = matrix(1, 20), numbers([1] * 20)
    layer(inputs, left := connections_deleted(weights, 0.5, Random(1)))[0].backward()
    assert {weight.gradient for weight in weights[0]} == {0.0, 1.0}
    assert all(weight.gradient == (weight in left[0]) for weight in weights[0])


def test_afterwards_every_weight_counts_less() -> None:
    assert [str(number) for number in afterwards([numbers("0.10 −0.29")], 0.5)[0]] == [
        "0.05 = 0.10 × 0.5",
        "−0.145 = −0.29 × 0.5",
    ]


@pytest.mark.parametrize("probability", [0.2, 0.5])
def test_all_weights_times_what_is_kept_are_an_ensemble_of_every_thinned_network(probability: float) -> None:
    inputs, weights = numbers("32 107 56 11.2"), numbers("0.10 −0.29 −0.07 0.46")
    ways = list(ways_to_delete(weights, probability))
    assert len(ways) == 2**4
    assert sum(likelihood for likelihood, _ in ways) == pytest.approx(1)
    together = neuron(inputs, afterwards([weights], probability)[0])
    assert ensemble(inputs, weights, probability).value == pytest.approx(together.value)
    assert together.value == pytest.approx(-26.598 * (1 - probability))


def test_deleted_connections_are_those_in_torch() -> None:
    """The same draw on both sides; and afterwards all weights times (1 − p)."""
    module = ConnectionDropout(randomized(TorchLinear(4, 3, bias=True)), 0.5)
    x, weight, bias = draw(4), module.linear.weight, module.linear.bias
    ours, offset, inputs = plain(weight), plain(bias), plain(x)
    pairs = [(ours, weight), (offset, bias), (inputs, x)]
    assert_held_together(layer(inputs, afterwards(ours, 0.5), offset), module.eval()(x), pairs)
    module.train()
    expected = module(x)
    module.draws = 0
    kept = iter(module.kept(weight).flatten().tolist())

    class SameDraw(Random):
        def random(self) -> float:
            return next(kept)

    thinned = connections_deleted(ours, 0.5, SameDraw())
    assert_held_together(layer(inputs, thinned, offset), expected, pairs)


def test_silenced_neurons_are_those_in_torch() -> None:
    module, x = TorchDropout(0.25).train(), draw(30)
    expected = module(x)
    kept = iter((expected != 0).tolist())

    class SameDraw(Random):
        def random(self) -> float:
            return float(next(kept))

    ours = plain(x)
    assert_held_together(Dropout(0.25, SameDraw())(ours), expected, [(ours, x)])


def test_silencing_keeps_the_average_and_may_not_silence_all() -> None:
    found = Dropout(0.3, Random(1))(numbers([1.0] * 3000))
    assert {number.value for number in found} == {0.0, 1 / 0.7}
    assert sum(number.value for number in found) / 3000 == pytest.approx(1, abs=0.05)
    assert figures(unchanged(numbers("1 2"))) == [1, 2]
    with pytest.raises(ValueError, match="leaves nothing to train"):
        Dropout(1.0, Random(1))


def empty_feed_forward(kind: str, **parts: object) -> FeedForward | BentTwiceFeedForward | GatedFeedForward:
    sizes = {"up": (5, 4), "down": (4, 5), "gate": (5, 4)}
    classes = {each.__name__: each for each in (FeedForward, BentTwiceFeedForward, GatedFeedForward)}
    gated = kind == "GatedFeedForward"
    linears = {
        name: Linear(matrix(*size), None if gated else numbers([0.0] * size[0]))
        for name, size in sizes.items()
        if name != "gate" or gated
    }
    return classes[kind](**linears, **parts)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", ["FeedForward", "BentTwiceFeedForward", "GatedFeedForward"])
def test_every_kind_of_feed_forward_is_torchs(kind: str, activation: str) -> None:
    parts = {"dropout": 0.0} if kind == "BentTwiceFeedForward" else {}
    module = randomized(
        getattr(torch_feed_forward, kind)(4, 5, TORCH_ACTIVATIONS[activation], output_deviation=0.02, **parts)
    )
    ours = empty_feed_forward(kind, activation=ACTIVATIONS[activation])
    x, pairs = draw(3, 4), take_over(ours, module)
    hidden = plain(x)
    assert_held_together(ours(hidden), module(x), [*pairs, (hidden, x)])


def test_the_articles_feed_forward_silences_after_both_layers_and_the_standard_after_the_first() -> None:
    lengths: list[int] = []

    def heard(vector: Vector) -> Vector:
        lengths.append(len(vector))
        return vector

    for kind, expected in (("FeedForward", [5]), ("BentTwiceFeedForward", [5, 4])):
        lengths.clear()
        empty_feed_forward(kind, dropout=heard)([numbers("1 2 3 4")])
        assert lengths == expected


def test_the_articles_feed_forward_never_takes_away() -> None:
    hidden = matrix(6, 4)
    ours = empty_feed_forward("BentTwiceFeedForward")(hidden)
    assert min(number.value for row in ours for number in row) >= 0
    assert min(number.value for row in empty_feed_forward("FeedForward")(hidden) for number in row) < 0


def test_no_position_sees_another_in_feed_forward() -> None:
    feed_forward, hidden = random_feed_forward(4, 8, Random(1), relu), matrix(3, 4)
    feed_forward(hidden)[0][0].backward()
    assert all(number.gradient == 0 for row in hidden[1:] for number in row)
    assert_same(values(feed_forward(hidden)[1]), values(feed_forward(hidden[1:])[0]), 0.0)
    assert isinstance(hidden[0][0], Number)
    assert torch.equal(values(hidden), values(hidden))
