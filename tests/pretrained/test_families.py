"""Folders go both ways between everysum and transformers, and give the same logits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from small_networks import CONTEXT, VARIANTS, assert_same, logits, small, tokens
from their_models import their_model
from torch import Tensor

from everysum.errors import EverysumError
from everysum.pretrained.folder import FAMILIES, family_of, load_network, save_network

FAMILY = {
    "gpt": "gpt2",
    "gpt_untied": "gpt2",
    "gpt_post_norm": "opt",
    **{name: name for name in ("mistral", "qwen2", "qwen3")},
}
each_variant = pytest.mark.parametrize("variant", VARIANTS)


def tolerance(model_type: str, expected: Tensor) -> float:
    """transformers rounds RMSNorm, rotary angles and softmax to float32, so that its Llamas are less exact."""
    return 1e-10 if model_type in ("gpt2", "opt") else 1e-6 * expected.abs().max().item()


def opened_by_transformers(folder: Path, dtype: torch.dtype = torch.float64) -> torch.nn.Module:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()


@each_variant
def test_transformers_opens_what_we_save(variant: str, tmp_path: Path) -> None:
    network, token_ids = small(variant), tokens(2, CONTEXT)
    save_network(network, tmp_path, end_of_text=3)
    model = opened_by_transformers(tmp_path)
    with torch.no_grad():
        expected = model(token_ids).logits
    assert type(model).__name__ == family_of(network).architecture
    assert (model.config.bos_token_id, model.config.eos_token_id) == (3, 3)
    assert expected.dtype == torch.float64
    assert_same(logits(network, token_ids), expected, tolerance(model.config.model_type, expected))


@each_variant
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_what_we_save_we_load_number_for_number(variant: str, dtype: torch.dtype, tmp_path: Path) -> None:
    network = small(variant).to(dtype)
    save_network(network, tmp_path)
    loaded, configuration = load_network(tmp_path)
    assert configuration["model_type"] == FAMILY.get(variant, "llama")
    assert configuration["dtype"] == str(dtype).removeprefix("torch.")
    assert type(loaded) is type(network)
    assert not loaded.training
    expected, state = network.state_dict(), loaded.state_dict()
    assert list(state) == list(expected)
    assert all(state[name].dtype == dtype and torch.equal(state[name], expected[name]) for name in state)
    assert torch.equal(logits(loaded, tokens(1, 6)), logits(network, tokens(1, 6)))


@each_variant
def test_a_loaded_network_can_go_on_learning(variant: str, tmp_path: Path) -> None:
    save_network(small(variant), tmp_path)
    loaded, _ = load_network(tmp_path)
    loaded.head(loaded(tokens(1, 6))).logsumexp(dim=-1).sum().backward()
    assert all(parameter.requires_grad and parameter.grad is not None for parameter in loaded.parameters())


@each_variant
def test_a_folder_saved_after_loading_is_the_same_again(variant: str, tmp_path: Path) -> None:
    save_network(small(variant), tmp_path / "first", end_of_text=1)
    save_network(load_network(tmp_path / "first")[0], tmp_path / "second", end_of_text=1)
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_we_open_a_bare_tower_whose_file_leaves_out_the_first_word_of_every_name(tmp_path: Path) -> None:
    model = their_model("gpt2")
    model.transformer.save_pretrained(tmp_path)
    with torch.no_grad():
        expected = model(tokens(1, 9)).logits
    assert_same(logits(load_network(tmp_path)[0], tokens(1, 9)), expected)


def test_older_configurations_name_the_rotary_base_at_the_top(tmp_path: Path) -> None:
    model = their_model("llama 2, grouped")
    model.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    configuration = json.loads(file.read_text())
    assert configuration.pop("rope_parameters") == {"rope_type": "default", "rope_theta": 500.0}
    for rope in ({}, {"rope_parameters": None}, {"rope_parameters": {"rope_type": "default"}}, {"rope_scaling": None}):
        file.write_text(json.dumps({**configuration, "rope_theta": 500, **rope}))
        network = load_network(tmp_path)[0]
        with torch.no_grad():
            expected = model(tokens(1, CONTEXT)).logits
        assert_same(logits(network, tokens(1, CONTEXT)), expected, tolerance("llama", expected))


@pytest.mark.parametrize(("checkpoint", "text_length"), [("hf_tiny_gpt2", 200), ("stories260K/hf", 300)])
def test_published_checkpoints_give_their_logits(checkpoint: str, text_length: int, test_data: Path) -> None:
    folder = test_data / "checkpoints" / checkpoint
    network, configuration = load_network(folder)
    token_ids = torch.randint(configuration["vocab_size"], (2, text_length), generator=torch.Generator().manual_seed(1))
    network = network.double()
    with torch.no_grad():
        expected = opened_by_transformers(folder)(token_ids).logits
    assert expected.std() > 0.01
    assert_same(logits(network, token_ids), expected, tolerance(configuration["model_type"], expected))


def test_each_family_knows_its_own_networks_only() -> None:
    for variant in VARIANTS:
        network = small(variant)
        theirs = [family.model_type for family in FAMILIES if family.represents(network)]
        assert theirs[0] == FAMILY.get(variant, "llama")
        # a Mistral that looks back without limit is a Llama without biases, under another name
        assert theirs[1:] == (["mistral"] if theirs[0] == "llama" and variant != "llama_biased_linear" else [])


def test_a_network_without_a_published_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EverysumError, match="no published family represents this GPT, so it cannot be saved"):
        save_network(small("gpt", wiring="post_norm", activation="gelu"), tmp_path)
    assert list(tmp_path.iterdir()) == []
