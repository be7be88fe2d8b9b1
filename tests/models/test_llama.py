"""Llama against a plain loop written from the papers alone, one position and one head at a time."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import pytest
import torch
from small_networks import CONTEXT, VARIANTS, assert_same, logits, small, tokens
from torch import Tensor

from everysum.errors import UsageError
from everysum.layers.layer import initialize
from everysum.models.llama import Llama

LLAMAS = [variant for variant in VARIANTS if not variant.startswith("gpt")]


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    return x / math.sqrt(x.square().mean().item() + epsilon) * weight


def turn(x: Tensor, position: int, base: float, slowed: Callable[[float], float]) -> Tensor:
    """RoFormer, section 3.2.2: each pair of numbers is a complex one, times e to the i·position·θ."""
    half = len(x) // 2
    pairs = [complex(x[i].item(), x[i + half].item()) for i in range(half)]
    pairs = [z * cmath.exp(1j * position * slowed(base ** (-i / half))) for i, z in enumerate(pairs)]
    return torch.tensor([*(z.real for z in pairs), *(z.imag for z in pairs)], dtype=torch.float64)


def as_they_are(frequency: float) -> float:
    return frequency


def four_times_slower(frequency: float) -> float:
    return frequency / 4


def as_llama_3_1_has_it(frequency: float) -> float:
    """By wavelength, as Meta's own program for Llama 3.1 decides it: factor 8, low 1, high 4, 6 positions before."""
    wavelength = 2 * math.pi / frequency
    if wavelength < 6 / 4:
        return frequency
    if wavelength > 6 / 1:
        return frequency / 8
    smooth = (6 / wavelength - 1) / (4 - 1)
    return (1 - smooth) * frequency / 8 + smooth * frequency


SLOWED = {"llama_biased_linear": four_times_slower, "llama_3_1": as_llama_3_1_has_it}


def silu(x: Tensor) -> Tensor:
    return torch.tensor([number / (1 + math.exp(-number)) for number in x.tolist()], dtype=torch.float64)


def plain_logits(
    weights: dict[str, Tensor],
    token_ids: list[int],
    *,
    layers: int,
    heads: int,
    groups: int,
    base: float,
    epsilon: float,
    slowed: Callable[[float], float] = as_they_are,
    reach: int = 10**9,
) -> Tensor:
    """`groups` is the number of key/value heads; biases, the norm of heads and the untied head follow from the weights.

    `reach` is how many positions each sees, its own counted.
    """
    flowing = [weights["token_embedding.weight"][token_id] for token_id in token_ids]
    for layer in range(layers):
        block = {
            name.removeprefix(f"blocks.{layer}.").removesuffix(".weight"): weight
            for name, weight in weights.items()
            if name.startswith(f"blocks.{layer}.")
        }

        def neurons(part: str, x: Tensor, block: dict[str, Tensor] = block) -> Tensor:
            return block[part] @ x + block.get(f"{part}.bias", torch.zeros(len(block[part]), dtype=torch.float64))

        def heads_of(part: str, x: Tensor, position: int, block: dict[str, Tensor] = block) -> list[Tensor]:
            vectors = list(neurons(f"attention.{part}", x).chunk(heads if part == "query" else groups))
            if part == "value":
                return vectors
            if (weight := block.get(f"attention.{part}_normalization")) is not None:
                vectors = [rms_norm(vector, weight, epsilon) for vector in vectors]
            return [turn(vector, position, base, slowed) for vector in vectors]

        normalized = [rms_norm(x, block["attention_normalization"], epsilon) for x in flowing]
        keys = [heads_of("key", x, position) for position, x in enumerate(normalized)]
        values = [heads_of("value", x, position) for position, x in enumerate(normalized)]
        for position, x in enumerate(normalized):
            mixed = []
            for head, query in enumerate(heads_of("query", x, position)):
                shared = head * groups // heads
                seen = range(max(0, position + 1 - reach), position + 1)
                fits = {past: (query @ keys[past][shared]).item() / math.sqrt(len(query)) for past in seen}
                total = sum(math.exp(fit) for fit in fits.values())
                mixed.append(sum(math.exp(fit) / total * values[past][shared] for past, fit in fits.items()))
            flowing[position] = flowing[position] + neurons("attention.output", torch.cat(mixed))
        for position, x in enumerate(flowing):
            read = rms_norm(x, block["feed_forward_normalization"], epsilon)
            inner = silu(neurons("feed_forward.gate", read)) * neurons("feed_forward.up", read)
            flowing[position] = flowing[position] + neurons("feed_forward.down", inner)
    head = weights.get("output.weight", weights["token_embedding.weight"])
    return torch.stack([head @ rms_norm(x, weights["normalization.weight"], epsilon) for x in flowing])


@pytest.mark.parametrize("engine", ["fused", "written_out"])
@pytest.mark.parametrize("variant", LLAMAS)
def test_logits_agree_with_a_plain_loop(variant: str, engine: str) -> None:
    network = small(variant, engine=engine)
    token_ids = tokens(1, CONTEXT)
    expected = plain_logits(
        {name: parameter.detach() for name, parameter in network.named_parameters()},
        token_ids[0].tolist(),
        layers=2,
        heads=4,
        groups=VARIANTS[variant].get("key_value_heads", 4),
        base=VARIANTS[variant].get("rotary_base", 10_000.0),
        epsilon=1e-6,
        slowed=SLOWED.get(variant, as_they_are),
        reach=VARIANTS[variant].get("sliding_window", CONTEXT),
    )
    assert expected.abs().max() > 1  # logits of some size, or agreement would say little
    assert_same(logits(network, token_ids)[0], expected)


def test_the_epsilon_is_the_one_asked_for() -> None:
    network, token_ids = small("qwen3", epsilon=0.1), tokens(1, 5)
    expected = plain_logits(
        {name: parameter.detach() for name, parameter in network.named_parameters()},
        token_ids[0].tolist(),
        layers=2,
        heads=4,
        groups=2,
        base=10_000.0,
        epsilon=0.1,
    )
    assert_same(logits(network, token_ids)[0], expected)


def test_heads_that_cannot_be_grouped_evenly_are_refused() -> None:
    with pytest.raises(UsageError) as refusal:
        small("llama", key_value_heads=3)
    assert str(refusal.value) == (
        "4 query heads cannot be dealt out evenly to 3 key/value heads\n"
        "  wanted: a number of key/value heads that divides the heads\n"
        "  came: heads 4, key_value_heads 3\n"
        "  do: take 1, 2, 4"
    )


def test_more_key_value_heads_than_heads_are_refused() -> None:
    with pytest.raises(UsageError, match="4 query heads cannot be dealt out evenly to 8 key/value heads"):
        small("llama", key_value_heads=8)


def test_an_odd_head_size_is_refused() -> None:
    with pytest.raises(UsageError, match="a head size of 5 is odd"):
        small("llama", head_size=5)
    with pytest.raises(UsageError, match="a head size of 3 is odd"):
        small("llama", width=12)


def test_a_new_block_passes_on_what_flows_and_all_tokens_start_equally_likely() -> None:
    network = Llama(vocabulary_size=7, context_length=4, width=8, layers=2, heads=2, inner_width=8)
    initialize(network, 1)
    assert logits(network, torch.tensor([[1, 2, 3]])).count_nonzero() == 0
    hidden = torch.randn(1, 3, 8)
    rotation = network.rotary_positions.angles(torch.arange(3)[None], hidden.dtype)
    assert torch.equal(network.blocks[0](hidden, None, rotation, None), hidden)
