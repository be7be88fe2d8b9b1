"""The first network: the article's figures as they are printed, and the same sums in torch."""

from __future__ import annotations

import pytest
import torch
from plain_and_torch import assert_held_together, draw, plain, take_over, values
from small_networks import assert_same, randomized
from torch.nn import functional

from everysum.layers.activation import ACTIVATIONS as TORCH_ACTIVATIONS
from everysum.layers.linear import Linear as TorchLinear
from everysum.models.classifier import Classifier
from everysum.plain.activation import ACTIVATIONS
from everysum.plain.classifier import (
    FLOWER,
    KINDS,
    LAYERS,
    LEAF,
    MIDDLE,
    OUTPUT,
    WEATHER,
    by_sign,
    chances,
    difference,
    largest,
    shares,
)
from everysum.plain.linear import Linear
from everysum.plain.matrix import times_vector
from everysum.plain.network import activated, collapsed, forward, layer, neuron, relu
from everysum.plain.number import Number, gradient_by_nudging
from everysum.plain.training import gradients, gradients_by_nudging, parameters
from everysum.plain.vector import Vector, numbers, total

TOLERANCE = 1e-9


def exactly(figures: list[float]) -> object:
    return pytest.approx(figures, abs=TOLERANCE)


def figures(vector: Vector) -> list[float]:
    return [number.value for number in vector]


@pytest.mark.parametrize(
    ("inputs", "middle", "outputs", "verdict"),
    [
        (LEAF, [-26.598, 2.522, -47.094], [0.79584, 0.25122], "leaf"),
        (FLOWER, [-6.81, 28.6, -119.13], [0.3987, 0.9927], "flower"),
    ],
)
def test_leaf_and_flower(inputs: Vector, middle: list[float], outputs: list[float], verdict: str) -> None:
    found = forward(inputs, LAYERS)
    assert [figures(each) for each in found] == [exactly(middle), exactly(outputs)]
    assert largest(found[-1]) == verdict


def test_the_leaf_as_the_article_prints_it_but_for_its_last_figure() -> None:
    """−26.6, 2.52, −47.1, and 0.8 for leaf; the 0.2 printed for flower is 0.25."""
    middle, outputs = forward(LEAF, LAYERS)
    assert [f"{number.value:.3g}" for number in middle] == ["-26.6", "2.52", "-47.1"]
    assert [f"{number.value:.1f}" for number in outputs] == ["0.8", "0.3"]


@pytest.mark.parametrize(
    ("inputs", "bent", "outputs"),
    [(LEAF, [0, 2.522, 0], [0.98358, -0.30264]), (FLOWER, [0, 28.6, 0], [11.154, -3.432])],
)
def test_with_relu_both_become_leaves_and_the_network_must_be_trained_again(
    inputs: Vector, bent: list[float], outputs: list[float]
) -> None:
    middle, found = forward(inputs, LAYERS, relu)
    assert figures(activated(middle)) == exactly(bent)
    assert figures(found) == exactly(outputs)
    assert largest(found) == "leaf"


def test_a_bias_is_added_to_the_sum() -> None:
    assert neuron(LEAF, MIDDLE[0], Number("0.25")).value == pytest.approx(-26.348, abs=TOLERANCE)


def test_two_layers_without_a_bend_collapse_into_one() -> None:
    one = collapsed(MIDDLE, OUTPUT)
    assert [figures(row) for row in one] == [
        exactly([-0.0062, 0.0088, 0.0005, 0.0022]),
        exactly([0.0050, -0.0001, 0.0025, -0.0034]),
    ]
    for inputs in (LEAF, FLOWER):
        assert figures(layer(inputs, one)) == exactly(figures(forward(inputs, LAYERS)[-1]))


def test_no_single_layer_does_what_two_with_a_bend_do() -> None:
    """A single layer's outputs for a and for b add up to those for a + b. With a bend they do not, for a = −b."""
    ahead, behind = numbers([1, 0, 0, 0]), numbers([-1, 0, 0, 0])
    added = [a.value + b.value for a, b in zip(*(forward(x, LAYERS, relu)[-1] for x in (ahead, behind)), strict=True)]
    assert figures(forward(numbers([0, 0, 0, 0]), LAYERS, relu)[-1]) == [0, 0]
    assert max(map(abs, added)) > 0.01


def test_the_figure_with_a_wrong_sign_flips_the_verdict() -> None:
    wrong = [*MIDDLE[:2], numbers("−0.36 −0.21 −0.27 −0.18")]
    middle, outputs = forward(LEAF, [wrong, OUTPUT])
    assert middle[2].value == pytest.approx(-51.126, abs=TOLERANCE)
    assert figures(outputs) == exactly([0.39264, 0.4125])
    assert largest(outputs) == "flower"


def test_outputs_as_shares_as_chances_and_as_one_number() -> None:
    outputs = forward(LEAF, LAYERS)[-1]
    assert figures(shares(outputs)) == pytest.approx([0.760, 0.240], abs=5e-4)
    assert figures(chances(outputs)) == pytest.approx([0.6328865, 0.3671135], abs=5e-8)
    assert difference(outputs).value == pytest.approx(0.5446, abs=5e-5)
    assert by_sign(difference(outputs)) == "leaf"
    flower = difference(forward(FLOWER, LAYERS)[-1])
    assert flower.value == pytest.approx(-0.5940, abs=5e-5)
    assert by_sign(flower) == "flower"


def test_a_negative_output_has_no_share() -> None:
    with pytest.raises(ValueError, match="use softmax"):
        shares(numbers([0.5, -0.1]))


def test_the_same_numbers_can_mean_something_else() -> None:
    outputs = forward(LEAF, LAYERS)[-1]
    assert (largest(outputs, KINDS), largest(outputs, WEATHER)) == ("leaf", "sunny")
    assert by_sign(Number(-1), WEATHER) == "rainy"


@pytest.mark.parametrize("activation", [None, *ACTIVATIONS])
@pytest.mark.parametrize("bias", [False, True])
def test_held_against_the_classifier(activation: str | None, bias: bool) -> None:
    network = randomized(Classifier([4, 3, 2], activation=TORCH_ACTIVATIONS.get(activation), bias=bias))
    inputs = draw(4)
    layers = [Linear([], None), Linear([], None)]
    pairs = take_over_all(layers, network)
    hidden = layers[0](ours := plain(inputs))
    bent = hidden if activation is None else activated(hidden, ACTIVATIONS[activation])
    assert_held_together(layers[1](bent), network(inputs), [*pairs, (ours, inputs)])


def take_over_all(layers: list[Linear], network: Classifier) -> list[tuple[object, torch.Tensor]]:
    return [pair for ours, theirs in zip(layers, network.layers, strict=True) for pair in fresh(ours, theirs)]


def fresh(ours: Linear, theirs: TorchLinear) -> list[tuple[object, torch.Tensor]]:
    ours.weight = plain(theirs.weight)
    ours.bias = None if theirs.bias is None else plain(theirs.bias)
    return take_over(ours, theirs)


def test_the_articles_network_in_torch() -> None:
    network = Classifier([4, 3, 2]).double()
    for theirs, ours in zip(network.layers, LAYERS, strict=True):
        theirs.weight.data = values(ours).reshape(theirs.weight.shape)
    for inputs in (LEAF, FLOWER):
        assert_same(network(values(inputs)).detach(), values(forward(inputs, LAYERS)[-1]), TOLERANCE)


def test_a_layer_is_a_matrix_product() -> None:
    assert figures(times_vector(MIDDLE, LEAF)) == figures(layer(LEAF, MIDDLE))


def test_every_weights_gradient_by_formula_is_that_by_nudging() -> None:
    output = total(forward(LEAF, LAYERS, relu)[-1])
    movable = parameters(LAYERS)
    assert len(movable) == 18
    assert gradients(output, movable) == pytest.approx(gradients_by_nudging(output, movable), rel=1e-6, abs=1e-6)


def test_a_weight_of_a_positive_neuron_helps_by_just_that_neuron() -> None:
    """Raise the weight 0.39 by one unit, and leaf rises by 2.522, what the grey neuron holds."""
    middle, outputs = forward(LEAF, LAYERS)
    outputs[0].backward()
    assert OUTPUT[0][1].gradient == middle[1].value
    assert gradient_by_nudging(outputs[0], OUTPUT[0][1]) == pytest.approx(2.522, abs=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_bend_as_torchs_do(name: str) -> None:
    x = draw(9, seed=3)
    ours = plain(x)
    assert_held_together(activated(ours, ACTIVATIONS[name]), TORCH_ACTIVATIONS[name](x), [(ours, x)])


def test_both_have_the_same_activations() -> None:
    assert list(ACTIVATIONS) == list(TORCH_ACTIVATIONS)


@pytest.mark.parametrize("bias", [False, True])
def test_a_linear_layer_is_torchs(bias: bool) -> None:
    x, weight, offset = draw(4), draw(3, 4, seed=1), draw(3, seed=2)
    ours = Linear(plain(weight), plain(offset) if bias else None)
    pairs = [(ours.weight, weight), *([(ours.bias, offset)] if bias else [])]
    theirs = functional.linear(x, weight, offset if bias else None)
    assert_held_together(ours(mine := plain(x)), theirs, [*pairs, (mine, x)])
