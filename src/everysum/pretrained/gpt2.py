"""GPT-2's names (transformers' GPT2LMHeadModel): query, key and value joined, every matrix with its inputs first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from everysum.layers.activation import ACTIVATIONS
from everysum.models.gpt import GPT, Block
from everysum.models.network import Network
from everysum.pretrained.family import DEEPEST, Family, Row, name_of, refuse_unless, setting

BLOCK = "transformer.h.{layer}."
ATTENTION = "blocks.{layer}.attention."
FEED_FORWARD = "blocks.{layer}.feed_forward."

ROWS = (
    Row("transformer.wte.weight", ("token_embedding.weight",)),
    Row("transformer.wpe.weight", ("position_embedding.weight",)),
    *(
        row
        for kind in ("weight", "bias")
        for row in (
            Row(BLOCK + f"ln_1.{kind}", (f"blocks.{{layer}}.attention_normalization.{kind}",)),
            Row(
                BLOCK + f"attn.c_attn.{kind}",
                tuple(ATTENTION + f"{part}.{kind}" for part in ("query", "key", "value")),
                transposed=kind == "weight",
            ),
            Row(BLOCK + f"attn.c_proj.{kind}", (ATTENTION + f"output.{kind}",), transposed=kind == "weight"),
            Row(BLOCK + f"ln_2.{kind}", (f"blocks.{{layer}}.feed_forward_normalization.{kind}",)),
            Row(BLOCK + f"mlp.c_fc.{kind}", (FEED_FORWARD + f"up.{kind}",), transposed=kind == "weight"),
            Row(BLOCK + f"mlp.c_proj.{kind}", (FEED_FORWARD + f"down.{kind}",), transposed=kind == "weight"),
            Row(f"transformer.ln_f.{kind}", (f"normalization.{kind}",)),
        )
    ),
    Row("lm_head.weight", ("output.weight",)),
)

THEIR_ACTIVATIONS = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": "gelu",
    "relu": "relu",
    "silu": "silu",
}


def represents(network: Network) -> bool:
    return isinstance(network, GPT) and network.normalization is not None


def configuration_of(network: GPT) -> dict[str, Any]:
    layers, heads, head_size = network.cache_shape
    block = cast(Block, network.blocks[0])
    activation = name_of(ACTIVATIONS, block.feed_forward.activation)
    return {
        "vocab_size": network.vocabulary_size,
        "n_positions": network.context_length,
        "n_embd": heads * head_size,
        "n_layer": layers,
        "n_head": heads,
        "n_inner": block.feed_forward.up.weight.shape[0],
        "activation_function": next(theirs for theirs, ours in THEIR_ACTIVATIONS.items() if ours == activation),
        "layer_norm_epsilon": block.attention_normalization.epsilon,
        "tie_word_embeddings": network.output is None,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
    }


def network_from(configuration: Mapping[str, Any], **parts: Any) -> GPT:
    refuse_unless(
        configuration,
        {
            "activation_function": tuple(THEIR_ACTIVATIONS),
            "scale_attn_weights": (True,),
            "scale_attn_by_inverse_layer_idx": (False,),
            "add_cross_attention": (False,),
            "layer_norm_epsilon": (1e-5,),
        },
    )
    width = setting(configuration, "n_embd", int)
    return GPT(
        vocabulary_size=setting(configuration, "vocab_size", int),
        context_length=setting(configuration, "n_positions", int),
        width=width,
        layers=setting(configuration, "n_layer", int, most=DEEPEST),
        heads=setting(configuration, "n_head", int),
        inner_width=setting(configuration, "n_inner", int, 4 * width),
        activation=THEIR_ACTIVATIONS[setting(configuration, "activation_function", str, "gelu_new")],
        wiring="pre_norm",
        tied=setting(configuration, "tie_word_embeddings", bool, True),
        **parts,
    )


GPT2 = Family("GPT2LMHeadModel", "gpt2", ROWS, represents, configuration_of, network_from)
