"""Qwen 2's and 2.5's names (transformers' Qwen2ForCausalLM): Llama's, with biases in queries, keys and values alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from everysum.models.llama import Llama
from everysum.models.network import Network
from everysum.pretrained import llama
from everysum.pretrained.family import Family, refuse_unless

UNSAID: Mapping[str, Any] = {"num_key_value_heads": 32}
"""What transformers takes where a Qwen's file does not say."""


def represents(network: Network) -> bool:
    return (
        isinstance(network, Llama)
        and not llama.normalizes_heads(network)
        and llama.has_bias(network)
        and not llama.has_output_bias(network)
        and not llama.has_feed_forward_bias(network)
        and network.sliding_window is None
    )


def configuration_of(network: Llama) -> dict[str, Any]:
    return {**llama.tower_configuration(network), "use_sliding_window": False}


def network_from(configuration: Mapping[str, Any], **parts: Any) -> Llama:
    said = {**UNSAID, **configuration}
    refuse_windows(said)
    return llama.tower_from(said, attention_bias=True, output_bias=False, **parts)


def refuse_windows(configuration: Mapping[str, Any]) -> None:
    """Windows in the upper layers alone, which no published Qwen uses, are not computed here."""
    llama.refuse_layers(configuration, ("full_attention",))
    refuse_unless(configuration, {"use_sliding_window": (False, None), "mlp_bias": (False,)})


QWEN2 = Family("Qwen2ForCausalLM", "qwen2", llama.ROWS, represents, configuration_of, network_from)
