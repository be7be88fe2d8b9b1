"""What the published encoder-decoders have in common (transformers' Marian and Pegasus), which BART's code began.

Their positions are the paper's, but with all sines in the first half of the width and all cosines in the second, where
ours stand in neighboring pairs. So every axis that counts the width is taken in another order, in every weight alike;
what the network computes stays the same. Their tables of positions are stored although nothing of them is learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from everysum.errors import ModelFolderError
from everysum.layers.activation import ACTIVATIONS
from everysum.models.gpt import Block
from everysum.models.network import Network
from everysum.models.transformer import Transformer
from everysum.pretrained.family import DEEPEST, Family, Row, name_of, refuse_unless, setting

SHARED = "model.shared.weight"
TABLES = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight")
POSITIONS = ("model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight")
HEAD, HEAD_BIAS = "lm_head.weight", "final_logits_bias"
LARGEST_ERROR = 0.01
"""How far a stored table of positions may be from the sines: what bfloat16 rounds away, and no more."""

THEIR_ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "silu": "silu", "swish": "silu"}


def sides() -> Iterator[Row]:
    """The rows of both towers' blocks."""
    for theirs, ours in (("model.encoder.", "encoder_blocks."), ("model.decoder.", "blocks.")):
        parts = [("self_attn", "attention")] + [("encoder_attn", "cross_attention")] * (ours == "blocks.")
        for their_part, our_part in parts:
            yield from attention_rows(f"{theirs}layers.{{layer}}.{their_part}", f"{ours}{{layer}}.{our_part}")
            yield from vectors(
                f"{theirs}layers.{{layer}}.{their_part}_layer_norm", f"{ours}{{layer}}.{our_part}_normalization"
            )
        layer, block = f"{theirs}layers.{{layer}}.", f"{ours}{{layer}}."
        yield Row(layer + "fc1.weight", (block + "feed_forward.up.weight",), width_axes=(1,))
        yield Row(layer + "fc1.bias", (block + "feed_forward.up.bias",))
        yield Row(layer + "fc2.weight", (block + "feed_forward.down.weight",), width_axes=(0,))
        yield Row(layer + "fc2.bias", (block + "feed_forward.down.bias",), width_axes=(0,))
        yield from vectors(layer + "final_layer_norm", block + "feed_forward_normalization")


def attention_rows(theirs: str, ours: str) -> Iterator[Row]:
    for their_part, our_part in (("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value")):
        yield Row(f"{theirs}.{their_part}.weight", (f"{ours}.{our_part}.weight",), width_axes=(1,))
        yield Row(f"{theirs}.{their_part}.bias", (f"{ours}.{our_part}.bias",))
    yield Row(f"{theirs}.out_proj.weight", (f"{ours}.output.weight",), width_axes=(0,))
    yield Row(f"{theirs}.out_proj.bias", (f"{ours}.output.bias",), width_axes=(0,))


def vectors(theirs: str, ours: str) -> Iterator[Row]:
    for kind in ("weight", "bias"):
        yield Row(f"{theirs}.{kind}", (f"{ours}.{kind}",), width_axes=(0,))


ROWS = (
    *sides(),
    *vectors("model.encoder.layer_norm", "encoder_normalization"),
    *vectors("model.decoder.layer_norm", "normalization"),
    Row(HEAD, ("output.weight",), width_axes=(1,)),
    Row(HEAD_BIAS, ("head_bias",)),
)


class Completed(Mapping[str, Tensor]):
    """The tensors of a file, of which tied ones may stand under any of their names; the head's bias is a plain row."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors
        self.names = {name: name for name in tensors}
        for missing, others in ((SHARED, (*TABLES, HEAD)), (TABLES[1], (HEAD,))):
            if missing not in tensors and (same := next((name for name in others if name in tensors), None)):
                self.names[missing] = same

    def __getitem__(self, name: str) -> Tensor:
        tensor = self.tensors[self.names[name]]
        return tensor.reshape(-1) if name == HEAD_BIAS else tensor

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class EncoderDecoderFamily(Family):
    """A family of encoder-decoders: the names of `ROWS`, and what lies in their files beside the parameters."""

    def table(self, network: Network) -> Iterator[Row]:
        yield from super().table(network)
        if cast(Transformer, network).source_embedding is None:
            yield Row(SHARED, ("token_embedding.weight",), width_axes=(1,))
        else:
            yield Row(TABLES[0], ("source_embedding.weight",), width_axes=(1,))
            yield Row(TABLES[1], ("token_embedding.weight",), width_axes=(1,))

    def generation(self, network: Network) -> dict[str, Any]:
        """Search with five beams, as `everysum translate` does; transformers would take one, and 20 tokens at most."""
        return {"num_beams": 5, "length_penalty": 1.0, "early_stopping": False, "max_length": network.context_length}

    def published(self, network: Network) -> dict[str, Tensor]:
        """The parameters in their order of the width; the tables of positions; a bias of the head, though it is 0."""
        tensors, order = super().published(network), order_of(network)
        for row in self.table(network):
            tensors[row.theirs] = row.in_order(tensors[row.theirs], order).contiguous()
        weight = network.head_weight
        tensors |= {name: positions_of(network)[:, order].contiguous() for name in POSITIONS}
        bias = tensors.get(HEAD_BIAS, torch.zeros(network.vocabulary_size, dtype=weight.dtype, device=weight.device))
        tensors[HEAD_BIAS] = bias[None].contiguous()
        if network.output is not None and SHARED in tensors:
            # where the head is not tied, transformers ties no table at all and looks for each of them
            tensors |= {name: tensors[SHARED].clone() for name in TABLES}
        return tensors

    def ours(self, network: Network, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The published tensors under our names; of tied tables any one will do. A bias that is 0 is none."""
        network, found = cast(Transformer, network), Completed(tensors)
        if HEAD_BIAS not in found or not bool(found[HEAD_BIAS].any()):
            network.drop_head_bias()
        order = order_of(network, torch.device("cpu"))
        self.refuse_other_positions(network, found, order)
        state = super().ours(network, found)
        back = order.argsort().to(state["token_embedding.weight"].device)
        for row in self.table(network):
            (name,) = row.ours
            state[name] = row.in_order(state[name], back).contiguous()
        network.positions.to(state["token_embedding.weight"].dtype)
        return state

    def outlines(self, network: Network, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Whether a bias of the head is 0, and what positions are, cannot be seen yet."""
        found = Completed(tensors)
        if HEAD_BIAS not in found:
            cast(Transformer, network).drop_head_bias()
        return super().ours(network, found)

    def refuse_other_positions(self, network: Network, tensors: Mapping[str, Tensor], order: Tensor) -> None:
        """Our positions are computed: tables of others, perhaps learned ones, cannot be used."""
        waves = None
        for name in POSITIONS:
            if (table := tensors.get(name)) is None:
                continue
            waves = positions_of(network, torch.device("cpu"))[:, order] if waves is None else waves
            if table.shape != waves.shape or not bool(((table.to(waves) - waves).abs() <= LARGEST_ERROR).all()):
                raise ModelFolderError(
                    f"the tensor {name!r} is not the paper's sines and cosines",
                    wanted=f"{tuple(waves.shape)} of them, sines in the first half",
                    came=str(tuple(table.shape)),
                )


def order_of(network: Network, device: torch.device | None = None) -> Tensor:
    """Where each number of their width stands in ours: even places first, where the sines are, then odd ones."""
    width = network.token_embedding.weight.shape[1]
    places = torch.arange(width, device=device or network.device)
    return torch.cat([places[0::2], places[1::2]])


def positions_of(network: Network, device: torch.device | None = None) -> Tensor:
    """The waves at all positions of the context."""
    weight = network.head_weight
    return cast(Transformer, network).positions.exact_rows.to(device or weight.device, weight.dtype)


def configuration_of(network: Transformer) -> dict[str, Any]:
    _, heads, head_size = network.cache_shape
    feed_forward = cast(Block, network.encoder_blocks[0]).feed_forward
    inner_width = feed_forward.up.weight.shape[0]
    return {
        "vocab_size": network.source_vocabulary_size,
        "max_position_embeddings": network.context_length,
        "d_model": heads * head_size,
        "encoder_layers": len(network.encoder_blocks),
        "decoder_layers": len(network.blocks),
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": inner_width,
        "decoder_ffn_dim": inner_width,
        "activation_function": name_of(ACTIVATIONS, feed_forward.activation),
        "scale_embedding": network.embedding_scale != 1.0,
        "tie_word_embeddings": network.output is None,
        "is_encoder_decoder": True,
        "forced_eos_token_id": None,
        "bos_token_id": None,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
    }


def network_from(configuration: Mapping[str, Any], *, wiring: str, shared: bool, **parts: Any) -> Transformer:
    """The network of a configuration, with a bias of the head: whether there is one, the weights will say."""
    heads = setting(configuration, "encoder_attention_heads", int)
    inner_width = setting(configuration, "encoder_ffn_dim", int)
    refuse_unless(
        configuration,
        {
            "activation_function": tuple(THEIR_ACTIVATIONS),
            "decoder_attention_heads": (heads,),
            "decoder_ffn_dim": (inner_width,),
            "static_position_embeddings": (True,),
            "normalize_embedding": (False,),
        },
    )
    sources = setting(configuration, "vocab_size", int)
    return Transformer(
        vocabulary_size=sources if shared else setting(configuration, "decoder_vocab_size", int, sources),
        source_vocabulary_size=sources,
        context_length=setting(configuration, "max_position_embeddings", int),
        width=setting(configuration, "d_model", int),
        encoder_layers=setting(configuration, "encoder_layers", int, most=DEEPEST),
        decoder_layers=setting(configuration, "decoder_layers", int, most=DEEPEST),
        heads=heads,
        inner_width=inner_width,
        activation=THEIR_ACTIVATIONS[setting(configuration, "activation_function", str, "gelu")],
        wiring=wiring,
        shared=shared,
        tied=setting(configuration, "tie_word_embeddings", bool, True),
        scaled=setting(configuration, "scale_embedding", bool, False),
        head_bias=True,
        **parts,
    )
