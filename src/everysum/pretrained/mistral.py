"""Mistral's names (transformers' MistralForCausalLM): Llama's; version 0.1 looks back through a sliding window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from everysum.models.llama import Llama
from everysum.models.network import Network
from everysum.pretrained import llama
from everysum.pretrained.family import Family, refuse_unless, setting

UNSAID: Mapping[str, Any] = {"num_key_value_heads": 8, "sliding_window": 4096}
"""What transformers takes where a Mistral's file does not say."""


def represents(network: Network) -> bool:
    return (
        isinstance(network, Llama)
        and not llama.normalizes_heads(network)
        and not (llama.has_bias(network) or llama.has_output_bias(network) or llama.has_feed_forward_bias(network))
    )


def configuration_of(network: Llama) -> dict[str, Any]:
    return {**llama.tower_configuration(network), "sliding_window": network.sliding_window}


def network_from(configuration: Mapping[str, Any], **parts: Any) -> Llama:
    said = {**UNSAID, **configuration}
    refuse_unless(said, {"attention_bias": (False,), "mlp_bias": (False,)})
    llama.refuse_layers(said, ("full_attention",) if said["sliding_window"] is None else ("sliding_attention",))
    window = None if said["sliding_window"] is None else setting(said, "sliding_window", int)
    return llama.tower_from(said, sliding_window=window, **parts)


MISTRAL = Family("MistralForCausalLM", "mistral", llama.ROWS, represents, configuration_of, network_from)
