"""Llama's names (transformers' LlamaForCausalLM), 1 to 3.3; Mistral's and Qwen's are the same, see there."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, cast

from everysum.errors import ModelFolderError
from everysum.models.llama import Block, Llama
from everysum.models.network import Network
from everysum.pretrained.family import DEEPEST, Family, Row, refuse_unless, setting
from everysum.pretrained.rotary import rotary_configuration, rotary_from

THEIRS = "model.layers.{layer}."
OURS = "blocks.{layer}."

ROWS = (
    Row("model.embed_tokens.weight", ("token_embedding.weight",)),
    *(
        Row(THEIRS + f"{theirs}.{kind}", (OURS + f"{ours}.{kind}",))
        for theirs, ours in (
            ("input_layernorm", "attention_normalization"),
            ("self_attn.q_proj", "attention.query"),
            ("self_attn.k_proj", "attention.key"),
            ("self_attn.v_proj", "attention.value"),
            ("self_attn.q_norm", "attention.query_normalization"),
            ("self_attn.k_norm", "attention.key_normalization"),
            ("self_attn.o_proj", "attention.output"),
            ("post_attention_layernorm", "feed_forward_normalization"),
            ("mlp.gate_proj", "feed_forward.gate"),
            ("mlp.up_proj", "feed_forward.up"),
            ("mlp.down_proj", "feed_forward.down"),
        )
        for kind in ("weight", "bias")
    ),
    Row("model.norm.weight", ("normalization.weight",)),
    Row("lm_head.weight", ("output.weight",)),
)
"""What a network has no part for, such as a bias, is no row of it."""


def first_block(network: Llama) -> Block:
    """All blocks are alike: what the first is made of, all are."""
    return cast(Block, network.blocks[0])


def has_bias(network: Llama) -> bool:
    return first_block(network).attention.query.bias is not None


def has_output_bias(network: Llama) -> bool:
    return first_block(network).attention.output.bias is not None


def has_feed_forward_bias(network: Llama) -> bool:
    return first_block(network).feed_forward.up.bias is not None


def normalizes_heads(network: Llama) -> bool:
    return first_block(network).attention.query_normalization is not None


def represents(network: Network) -> bool:
    return (
        isinstance(network, Llama)
        and not normalizes_heads(network)
        and has_bias(network) == has_output_bias(network)
        and network.sliding_window is None
    )


def tower_configuration(network: Llama) -> dict[str, Any]:
    """What all relatives of Llama say in the same words."""
    layers, key_value_heads, head_size = network.cache_shape
    block = first_block(network)
    query = block.attention.query.weight
    return {
        "vocab_size": network.vocabulary_size,
        "max_position_embeddings": network.context_length,
        "hidden_size": query.shape[1],
        "intermediate_size": block.feed_forward.up.weight.shape[0],
        "num_hidden_layers": layers,
        "num_attention_heads": query.shape[0] // head_size,
        "num_key_value_heads": key_value_heads,
        "head_dim": head_size,
        "hidden_act": "silu",
        "rms_norm_eps": network.normalization.epsilon,
        **rotary_configuration(network.rotary_positions),
        "tie_word_embeddings": network.output is None,
        "attention_dropout": 0.0,
    }


def configuration_of(network: Llama) -> dict[str, Any]:
    biases = {"attention_bias": has_bias(network), "mlp_bias": has_feed_forward_bias(network)}
    return {**tower_configuration(network), **biases}


def tower_from(configuration: Mapping[str, Any], **parts: Any) -> Llama:
    """The network of a configuration, with the parts that a relative of Llama has besides."""
    refuse_unless(configuration, {"hidden_act": ("silu",)})
    width, heads = setting(configuration, "hidden_size", int), setting(configuration, "num_attention_heads", int)
    base, scaling = rotary_from(configuration)
    return Llama(
        vocabulary_size=setting(configuration, "vocab_size", int),
        context_length=setting(configuration, "max_position_embeddings", int),
        width=width,
        layers=setting(configuration, "num_hidden_layers", int, most=DEEPEST),
        heads=heads,
        key_value_heads=setting(configuration, "num_key_value_heads", int, heads),
        head_size=None if configuration.get("head_dim") is None else setting(configuration, "head_dim", int),
        inner_width=setting(configuration, "intermediate_size", int),
        rotary_base=base,
        rotary_scaling=scaling,
        epsilon=setting(configuration, "rms_norm_eps", float, 1e-6),
        tied=setting(configuration, "tie_word_embeddings", bool, False),
        **parts,
    )


def refuse_layers(configuration: Mapping[str, Any], computed: tuple[str, ...]) -> None:
    """Refuse a configuration in which layers differ from each other in how far they look."""
    kinds = configuration.get("layer_types") or []
    other = kinds if not isinstance(kinds, list) else next((kind for kind in kinds if kind not in computed), None)
    if other is not None:
        raise ModelFolderError(
            "config.json asks for a 'layer_types' that everysum does not compute for this family",
            wanted=f"{' or '.join(computed)} in every layer",
            came=reprlib.repr(other),
        )


def network_from(configuration: Mapping[str, Any], **parts: Any) -> Llama:
    attention, feed_forward = (setting(configuration, key, bool, False) for key in ("attention_bias", "mlp_bias"))
    return tower_from(configuration, attention_bias=attention, feed_forward_bias=feed_forward, **parts)


LLAMA = Family("LlamaForCausalLM", "llama", ROWS, represents, configuration_of, network_from)
