from __future__ import annotations

import cmath
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import CONTEXT, assert_same, logits, small, tokens
from torch import Tensor, nn

from everysum.layers.layer import initialize, parameter_count
from everysum.layers.positions import (
    TABLES,
    FixedPositions,
    LearnedPositions,
    RotaryPositions,
    counting,
    fractions,
    rotate,
    sines,
    sines_and_cosines,
    unpaired_sines_and_cosines,
)


def turned(vectors: Tensor, positions: list[int], base: float = 10_000.0) -> Tensor:
    """`vectors` is (position, head_size)."""
    rotary = RotaryPositions(vectors.shape[-1], base=base)
    return rotate(vectors[None, None], *rotary.angles(torch.tensor([positions]), vectors.dtype))[0, 0]


def test_small_angles_by_hand() -> None:
    """With a head size of 4 and base 100, pair 0 turns by the position and pair 1 by a tenth of it."""
    cosine, sine = RotaryPositions(4, base=100.0).angles(torch.tensor([[0, 1, 3]]), torch.float64)
    expected = torch.tensor([[0.0, 0.0], [1.0, 0.1], [3.0, 0.3]], dtype=torch.float64)
    assert_same(cosine[0, 0], expected.cos())
    assert_same(sine[0, 0], expected.sin())
    assert cosine.shape == sine.shape == (1, 1, 3, 2)


def test_a_quarter_turn_by_hand() -> None:
    """Number i is paired with number i + 2: (1, 2, 3, 4) holds (1, 3) and (2, 4), which become (−3, 1) and (−4, 2)."""
    vector = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
    cosine, sine = torch.zeros(1, 1, 1, 2), torch.ones(1, 1, 1, 2)
    assert rotate(vector, cosine, sine).flatten().tolist() == [-3.0, -4.0, 1.0, 2.0]


@pytest.mark.parametrize(("head_size", "base"), [(2, 10_000.0), (6, 10_000.0), (8, 500_000.0)])
def test_the_papers_pairing_is_a_permutation_of_ours(head_size: int, base: float) -> None:
    """The paper turns neighbors (2i, 2i + 1) as complex numbers; ours stand half a head apart."""
    generator = torch.Generator().manual_seed(3)
    vectors = torch.randn(5, head_size, dtype=torch.float64, generator=generator)
    positions = [0, 1, 2, 17, 4000]
    papers = torch.empty_like(vectors)
    for row, position in enumerate(positions):
        for i in range(head_size // 2):
            pair = complex(vectors[row, 2 * i].item(), vectors[row, 2 * i + 1].item())
            pair *= cmath.exp(1j * position * base ** (-2 * i / head_size))
            papers[row, 2 * i], papers[row, 2 * i + 1] = pair.real, pair.imag
    order = [*range(0, head_size, 2), *range(1, head_size, 2)]
    assert_same(turned(vectors[:, order], positions, base), papers[:, order])


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 3000))
@settings(max_examples=40, deadline=None)
def test_only_the_difference_of_positions_is_left_in_query_times_key(query_at: int, key_at: int, shift: int) -> None:
    query, key = torch.randn(2, 1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    product = turned(query, [query_at]) @ turned(key, [key_at]).T
    shifted = turned(query, [query_at + shift]) @ turned(key, [key_at + shift]).T
    assert_same(product, shifted, 1e-9)


def test_turning_keeps_lengths_and_position_zero_stays() -> None:
    vectors = torch.randn(3, 8, dtype=torch.float64)
    assert_same(turned(vectors, [0, 5, 900]).norm(dim=-1), vectors.norm(dim=-1))
    assert torch.equal(turned(vectors[:1], [0]), vectors[:1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_angles_of_far_positions_keep_their_digits_in_sixteen_bits(dtype: torch.dtype) -> None:
    """In bfloat16 itself 1001 would be rounded to 1000, a whole radian off."""
    cosine, sine = RotaryPositions(2).angles(torch.tensor([[1001]]), dtype)
    assert cosine.dtype == sine.dtype == dtype
    assert cosine.item() == pytest.approx(math.cos(1001), abs=0.01)
    assert sine.item() == pytest.approx(math.sin(1001), abs=0.01)


def test_the_gradient_is_turned_back_by_the_same_angle() -> None:
    rotary = RotaryPositions(6, base=50.0)
    for positions in (torch.tensor([[0, 1, 5]]), torch.tensor([[0, 1, 5], [3, 4, 9]])):
        cosine, sine = rotary.angles(positions, torch.float64)
        vectors = torch.randn(2, 2, 3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
        assert torch.autograd.gradcheck(lambda x, c=cosine, s=sine: rotate(x, c, s), [vectors.requires_grad_()])


# --- fixed tables -----------------------------------------------------------------------------------------------------

each_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def test_counted_positions_and_their_shares_are_the_articles() -> None:
    """Of three words: [1, 1, …], [2, 2, …], [3, 3, …]; and .33, .67, 1. A fourth word changes the first one's row."""
    assert counting(3, 4).tolist() == [[1.0] * 4, [2.0] * 4, [3.0] * 4]
    assert [[round(number, 2) for number in row] for row in fractions(3, 2).tolist()] == [
        [0.33] * 2,
        [0.67] * 2,
        [1] * 2,
    ]
    assert fractions(4, 2)[0].tolist() == [0.25, 0.25]


def plain_row(position: int, width: int, length: int, kind: str) -> list[float]:
    """A row as the text of its source reads, number by number."""
    if kind == "sines":
        return [math.sin(position / 10000 ** (i / length)) for i in range(width)]
    if kind == "unpaired":
        bends = (math.sin, math.cos)
        return [bends[i % 2](position / 10000 ** (i / length)) for i in range(width)]
    row = []
    for i in range(0, width, 2):
        row += [math.sin(position / 10000 ** (i / width)), math.cos(position / 10000 ** (i / width))]
    return row[:width]


@pytest.mark.parametrize("width", [1, 2, 5, 10])
@pytest.mark.parametrize(
    ("table", "kind"), [(sines, "sines"), (unpaired_sines_and_cosines, "unpaired"), (sines_and_cosines, "paired")]
)
def test_waves_are_what_their_formulas_say(table, kind: str, width: int) -> None:
    expected = [plain_row(position, width, 12, kind) for position in range(12)]
    assert_same(table(12, width), torch.tensor(expected, dtype=torch.float64), 1e-14)


def test_number_one_of_position_one_tells_the_article_from_the_paper() -> None:
    assert sines_and_cosines(10, 10)[1, 1].item() == pytest.approx(0.5403, abs=5e-5)
    assert unpaired_sines_and_cosines(10, 10)[1, 1].item() == pytest.approx(0.9218, abs=5e-5)


def test_a_step_of_three_positions_turns_every_pair_of_the_papers_rows_alike() -> None:
    """The rows three further on follow by one turn, whatever the position: what the paper hoped networks would use."""
    rows = sines_and_cosines(40, 8)
    for pair in range(4):
        angle = 3 / 10000 ** (2 * pair / 8)
        turn = [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
        here = slice(2 * pair, 2 * pair + 2)
        assert_same(rows[:-3, here] @ torch.tensor(turn, dtype=torch.float64).T, rows[3:, here], 1e-12)


@each_table
def test_no_two_positions_have_the_same_row(table) -> None:
    rows = table(200, 10)
    assert rows.shape == (200, 10)
    assert rows.dtype == torch.float64
    assert torch.cdist(rows, rows).fill_diagonal_(1.0).min() > 1e-4


@each_table
def test_fixed_positions_are_looked_up_as_learned_ones_are(table) -> None:
    fixed, learned = FixedPositions(9, 6, table).double(), LearnedPositions(9, 6).double()
    learned.weight.data = table(9, 6)
    positions = torch.tensor([[0, 1, 8], [3, 3, 2]])
    assert torch.equal(fixed(positions), learned(positions))
    with pytest.raises(IndexError):
        fixed(torch.tensor([9]))


def test_fixed_positions_have_nothing_to_learn_and_nothing_to_save() -> None:
    fixed = FixedPositions(9, 6, sines_and_cosines)
    assert parameter_count(fixed) == 0
    assert fixed.state_dict() == {}
    assert not fixed(torch.tensor([3])).requires_grad
    initialize(fixed, 1)


def test_a_table_survives_the_meta_device_and_every_change_of_precision() -> None:
    with torch.device("meta"):
        network = nn.Sequential(FixedPositions(9, 6, sines_and_cosines), LearnedPositions(6, 2))
    rows = network[0].rows
    assert (rows.device.type, rows.dtype) == ("cpu", torch.float32)
    assert torch.equal(rows, sines_and_cosines(9, 6).float())
    there = network[0].to(torch.bfloat16)
    assert there(torch.tensor([3])).dtype == torch.bfloat16
    assert torch.equal(there.double().rows, sines_and_cosines(9, 6))
    assert torch.equal(network.to_empty(device="cpu")[0].rows, sines_and_cosines(9, 6))


@each_table
def test_fixed_positions_stand_where_learned_ones_do_in_a_gpt(table) -> None:
    network, token_ids = small("gpt"), tokens(2, CONTEXT)
    network.position_embedding.weight.data = table(CONTEXT, 24)
    expected = logits(network, token_ids)
    network.position_embedding = FixedPositions(CONTEXT, 24, table).double()
    assert torch.equal(logits(network, token_ids), expected)
    assert "position_embedding.weight" not in network.state_dict()
