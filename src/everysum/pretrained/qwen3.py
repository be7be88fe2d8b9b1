"""Qwen 3's names (transformers' Qwen3ForCausalLM): Llama's, with an RMSNorm on each head's query and key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from everysum.models.llama import Llama
from everysum.models.network import Network
from everysum.pretrained import llama, qwen2
from everysum.pretrained.family import Family, setting

UNSAID: Mapping[str, Any] = {**qwen2.UNSAID, "head_dim": 128}


def represents(network: Network) -> bool:
    return (
        isinstance(network, Llama)
        and llama.normalizes_heads(network)
        and llama.has_bias(network) == llama.has_output_bias(network)
        and not llama.has_feed_forward_bias(network)
        and network.sliding_window is None
    )


def configuration_of(network: Llama) -> dict[str, Any]:
    return {**qwen2.configuration_of(network), "attention_bias": llama.has_bias(network)}


def network_from(configuration: Mapping[str, Any], **parts: Any) -> Llama:
    said = {**UNSAID, **configuration}
    qwen2.refuse_windows(said)
    bias = setting(said, "attention_bias", bool, False)
    return llama.tower_from(said, normalize_heads=True, attention_bias=bias, **parts)


QWEN3 = Family("Qwen3ForCausalLM", "qwen3", llama.ROWS, represents, configuration_of, network_from)
