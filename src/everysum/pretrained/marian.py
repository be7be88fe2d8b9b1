"""Marian's names (transformers' MarianMTModel): the paper's network, post-norm; so are Helsinki-NLP's translators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from everysum.models.network import Network
from everysum.models.transformer import Transformer
from everysum.pretrained import encoder_decoder
from everysum.pretrained.encoder_decoder import EncoderDecoderFamily
from everysum.pretrained.family import refuse_unless, setting


def represents(network: Network) -> bool:
    return isinstance(network, Transformer) and network.normalization is None


def configuration_of(network: Transformer) -> dict[str, Any]:
    return {
        **encoder_decoder.configuration_of(network),
        "decoder_vocab_size": network.vocabulary_size,
        "share_encoder_decoder_embeddings": network.source_embedding is None,
    }


def network_from(configuration: Mapping[str, Any], **parts: Any) -> Transformer:
    refuse_unless(configuration, {"normalize_before": (False,), "add_final_layer_norm": (False,)})
    shared = setting(configuration, "share_encoder_decoder_embeddings", bool, True)
    return encoder_decoder.network_from(configuration, wiring="post_norm", shared=shared, **parts)


MARIAN = EncoderDecoderFamily(
    "MarianMTModel",
    "marian",
    encoder_decoder.ROWS,
    represents,
    configuration_of,
    network_from,
    end_of_text_keys=("eos_token_id", "pad_token_id", "decoder_start_token_id"),
)
