"""Pegasus' names (transformers' PegasusForConditionalGeneration): pre-norm, with a last norm above each tower."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from everysum.models.network import Network
from everysum.models.transformer import Transformer
from everysum.pretrained import encoder_decoder
from everysum.pretrained.encoder_decoder import EncoderDecoderFamily
from everysum.pretrained.family import refuse_unless


def represents(network: Network) -> bool:
    return isinstance(network, Transformer) and network.normalization is not None and network.source_embedding is None


def network_from(configuration: Mapping[str, Any], **parts: Any) -> Transformer:
    refuse_unless(configuration, {"normalize_before": (True,), "add_final_layer_norm": (True,)})
    return encoder_decoder.network_from(configuration, wiring="pre_norm", shared=True, **parts)


PEGASUS = EncoderDecoderFamily(
    "PegasusForConditionalGeneration",
    "pegasus",
    encoder_decoder.ROWS,
    represents,
    encoder_decoder.configuration_of,
    network_from,
    end_of_text_keys=("eos_token_id", "pad_token_id", "decoder_start_token_id"),
)
