"""OPT's names (transformers' OPTForCausalLM): here for the article's block, post-norm with ReLU, which GPT-2's lacks.

OPT keeps two spare rows before the first position's; with `do_layer_norm_before` false it is the article's wiring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from everysum.layers.activation import ACTIVATIONS
from everysum.models.gpt import GPT, Block
from everysum.models.network import Network
from everysum.pretrained.family import DEEPEST, Family, Row, refuse_unless, setting

SPARE_POSITIONS = 2
THEIRS = "model.decoder.layers.{layer}."
OURS = "blocks.{layer}."

ROWS = (
    Row("model.decoder.embed_tokens.weight", ("token_embedding.weight",)),
    Row("model.decoder.embed_positions.weight", ("position_embedding.weight",), spare_rows=SPARE_POSITIONS),
    *(
        Row(THEIRS + f"{theirs}.{kind}", (OURS + f"{ours}.{kind}",))
        for theirs, ours in (
            ("self_attn.q_proj", "attention.query"),
            ("self_attn.k_proj", "attention.key"),
            ("self_attn.v_proj", "attention.value"),
            ("self_attn.out_proj", "attention.output"),
            ("self_attn_layer_norm", "attention_normalization"),
            ("fc1", "feed_forward.up"),
            ("fc2", "feed_forward.down"),
            ("final_layer_norm", "feed_forward_normalization"),
        )
        for kind in ("weight", "bias")
    ),
    Row("lm_head.weight", ("output.weight",)),
)


def represents(network: Network) -> bool:
    if not isinstance(network, GPT) or network.normalization is not None:
        return False
    return cast(Block, network.blocks[0]).feed_forward.activation is ACTIVATIONS["relu"]


def configuration_of(network: GPT) -> dict[str, Any]:
    layers, heads, head_size = network.cache_shape
    return {
        "vocab_size": network.vocabulary_size,
        "max_position_embeddings": network.context_length,
        "hidden_size": heads * head_size,
        "word_embed_proj_dim": heads * head_size,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "ffn_dim": cast(Block, network.blocks[0]).feed_forward.up.weight.shape[0],
        "activation_function": "relu",
        "do_layer_norm_before": False,
        "tie_word_embeddings": network.output is None,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "layerdrop": 0.0,
    }


def network_from(configuration: Mapping[str, Any], **parts: Any) -> GPT:
    width = setting(configuration, "hidden_size", int)
    refuse_unless(
        {"do_layer_norm_before": True, **configuration},  # what OPT does where its file does not say
        {
            "do_layer_norm_before": (False,),
            "activation_function": ("relu",),
            "word_embed_proj_dim": (width, None),
            "enable_bias": (True,),
            "layer_norm_elementwise_affine": (True,),
        },
    )
    return GPT(
        vocabulary_size=setting(configuration, "vocab_size", int),
        context_length=setting(configuration, "max_position_embeddings", int),
        width=width,
        layers=setting(configuration, "num_hidden_layers", int, most=DEEPEST),
        heads=setting(configuration, "num_attention_heads", int),
        inner_width=setting(configuration, "ffn_dim", int),
        activation="relu",
        wiring="post_norm",
        tied=setting(configuration, "tie_word_embeddings", bool, True),
        **parts,
    )


OPT = Family("OPTForCausalLM", "opt", ROWS, represents, configuration_of, network_from)
