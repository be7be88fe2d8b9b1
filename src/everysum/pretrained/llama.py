"""Llama's names (transformers' LlamaForCausalLM); Qwen 3's differ by two norms more, see `qwen3`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from everysum.models.llama import Block, Llama
from everysum.models.network import Network
from everysum.pretrained.family import DEEPEST, Family, Row, refuse_unless, setting

THEIRS = "model.layers.{layer}."
OURS = "blocks.{layer}."

ROWS = (
    Row("model.embed_tokens.weight", ("token_embedding.weight",)),
    *(
        Row(THEIRS + f"{theirs}.weight", (OURS + f"{ours}.weight",))
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
    ),
    Row("model.norm.weight", ("normalization.weight",)),
    Row("lm_head.weight", ("output.weight",)),
)


def normalizes_heads(network: Llama) -> bool:
    return cast(Block, network.blocks[0]).attention.query_normalization is not None


def represents(network: Network) -> bool:
    return isinstance(network, Llama) and not normalizes_heads(network)


def configuration_of(network: Llama) -> dict[str, Any]:
    layers, key_value_heads, head_size = network.cache_shape
    block = cast(Block, network.blocks[0])
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
        "rope_theta": network.rotary_positions.base,
        "rope_parameters": {"rope_type": "default", "rope_theta": network.rotary_positions.base},
        "tie_word_embeddings": network.output is None,
        "attention_bias": False,
        "attention_dropout": 0.0,
    }


def network_from(configuration: Mapping[str, Any], *, normalize_heads: bool = False) -> Llama:
    refuse_unless(
        configuration,
        {
            "hidden_act": ("silu",),
            "attention_bias": (False,),
            "mlp_bias": (False,),
            "use_sliding_window": (False,),
            "rope_scaling": (None,),
        },
    )
    rope = setting(configuration, "rope_parameters", dict, {})
    refuse_unless(rope, {"rope_type": ("default",), "type": ("default",), "partial_rotary_factor": (None, 1.0)})
    width, heads = setting(configuration, "hidden_size", int), setting(configuration, "num_attention_heads", int)
    return Llama(
        vocabulary_size=setting(configuration, "vocab_size", int),
        context_length=setting(configuration, "max_position_embeddings", int),
        width=width,
        layers=setting(configuration, "num_hidden_layers", int, most=DEEPEST),
        heads=heads,
        key_value_heads=setting(configuration, "num_key_value_heads", int, heads),
        head_size=None if configuration.get("head_dim") is None else setting(configuration, "head_dim", int),
        inner_width=setting(configuration, "intermediate_size", int),
        normalize_heads=normalize_heads,
        rotary_base=setting({**configuration, **rope}, "rope_theta", float, 10_000.0),
        epsilon=setting(configuration, "rms_norm_eps", float, 1e-6),
        tied=setting(configuration, "tie_word_embeddings", bool, False),
    )


LLAMA = Family("LlamaForCausalLM", "llama", ROWS, represents, configuration_of, network_from)
