"""Llama: as in `models/llama.py`; the stretched rotary positions of Llama 3.1; its published size."""

from __future__ import annotations

from random import Random

import pytest
import torch
from plain_and_torch import assert_held_together, take_over
from small_networks import randomized

from everysum.models.llama import Llama as TorchLlama
from everysum.plain.llama import LLAMA_3_1_8B, parameter_count, random_llama, stretched
from everysum.plain.positions import speeds
from everysum.plain.training import parameters

SIZES = {"width": 8, "layers": 2, "heads": 4, "inner_width": 10}


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("key_value_heads", [1, 2, 4])
def test_every_logit_and_every_gradient_is_torchs(key_value_heads: int, tied: bool) -> None:
    theirs = randomized(
        TorchLlama(vocabulary_size=7, context_length=6, key_value_heads=key_value_heads, tied=tied, **SIZES)
    )
    ours = random_llama(7, Random(1), key_value_heads=key_value_heads, **SIZES)
    if tied:
        ours.output = None
    pairs = take_over(ours, theirs)
    tokens = [3, 1, 4, 1, 5]
    assert_held_together(ours(tokens), theirs.head(theirs(torch.tensor([tokens])))[0], pairs)


def test_heads_and_sizes_must_fit() -> None:
    with pytest.raises(ValueError, match="4 heads, 3 key/value heads"):
        random_llama(7, Random(1), key_value_heads=3, **SIZES)
    with pytest.raises(ValueError, match="parts of an even size"):
        random_llama(7, Random(1), key_value_heads=8, **{**SIZES, "heads": 8})


def test_stretched_speeds_are_those_of_transformers() -> None:
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaling = {
        "rope_type": "llama3",
        "rope_theta": 500_000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    configuration = LlamaConfig(
        hidden_size=4096, num_attention_heads=32, max_position_embeddings=131_072, rope_parameters=scaling
    )
    expected, _ = ROPE_INIT_FUNCTIONS["llama3"](configuration, device=torch.device("cpu"))
    assert stretched(speeds(128, 500_000.0)) == pytest.approx(expected.tolist(), rel=1e-6)  # theirs is in float32


def test_fast_pairs_keep_their_speed_slow_ones_are_eight_times_slower_and_between_is_blended() -> None:
    """In 8192 positions a pair of speed 2π/8192 turns around once, one of 4 times that four times."""
    once = 2 * torch.pi / 8192
    found = stretched([1.0, 4 * once, 2.5 * once, once, once / 10])
    assert found == pytest.approx([1.0, 4 * once, 2.5 * once * (1 + 1 / 8) / 2, once / 8, once / 80])


def test_the_published_size_is_counted() -> None:
    assert parameter_count(**LLAMA_3_1_8B) == 8_030_261_248
    small = {**SIZES, "key_value_heads": 2}
    assert parameter_count(vocabulary_size=7, **small) == len(parameters(random_llama(7, Random(1), **small)))
    with torch.device("meta"):
        network = TorchLlama(**LLAMA_3_1_8B, context_length=131_072)
    assert sum(parameter.numel() for parameter in network.parameters()) == 8_030_261_248
