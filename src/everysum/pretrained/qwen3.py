"""Qwen 3's names (transformers' Qwen3ForCausalLM): Llama's, with an RMSNorm on each head's query and key."""

from __future__ import annotations

from functools import partial

from everysum.models.llama import Llama
from everysum.models.network import Network
from everysum.pretrained import llama
from everysum.pretrained.family import Family


def represents(network: Network) -> bool:
    return isinstance(network, Llama) and llama.normalizes_heads(network)


QWEN3 = Family(
    "Qwen3ForCausalLM",
    "qwen3",
    llama.ROWS,
    represents,
    llama.configuration_of,
    partial(llama.network_from, normalize_heads=True),
)
