from __future__ import annotations

from typing import Any

import pytest
import torch
from small_networks import SIZES, VARIANTS, unfilled
from torch import nn

from everysum.layers.layer import declared_parameters, initialize, parameter_count
from everysum.models.gpt import GPT
from everysum.models.llama import Llama
from everysum.models.network import Network


def fresh(variant: str, seed: int = 1, **changes: Any) -> Network:
    network = unfilled(variant, **changes)
    initialize(network, seed)
    return network


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_seed_gives_the_same_numbers_and_another_others(variant: str) -> None:
    first, again, other = (fresh(variant, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["token_embedding.weight"], other["token_embedding.weight"])


def test_no_two_parameters_start_alike() -> None:
    tables = [p.flatten() for name, p in fresh("llama").named_parameters() if "query" in name or "key" in name]
    assert len(tables) == 4
    assert not any(torch.equal(a, b) for i, a in enumerate(tables) for b in tables[:i])


def test_a_parameters_start_depends_on_its_name_and_the_seed_only() -> None:
    """Another layer and another size elsewhere change nothing in what was there."""
    few, many = fresh("llama").state_dict(), fresh("llama", layers=3, inner_width=48).state_dict()
    shared = [name for name in few if name in many and few[name].shape == many[name].shape]
    assert len(shared) > 10
    assert all(torch.equal(few[name], many[name]) for name in shared)


def test_another_layer_of_a_gpt_only_scales_the_matrices_that_add_to_what_flows() -> None:
    few, many = fresh("gpt").state_dict(), fresh("gpt", layers=8).state_dict()
    for name, start in few.items():
        adds = name.endswith(("attention.output.weight", "feed_forward.down.weight"))
        torch.testing.assert_close(many[name], start / 2 if adds else start)


def test_every_precision_starts_from_the_same_numbers() -> None:
    single, double = fresh("gpt"), GPT(**SIZES).double()
    initialize(double, 1)
    for (name, a), (_, b) in zip(single.named_parameters(), double.named_parameters(), strict=True):
        assert torch.equal(a.double(), b), name


def test_starting_draws_nothing_from_the_global_generator() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fresh("gpt")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters_start_with_the_mean_and_deviation_they_declare(variant: str) -> None:
    network = fresh(variant, vocabulary_size=2000)
    for name, parameter, declaration in declared_parameters(network):
        count, deviation = parameter.numel(), declaration.deviation
        assert parameter.mean().item() == pytest.approx(declaration.mean, abs=5 * deviation / count**0.5), name
        if count > 100:
            assert parameter.std().item() == pytest.approx(deviation, rel=5 / (2 * count) ** 0.5), name


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_says_its_role(variant: str) -> None:
    network = fresh(variant)
    roles = {name: declaration.role for name, _, declaration in declared_parameters(network)}
    assert list(roles) == [name for name, _ in network.named_parameters()]
    for name, role in roles.items():
        if "embedding" in name:
            assert role == "embedding"
        elif name == "output.weight":
            assert role == "head"
        elif "normalization" in name or name.endswith("bias"):
            assert role == "vector"
        else:
            assert role == "matrix"


def test_a_parameter_without_a_role_is_refused() -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(TypeError, match="0 has a parameter 'weight' but is no Layer: it cannot say its role"):
        initialize(network, 1)


def test_a_network_on_the_meta_device_takes_no_memory_and_counts_like_the_published_ones() -> None:
    """GPT-2 has 124,439,808 parameters and Llama 3.1 8B has 8,030,261,248 (30 GB): neither is allocated here."""
    with torch.device("meta"):
        gpt2 = GPT(vocabulary_size=50257, context_length=1024, width=768, layers=12, heads=12)
        llama = Llama(
            vocabulary_size=128256,
            context_length=131072,
            width=4096,
            layers=32,
            heads=32,
            key_value_heads=8,
            inner_width=14336,
            rotary_base=500_000.0,
        )
    assert parameter_count(gpt2) == 124_439_808
    assert parameter_count(llama) == 8_030_261_248
    for network in (gpt2, llama):
        assert all(tensor.is_meta for tensor in (*network.parameters(), *network.buffers()))
