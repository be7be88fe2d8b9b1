"""Attention, alone and in heads; residuals; positions: by hand, by property, and as in `layers/`."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from plain_and_torch import assert_held_together, draw, flat, plain, take_over, values
from small_networks import assert_same, randomized
from torch import Tensor

from everysum.layers.attention import Attention as TorchAttention
from everysum.layers.attention import causal, written_out
from everysum.layers.heads import SharedHeads, unscaled
from everysum.layers.heads import standard as torch_standard
from everysum.layers.positions import TABLES as TORCH_TABLES
from everysum.layers.positions import RotaryPositions, rotate
from everysum.plain.attention import (
    Score,
    attention_weights,
    causal_attention,
    cross_attention,
    full_attention,
    last_word_attention,
    mix,
    product_score,
    scaled_score,
)
from everysum.plain.heads import Attention, SharedThenPerHead, everything, shared_heads, standard
from everysum.plain.linear import Linear
from everysum.plain.number import Number, gradient_by_nudging
from everysum.plain.positions import TABLES, halves, neighbors, placed, sines_and_cosines, speeds, turned
from everysum.plain.vector import Matrix, numbers, total, weighted_sum

SCORES: dict[Score, object] = {product_score: unscaled, scaled_score: written_out}


def figures(matrix: Matrix) -> list[list[float]]:
    return [[number.value for number in row] for row in matrix]


def matrices(*seeds: int) -> tuple[list[Tensor], list[Linear]]:
    theirs = [draw(3, 4, seed=seed) for seed in seeds]
    return theirs, [Linear(plain(weight)) for weight in theirs]


def both_ways(ours: list[Linear], theirs: list[Tensor]) -> list[tuple[object, Tensor]]:
    return [(linear.weight, weight) for linear, weight in zip(ours, theirs, strict=True)]


def test_a_sum_of_words_with_weights() -> None:
    """0.5 x₁ + 0.25 x₂ + 0.25 x₃, the article's first picture of it."""
    words = [numbers("1 0"), numbers("0 4"), numbers("8 0")]
    found = mix(numbers("0.5 0.25 0.25"), words)
    assert [number.value for number in found] == [2.5, 1.0]
    assert str(found[0]) == "2.5 = 0.5 × 1 + 0.25 × 0 + 0.25 × 8"


def test_weights_by_hand() -> None:
    """Scores 0 and ln 3 make weights of 1/4 and 3/4; scaled, with head size 4, 2·ln 3 does."""
    query, keys = numbers([1, 0, 0, 0]), [numbers([0, 5, 5, 5]), numbers([math.log(3), 0, 0, 0])]
    assert values(attention_weights(query, keys, product_score)).tolist() == pytest.approx([0.25, 0.75])
    twice = [number * 2 for number in query]
    assert values(attention_weights(twice, keys)).tolist() == pytest.approx([0.25, 0.75])


@pytest.mark.parametrize("score", SCORES)
def test_the_last_words_attention_is_torchs(score: Score) -> None:
    x, (theirs, ours) = draw(5, 4), matrices(1, 2, 3)
    words = plain(x)
    query, key, value = ((x @ weight.T)[None, None] for weight in theirs)
    expected = SCORES[score](query[:, :, -1:], key, value, torch.ones(1, 1, 1, 5, dtype=torch.bool))[0, 0, 0]
    assert_held_together(last_word_attention(words, *ours, score), expected, [(words, x), *both_ways(ours, theirs)])


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("attention", [causal_attention, full_attention])
def test_attention_of_all_words_is_torchs(attention: object, score: Score) -> None:
    x, (theirs, ours) = draw(5, 4), matrices(1, 2, 3)
    words = plain(x)
    query, key, value = ((x @ weight.T)[None, None] for weight in theirs)
    visible = causal(5, 5, x.device) if attention is causal_attention else torch.ones(1, 1, 5, 5, dtype=torch.bool)
    expected = SCORES[score](query, key, value, visible)[0, 0]
    assert_held_together(attention(words, *ours, score), expected, [(words, x), *both_ways(ours, theirs)])


def test_cross_attention_is_torchs() -> None:
    x, y, (theirs, ours) = draw(2, 4), draw(5, 4, seed=9), matrices(1, 2, 3)
    words, others = plain(x), plain(y)
    query, key, value = (each[None, None] for each in (x @ theirs[0].T, y @ theirs[1].T, y @ theirs[2].T))
    expected = written_out(query, key, value, torch.ones(1, 1, 2, 5, dtype=torch.bool))[0, 0]
    pairs = [(words, x), (others, y), *both_ways(ours, theirs)]
    assert_held_together(cross_attention(words, others, *ours), expected, pairs)


def test_the_output_is_as_long_as_we_choose() -> None:
    words, (_, (query, key, _)) = plain(draw(5, 4)), matrices(1, 2, 3)
    for length in (1, 7):
        assert len(last_word_attention(words, query, key, Linear(plain(draw(length, 4))))) == length


def test_causal_attention_is_the_last_words_at_the_end_of_every_beginning() -> None:
    words, (_, ours) = plain(draw(5, 4)), matrices(1, 2, 3)
    whole = figures(causal_attention(words, *ours))
    for count in range(1, 6):
        assert whole[count - 1] == figures([last_word_attention(words[:count], *ours, scaled_score)])[0]


def test_swapping_two_earlier_words_changes_nothing_until_positions_are_added() -> None:
    words, (_, ours) = plain(draw(3, 4)), matrices(1, 2, 3)
    humpty, dumpty, sat = words
    swapped = [dumpty, humpty, sat]
    one, other = (figures([last_word_attention(each, *ours)])[0] for each in (words, swapped))
    assert one == pytest.approx(other, abs=1e-15)
    rows = sines_and_cosines(3, 4)
    one, other = (figures([last_word_attention(placed(each, rows), *ours)])[0] for each in (words, swapped))
    assert one != pytest.approx(other, abs=1e-3)


def test_gradient_by_formula_is_gradient_by_nudging() -> None:
    words, (_, ours) = plain(draw(3, 4)), matrices(1, 2, 3)
    result = total(flat(causal_attention(words, *ours)))
    result.backward()
    for number in [*flat(words), *flat(ours[0].weight), *flat(ours[1].weight), *flat(ours[2].weight)]:
        assert number.gradient == pytest.approx(gradient_by_nudging(result, number), rel=1e-6, abs=1e-7)


def empty(head_size: int, **parts: object) -> Attention:
    """To be filled by `take_over`."""
    blank = [Linear([], None) for _ in range(4)]
    return Attention(*blank, head_size, **parts)


def sized(attention: Attention, module: TorchAttention) -> Attention:
    for name in ("query", "key", "value", "output"):
        theirs = getattr(module, name)
        setattr(attention, name, Linear(plain(theirs.weight), None if theirs.bias is None else plain(theirs.bias)))
    return attention


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("key_value_heads", [1, 2, 4])
def test_heads_are_torchs(key_value_heads: int, bias: bool) -> None:
    module = randomized(
        TorchAttention(8, 4, head_size=2, key_value_heads=key_value_heads, bias=bias, output_deviation=0.02)
    )
    x, ours = draw(4, 8), sized(empty(2), module)
    pairs = take_over(ours, module)
    words = plain(x)
    assert_held_together(ours(words), module(x[None])[0], [*pairs, (words, x)])


def test_heads_that_see_everything_are_torchs() -> None:
    module = randomized(TorchAttention(8, 4, head_size=2, output_deviation=0.02))
    x, ours = draw(4, 8), sized(empty(2, sees=everything), module)
    pairs = take_over(ours, module)
    words = plain(x)
    expected = module(x[None], torch.ones(1, 1, 4, 4, dtype=torch.bool))[0]
    assert_held_together(ours(words), expected, [*pairs, (words, x)])


def test_heads_that_ask_another_text_are_torchs() -> None:
    module = torch.nn.MultiheadAttention(8, 4, bias=True, batch_first=True).double()
    x, y = draw(3, 8), draw(5, 8, seed=1)
    weights, biases = module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3)
    ours = [Linear(plain(weight), plain(bias)) for weight, bias in zip(weights, biases, strict=True)]
    output = Linear(plain(module.out_proj.weight), plain(module.out_proj.bias))
    words, others = plain(x), plain(y)
    found = Attention(*ours, output, 2, sees=everything)(words, others)
    assert_held_together(found, module(x, y, y)[0], [(words, x), (others, y), (output.weight, module.out_proj.weight)])


def article_heads(module: SharedHeads) -> tuple[list[SharedThenPerHead], list[tuple[object, Tensor]]]:
    ways, pairs = [], []
    for name in ("query", "key", "value"):
        shared, per_head = (module.get_parameter(f"{name}.{part}.weight") for part in ("shared", "per_head"))
        ways.append(SharedThenPerHead(Linear(plain(shared)), Linear(plain(per_head))))
        pairs += [(ways[-1].shared.weight, shared), (ways[-1].per_head.weight, per_head)]
    return ways, pairs


def test_the_articles_heads_are_those_in_torch() -> None:
    module = randomized(SharedHeads(6, 3, head_size=2, shared_width=5))
    ways, pairs = article_heads(module)
    x = draw(4, 6)
    words = plain(x)
    assert_held_together(shared_heads(*ways, 2)(words), module(x[None])[0], [*pairs, (words, x)])


def test_the_articles_heads_equal_the_standard_ones_in_numbers() -> None:
    module = randomized(SharedHeads(6, 3, head_size=2))
    ways, _ = article_heads(module)
    words = plain(draw(4, 6))
    article, folded = shared_heads(*ways, 2)(words), standard(*ways, 2)(words)
    assert_same(values(article), values(folded), 1e-12)
    assert_same(values(folded), torch_standard(module)(draw(4, 6)[None]).detach().flatten(), 1e-9)


def test_one_weight_of_the_folded_heads_is_a_sum_along_all_paths() -> None:
    way = SharedThenPerHead(Linear([numbers("1 2"), numbers("3 4")]), Linear([numbers("10 100")]))
    assert str(way.folded().weight[0][1]) == "420 = 10 × 2 + 100 × 4"


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(("context_length", "width"), [(10, 10), (7, 4), (3, 6)])
def test_position_rows_are_torchs(name: str, context_length: int, width: int) -> None:
    expected = TORCH_TABLES[name](context_length, width).flatten()
    assert_same(values(TABLES[name](context_length, width)), expected, 1e-12)


def test_both_have_the_same_tables() -> None:
    assert list(TABLES) == list(TORCH_TABLES)


def test_the_articles_simplest_rows() -> None:
    assert figures(TABLES["counting"](3, 2)) == [[1, 1], [2, 2], [3, 3]]
    thirds = [number.value for number, _ in TABLES["fractions"](3, 2)]
    assert [f"{third:.2f}" for third in thirds] == ["0.33", "0.67", "1.00"]
    assert TABLES["fractions"](4, 2)[0][0].value == 0.25  # another text, another number for the same position


def test_the_articles_waves_and_the_standards_differ_in_row_1_of_position_1() -> None:
    """With d = 10: cos(1 / 10000^(1/10)) = 0.9218 in the article, cos(1) = 0.5403 in the paper."""
    article, paper = (TABLES[name](10, 10)[1][1] for name in ("unpaired_sines_and_cosines", "sines_and_cosines"))
    assert (f"{article.value:.4f}", f"{paper.value:.4f}") == ("0.9218", "0.5403")
    assert TABLES["sines"](10, 10)[1][5].value == pytest.approx(math.sin(1 / 10_000 ** (5 / 10)))


@pytest.mark.parametrize("name", ["sines", "unpaired_sines_and_cosines", "sines_and_cosines"])
def test_waves_stay_within_one_and_tell_all_positions_apart(name: str) -> None:
    rows = figures(TABLES[name](40, 10))
    assert max(abs(number) for row in rows for number in row) <= 1
    assert len({tuple(row) for row in rows}) == 40


def test_rotary_positions_turn_as_in_torch() -> None:
    x = draw(1, 1, 5, 6)
    angles = RotaryPositions(6, base=500.0).angles(torch.arange(5)[None], torch.float64)
    vectors = plain(x[0, 0])
    turn = partial(turned, pairs=halves(6), turning=speeds(6, 500.0))
    found = [turn(vector, place) for place, vector in enumerate(vectors)]
    assert_held_together(found, rotate(x, *angles)[0, 0], [(vectors, x)])


def test_rotary_positions_of_neighbors_are_metas_complex_products() -> None:
    x = draw(5, 6)
    angles = torch.outer(torch.arange(5).double(), 10_000.0 ** (-torch.arange(0, 6, 2).double() / 6))
    pairs = torch.view_as_complex(x.reshape(5, 3, 2)) * torch.polar(torch.ones_like(angles), angles)
    expected = torch.view_as_real(pairs).flatten(1)
    vectors = plain(x)
    found = [turned(vector, place, neighbors(6), speeds(6)) for place, vector in enumerate(vectors)]
    assert_held_together(found, expected, [(vectors, x)])


def test_the_two_conventions_are_one_with_the_numbers_reordered() -> None:
    vector = plain(draw(6))
    reordered = [vector[place] for pair in halves(6) for place in pair]
    one, other = turned(vector, 3, halves(6), speeds(6)), turned(reordered, 3, neighbors(6), speeds(6))
    assert [one[place].value for pair in halves(6) for place in pair] == [number.value for number in other]


@pytest.mark.parametrize("pairs", [halves, neighbors])
def test_only_the_distance_of_two_turned_vectors_counts(pairs: object) -> None:
    query, key = plain(draw(6)), plain(draw(6, seed=1))

    def score(at: int, asked: int) -> float:
        ours = (turned(vector, place, pairs(6), speeds(6)) for vector, place in ((query, at), (key, asked)))
        return weighted_sum(*ours).value

    assert score(7, 4) == pytest.approx(score(103, 100), abs=1e-9)
    assert score(7, 4) != pytest.approx(score(7, 5), abs=1e-3)


def test_a_position_is_turned_by_sums_that_print() -> None:
    text = turned(numbers("2 3"), 1, halves(2), speeds(2))[0].sums(2)
    assert text.split("\n")[0] == "−1.4438 = 2 × 0.5403 + 3 × −0.84147"
    assert "0.5403 = cos(1)" in text


def test_a_number_that_a_head_does_not_see_has_no_part_in_it() -> None:
    words = plain(draw(3, 4))
    weights = [Linear(plain(draw(4, 4, seed=seed))) for seed in range(4)]
    total(Attention(*weights, 2)(words)[1]).backward()
    assert [number.gradient for number in words[2]] == [0] * 4
    assert all(isinstance(number, Number) and number.gradient for number in words[0])
