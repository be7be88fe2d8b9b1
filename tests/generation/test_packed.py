"""What each form of packed weights means: held against plain loops in Python."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from small_networks import VARIANTS, logits, small, tokens

from everysum.errors import UsageError
from everysum.generation.packed import FORMS, GROUP, Form, packed_matrix, rounded_inputs
from everysum.generation.packing import pack, usual_form
from everysum.memory import HugePages
from everysum.models.gpt import GPT

SHAPES = [(1, 1), (7, 70), (32, 64), (33, 130), (70, 200)]


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_32_and_16_bits_hold_the_weights_and_their_rounding(shape: tuple[int, int]) -> None:
    weight = random(*shape)
    assert torch.equal(packed_matrix(weight, None, "float32").unpacked(), weight)
    assert torch.equal(packed_matrix(weight, None, "bf16").unpacked(), weight.bfloat16().float())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_8_bits_are_the_nearest_of_255_codes_of_each_group(shape: tuple[int, int]) -> None:
    weight = random(*shape)
    held = packed_matrix(weight, None, "int8").unpacked()
    for row in range(shape[0]):
        for first in range(0, shape[1], GROUP):
            numbers = weight[row, first : first + GROUP].tolist()
            scale = float(torch.tensor(max(map(abs, numbers)) / 127).bfloat16())
            codes = [max(-127, min(127, round(number / scale))) for number in numbers]
            expected = [code * scale for code in codes]
            assert held[row, first : first + GROUP].tolist() == pytest.approx(expected, abs=1e-6 * scale)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_4_bits_are_16_codes_of_each_group_and_lose_no_more_than_plain_rounding(shape: tuple[int, int]) -> None:
    weight = random(*shape)
    held = packed_matrix(weight, None, "int4").unpacked()
    for row in range(shape[0]):
        for first in range(0, shape[1], GROUP):
            numbers, kept = (matrix[row, first : first + GROUP].double() for matrix in (weight, held))
            largest = numbers[numbers.abs().argmax()]
            plain = float((largest / -8).bfloat16())
            rounded = (numbers / plain).round().clamp(-8, 7) * plain
            assert (kept - numbers).square().sum() <= (rounded - numbers).square().sum() * (1 + 1e-6)
            assert len(set(kept.tolist())) <= 16


def test_bits_a_weight_count_scales() -> None:
    weight = random(64, 256)
    bits = {form: 8 * packed_matrix(weight, None, form).bytes / weight.numel() for form in FORMS}
    assert bits == {"float32": 32, "bf16": 16, "int8": 8.25, "int4": 4.25}


def test_some_outputs_are_unpacked_as_all_are() -> None:
    for form in FORMS:
        matrix = packed_matrix(random(100, 90), None, form)
        assert torch.equal(matrix.unpacked(33, 70), matrix.unpacked()[33:70])


def test_a_group_of_zeros_stays_zero() -> None:
    for form in FORMS:
        assert packed_matrix(torch.zeros(5, 70), None, form).unpacked().abs().max() == 0
        assert rounded_inputs(torch.zeros(2, 70), form).abs().max() == 0


@pytest.mark.parametrize("count", [1, 64, 70])
def test_what_meets_whole_numbers_is_whole_numbers_of_a_scale(count: int) -> None:
    numbers = random(count)
    for form in ("int8", "int4"):
        rounded = rounded_inputs(numbers, form)
        for first in range(0, count, GROUP):
            group = numbers[first : first + GROUP].tolist()
            scale = max(map(abs, group)) / 127
            expected = [round(number / scale) * scale for number in group]
            assert rounded[first : first + GROUP].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_packed_in_32_bits_a_network_computes_what_it_did(variant: str) -> None:
    network = small(variant).float()
    packed = pack(network, "float32")
    torch.testing.assert_close(logits(packed, tokens(2, 9)), logits(network, tokens(2, 9)), rtol=1e-5, atol=1e-5)


def test_the_network_that_is_packed_stays_as_it_is() -> None:
    network = small("llama").float()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    pack(network, "int4")
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_what_cannot_be_packed_is_refused() -> None:
    with pytest.raises(UsageError, match=r"cannot be packed as 'int3'\n  wanted: float32 or bf16 or int8 or int4"):
        pack(small("gpt").float(), "int3")
    with pytest.raises(UsageError, match=r"cannot be packed(.|\n)*GPT in float64 on cpu"):
        pack(small("gpt"), "int8")
    squared = small("gpt").float()
    assert isinstance(squared, GPT)
    block: Any = squared.blocks[0]
    block.feed_forward.activation = torch.square
    with pytest.raises(UsageError, match="cannot be packed"):
        pack(squared, "int8")


@pytest.mark.parametrize(
    ("dtype", "form"), [(torch.float32, "float32"), (torch.bfloat16, "bf16"), (torch.float16, None)]
)
def test_where_nothing_is_wished_weights_keep_their_bits(dtype: torch.dtype, form: Form | None) -> None:
    assert usual_form(small("gpt").to(dtype)) == form


def test_room_in_large_pages_is_room() -> None:
    room = HugePages()
    tensors = [room.empty(shape, torch.float32) for shape in ((3, 5), (0, 4), (1000, 1000), (12 << 20,), (7,))]
    for number, tensor in enumerate(tensors):
        tensor.fill_(number)
    assert [tensor.mean().item() for tensor in tensors if tensor.numel()] == [0, 2, 3, 4]
    assert all(tensor.data_ptr() % 64 == 0 for tensor in tensors if tensor.numel())
    assert math.prod(tensors[2].shape) == 1_000_000
