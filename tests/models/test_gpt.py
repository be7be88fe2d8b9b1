"""GPT against transformers' own towers, given the same weights, in float64."""

from __future__ import annotations

import pytest
import torch
from small_networks import CONTEXT, assert_same, logits, small, tokens

from everysum.errors import UsageError
from everysum.layers.activation import ACTIVATIONS
from everysum.models.network import Network
from everysum.pretrained.folder import family_of


def theirs(network: Network) -> torch.nn.Module:
    """The same network as transformers builds it, with our weights under their names."""
    import transformers

    family = family_of(network)
    configuration = transformers.AutoConfig.for_model(family.model_type, **family.configuration_of(network))
    model = getattr(transformers, family.architecture)(configuration).double().eval()
    missing, unexpected = model.load_state_dict(family.published(network), strict=False)
    assert unexpected == []
    assert missing == (["lm_head.weight"] if network.output is None else [])
    return model


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_pre_norm_agrees_with_gpt2(activation: str, tied: bool) -> None:
    network = small("gpt", activation=activation, tied=tied, inner_width=50)
    token_ids = tokens(3, CONTEXT)
    with torch.no_grad():
        expected = theirs(network)(token_ids).logits
    assert expected.abs().max() > 1
    assert_same(logits(network, token_ids), expected, 1e-10)


@pytest.mark.parametrize("tied", [True, False])
def test_post_norm_with_relu_agrees_with_opt(tied: bool) -> None:
    network = small("gpt_post_norm", tied=tied, inner_width=50)
    token_ids = tokens(3, CONTEXT)
    with torch.no_grad():
        expected = theirs(network)(token_ids).logits
    assert expected.abs().max() > 1
    assert_same(logits(network, token_ids), expected, 1e-10)


def test_gradients_agree_with_gpt2() -> None:
    network, token_ids = small("gpt", tied=False), tokens(2, 8)
    model = theirs(network)
    network.head(network(token_ids)).square().mean().backward()
    model(token_ids).logits.square().mean().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    for row in family_of(network).table(network):
        ours = torch.cat([gradients[name] for name in row.ours])
        assert_same(ours.T if row.transposed else ours, expected[row.theirs])


def test_the_inner_width_is_four_times_the_width_unless_told() -> None:
    assert small("gpt").blocks[0].feed_forward.up.weight.shape == (96, 24)
    assert small("gpt", inner_width=7).blocks[0].feed_forward.up.weight.shape == (7, 24)


def test_only_pre_norm_normalizes_once_more_at_the_end() -> None:
    assert small("gpt").normalization is not None
    assert small("gpt_post_norm").normalization is None


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(UsageError, match="5 heads cannot share a width of 24 evenly"):
        small("gpt", heads=5)
