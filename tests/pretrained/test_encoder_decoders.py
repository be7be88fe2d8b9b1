"""Marian and Pegasus: folders go both ways between everysum and transformers, with the same states and logits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_networks import CONTEXT, VOCABULARY, assert_same, randomized, tokens
from torch import Tensor

from everysum.errors import ModelFolderError
from everysum.layers.positions import sines_and_cosines
from everysum.models.transformer import Transformer, real_positions
from everysum.pretrained.folder import family_of, load_network, save_network

SIZES: dict[str, Any] = {
    "vocabulary_size": VOCABULARY,
    "context_length": CONTEXT,
    "width": 24,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "heads": 4,
    "inner_width": 40,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "marian": {"wiring": "post_norm"},
    "marian, two tables": {"wiring": "post_norm", "shared": False, "source_vocabulary_size": VOCABULARY + 3},
    "marian, a head of its own": {"wiring": "post_norm", "tied": False},
    "marian, with a bias, not scaled": {"wiring": "post_norm", "head_bias": True, "scaled": False},
    "marian, swish": {"wiring": "post_norm", "activation": "silu"},
    "pegasus": {"wiring": "pre_norm"},
    "pegasus, a head of its own": {"wiring": "pre_norm", "tied": False},
    "pegasus, with a bias": {"wiring": "pre_norm", "head_bias": True},
}
each_variant = pytest.mark.parametrize("variant", VARIANTS)
LENGTHS = torch.tensor([9, 5, 7])


def small(variant: str) -> Transformer:
    return randomized(Transformer(**SIZES, **VARIANTS[variant]))


def both(network: Transformer) -> tuple[Tensor, Tensor]:
    """The encoder's states of real tokens, and the logits, of three sources of different lengths."""
    source, target = tokens(3, 9, seed=1), tokens(3, 6, seed=2)
    visible = real_positions(LENGTHS, 9)
    with torch.no_grad():
        encoded = network.encode(source, visible)
        logits = network.head(network(source, target, visible))
    return encoded[visible[:, 0, 0]], logits


def theirs(model: torch.nn.Module) -> tuple[Tensor, Tensor]:
    source, target = tokens(3, 9, seed=1), tokens(3, 6, seed=2)
    real = torch.arange(9) < LENGTHS[:, None]
    with torch.no_grad():
        found = model(input_ids=source, attention_mask=real.long(), decoder_input_ids=target)
    return found.encoder_last_hidden_state[real], found.logits


def in_our_order(encoded: Tensor) -> Tensor:
    """transformers' states with sines and cosines next to each other again."""
    sines, cosines = encoded.chunk(2, dim=-1)
    return torch.stack([sines, cosines], dim=-1).flatten(-2)


@each_variant
def test_transformers_opens_what_we_save(variant: str, tmp_path: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM

    network = small(variant)
    save_network(network, tmp_path, end_of_text=3)
    model, told = AutoModelForSeq2SeqLM.from_pretrained(tmp_path, dtype=torch.float64, output_loading_info=True)
    assert type(model).__name__ == family_of(network).architecture
    assert not told["unexpected_keys"]
    assert not told["mismatched_keys"]
    ids = (model.config.eos_token_id, model.config.pad_token_id, model.config.decoder_start_token_id)
    assert ids == (3, 3, 3)
    (encoded, logits), (their_encoded, their_logits) = both(network), theirs(model.eval())
    assert their_logits.abs().max() > 1
    assert_same(encoded, in_our_order(their_encoded), 1e-9)
    assert_same(logits, their_logits, 1e-9)


@each_variant
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_what_we_save_we_load_number_for_number(variant: str, dtype: torch.dtype, tmp_path: Path) -> None:
    network = small(variant).to(dtype)
    save_network(network, tmp_path)
    loaded, _ = load_network(tmp_path)
    expected, state = network.state_dict(), loaded.state_dict()
    assert type(loaded) is Transformer
    assert list(state) == list(expected)
    assert all(state[name].dtype == dtype and torch.equal(state[name], expected[name]) for name in state)
    save_network(loaded, tmp_path / "again")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


THEIR_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "marian": ("Marian", {"activation_function": "swish", "scale_embedding": True}),
    "marian, two tables": (
        "Marian",
        {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": VOCABULARY, "vocab_size": VOCABULARY + 5},
    ),
    "pegasus": ("Pegasus", {"activation_function": "relu", "scale_embedding": True}),
}


@pytest.mark.parametrize("name", THEIR_MODELS)
def test_we_open_what_transformers_saves(name: str, tmp_path: Path) -> None:
    import transformers

    kind, changes = THEIR_MODELS[name]
    sizes = {"encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
    sizes |= {"d_model": 24, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_position_embeddings": CONTEXT}
    ids = {"vocab_size": VOCABULARY, "pad_token_id": 1, "eos_token_id": 0, "decoder_start_token_id": 1}
    configuration = getattr(transformers, f"{kind}Config")(**{**sizes, **ids, **changes})
    torch.manual_seed(5)
    architecture = "MarianMTModel" if kind == "Marian" else "PegasusForConditionalGeneration"
    model = getattr(transformers, architecture)(configuration).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
        model.final_logits_bias.normal_()
        # transformers rounds its sines to float32 whatever the type
        waves = sines_and_cosines(CONTEXT, 24)
        for tower in (model.model.encoder, model.model.decoder):
            tower.embed_positions.weight.copy_(torch.cat([waves[:, 0::2], waves[:, 1::2]], dim=1))
    model.save_pretrained(tmp_path)
    network = load_network(tmp_path)[0]
    assert isinstance(network, Transformer)
    (encoded, logits), (their_encoded, their_logits) = both(network), theirs(model)
    assert their_logits.abs().max() > 1
    assert_same(encoded, in_our_order(their_encoded), 1e-9)
    assert_same(logits, their_logits, 1e-9)


def changed(folder: Path, **tensors: Tensor) -> None:
    path = folder / "model.safetensors"
    save_file({**load_file(path), **tensors}, path, metadata={"format": "pt"})


def test_positions_that_are_not_the_papers_are_refused(tmp_path: Path) -> None:
    save_network(small("marian"), tmp_path)
    name = "model.encoder.embed_positions.weight"
    changed(tmp_path, **{name: torch.rand(CONTEXT, 24)})
    with pytest.raises(ModelFolderError, match=f"the tensor '{name}' is not the paper's sines and cosines"):
        load_network(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("normalize_before", True),
        ("static_position_embeddings", False),
        ("decoder_attention_heads", 2),
        ("activation_function", "tanh"),
    ],
)
def test_a_configuration_that_asks_for_something_else_is_refused_by_name(key: str, value: Any, tmp_path: Path) -> None:
    save_network(small("marian"), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(ModelFolderError, match=f"config.json asks for a '{key}'"):
        load_network(tmp_path)


@pytest.mark.parametrize("missing", ["model.shared.weight", "model.decoder.layers.1.encoder_attn.k_proj.weight"])
def test_a_missing_tensor_is_named(missing: str, tmp_path: Path) -> None:
    save_network(small("pegasus"), tmp_path)
    path = tmp_path / "model.safetensors"
    save_file({name: tensor for name, tensor in load_file(path).items() if name != missing}, path)
    with pytest.raises(ModelFolderError, match=f"the weights have no tensor '{missing}'"):
        load_network(tmp_path)
