"""The article's first network, with the numbers that its figures print."""

from __future__ import annotations

import pytest
import torch
from small_networks import assert_same, randomized
from torch import Tensor, nn

from everysum.errors import UsageError
from everysum.layers.activation import ACTIVATIONS
from everysum.layers.dropout import ConnectionDropout, seed_dropout
from everysum.layers.layer import initialize
from everysum.models.classifier import Classifier, by_sign, largest

LEAF, FLOWER = torch.tensor([[32, 107, 56, 11.2], [241, 200, 4, 59.5]], dtype=torch.float64)
MIDDLE = [[0.10, -0.29, -0.07, 0.46], [0.12, -0.05, 0.04, 0.16], [-0.36, -0.21, -0.27, 0.18]]
OUTPUT = [[-0.17, 0.39, 0.10], [0.05, -0.12, -0.04]]


def articles(**changes: object) -> Classifier:
    network = Classifier([4, 3, 2], **changes).double()
    for layer, weight in zip(network.layers, (MIDDLE, OUTPUT), strict=True):
        layer.weight.data = torch.tensor(weight, dtype=torch.float64)
        if layer.bias is not None:
            layer.bias.data.zero_()
    return network


def exactly(*figures: float) -> Tensor:
    return torch.tensor(figures, dtype=torch.float64)


def test_the_leaf_and_the_flower_come_out_as_printed() -> None:
    network = articles()
    assert_same(network.layers[0](LEAF), exactly(-26.598, 2.522, -47.094), 1e-12)
    assert_same(network.layers[0](FLOWER), exactly(-6.81, 28.6, -119.13), 1e-12)
    assert_same(network(LEAF), exactly(0.79584, 0.25122), 1e-12)
    assert_same(network(FLOWER), exactly(0.3987, 0.9927), 1e-12)
    assert largest(network(torch.stack([LEAF, FLOWER]))).tolist() == [0, 1]


def test_the_difference_of_the_outputs_says_the_same_with_one_number() -> None:
    network = Classifier([4, 3, 1]).double()
    network.layers[0].weight.data = torch.tensor(MIDDLE, dtype=torch.float64)
    network.layers[1].weight.data = (exactly(*OUTPUT[0]) - exactly(*OUTPUT[1]))[None]
    outputs = network(torch.stack([LEAF, FLOWER]))
    assert_same(outputs, exactly(0.54462, -0.5940)[:, None], 1e-12)
    assert by_sign(outputs).tolist() == [0, 1]
    assert by_sign(exactly(0.0)).item() == 1


def test_with_relu_everything_is_a_leaf_until_it_is_trained_again() -> None:
    network = articles(activation=ACTIVATIONS["relu"])
    assert_same(network(LEAF), exactly(0.98358, -0.30264), 1e-12)
    assert_same(network(FLOWER), exactly(11.154, -3.432), 1e-12)
    # two middle neurons are 0 for both and get no gradient at all: the new weights must start anew
    network.layers[0](torch.stack([LEAF, FLOWER])).clamp(min=0).sum().backward()
    assert network.layers[0].weight.grad.count_nonzero(dim=1).tolist() == [0, 4, 0]
    initialize(network, 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(50):
        loss = nn.functional.cross_entropy(network(torch.stack([LEAF, FLOWER]) / 100), torch.tensor([0, 1]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert largest(network(torch.stack([LEAF, FLOWER]) / 100)).tolist() == [0, 1]


def test_a_bias_is_added_to_its_neuron() -> None:
    network = articles(bias=True)
    network.layers[0].bias.data[0] = 0.25
    assert_same(network.layers[0](LEAF)[:1], exactly(-26.348), 1e-12)


def test_without_an_activation_two_layers_are_one() -> None:
    network, inputs = articles(), torch.randn(20, 4, dtype=torch.float64)
    together = network.layers[1].weight @ network.layers[0].weight
    assert_same(together[0], exactly(-0.0062, 0.0088, 0.0005, 0.0022), 1e-12)
    assert_same(together[1], exactly(0.0050, -0.0001, 0.0025, -0.0034), 1e-12)
    assert_same(inputs @ together.T, network(inputs), 1e-12)
    with_a_bend = articles(activation=ACTIVATIONS["relu"])
    left, right = torch.randn(2, 20, 4, dtype=torch.float64)
    assert not torch.allclose(with_a_bend(left + right), with_a_bend(left) + with_a_bend(right))


def test_deeper_networks_with_biases_agree_with_torchs_own() -> None:
    network = randomized(Classifier([5, 7, 6, 3], activation=ACTIVATIONS["gelu"], bias=True))
    theirs = nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.Linear(7, 6), nn.GELU(), nn.Linear(6, 3)).double()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), network.state_dict().values(), strict=True)))
    inputs = torch.randn(2, 4, 5, dtype=torch.float64)
    assert_same(network(inputs), theirs(inputs), 1e-12)
    for one in (network, theirs):
        one(inputs).square().sum().backward()
    for ours, other in zip(network.parameters(), theirs.parameters(), strict=True):
        assert_same(ours.grad, other.grad, 1e-9)


def test_connections_between_input_and_middle_can_be_deleted_while_it_trains() -> None:
    network = articles()
    network.layers[0] = ConnectionDropout(network.layers[0], 0.5)
    seed_dropout(network.train(), "1")
    assert not torch.equal(network(LEAF), network(LEAF))
    assert_same(network.eval()(LEAF), articles()(LEAF) / 2, 1e-12)


@pytest.mark.parametrize(("sizes", "came"), [([], "none"), ([4], "4"), ([4, 0, 2], "4, 0, 2")])
def test_a_network_without_inputs_or_outputs_is_refused(sizes: list[int], came: str) -> None:
    with pytest.raises(UsageError, match="a network needs inputs and outputs") as refused:
        Classifier(sizes)
    assert refused.value.came == came
