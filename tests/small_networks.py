"""Small networks with random weights in float64: large enough to hold every part, small enough to check by hand."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from everysum.layers.layer import declared_parameters
from everysum.layers.positions import LinearScaling, Llama3Scaling
from everysum.models.gpt import GPT
from everysum.models.llama import Llama
from everysum.models.network import Network

VOCABULARY = 29
CONTEXT = 16
SIZES = {"vocabulary_size": VOCABULARY, "context_length": CONTEXT, "width": 24, "layers": 2, "heads": 4}

SomeNetwork = TypeVar("SomeNetwork", bound=nn.Module)

VARIANTS: dict[str, dict[str, Any]] = {
    "gpt": {},
    "gpt_untied": {"tied": False},
    "gpt_post_norm": {"wiring": "post_norm", "activation": "relu"},
    "llama": {},
    "llama_tied_grouped": {"tied": True, "key_value_heads": 2},
    "llama_one_shared_head": {"key_value_heads": 1},
    "llama_wide_heads": {"head_size": 10, "key_value_heads": 2, "rotary_base": 500.0},
    "llama_biased_linear": {
        "attention_bias": True,
        "feed_forward_bias": True,
        "key_value_heads": 2,
        "rotary_scaling": LinearScaling(4.0),
    },
    "llama_3_1": {"key_value_heads": 2, "rotary_base": 50.0, "rotary_scaling": Llama3Scaling(8.0, 1.0, 4.0, 6)},
    "mistral": {"key_value_heads": 2, "sliding_window": 5},
    "qwen2": {"attention_bias": True, "output_bias": False, "key_value_heads": 2},
    "qwen3": {"normalize_heads": True, "key_value_heads": 2, "head_size": 8},
}


def randomized(network: SomeNetwork, seed: int = 0) -> SomeNetwork:
    """Every parameter drawn anew, none left at 0 or 1, so that each of them matters; in float64 and ready to run."""
    generator = torch.Generator().manual_seed(seed)
    network = network.double().eval()
    for _, parameter, declaration in declared_parameters(network):
        draw = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.data = declaration.mean + 0.3 * draw
    return network


def unfilled(variant: str, **changes: Any) -> Network:
    """One of VARIANTS, with further changes, as its constructor leaves it."""
    if variant.startswith("gpt"):
        return GPT(**{**SIZES, **VARIANTS[variant], **changes})
    return Llama(**{**SIZES, "inner_width": 40, **VARIANTS[variant], **changes})


def small(variant: str, **changes: Any) -> Network:
    return randomized(unfilled(variant, **changes))


def tokens(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


def logits(network: Network, token_ids: Tensor, *arguments: Any, **named: Any) -> Tensor:
    with torch.no_grad():
        return network.head(network(token_ids, *arguments, **named))


def assert_same(ours: Tensor, theirs: Tensor, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0.0, atol=tolerance)
