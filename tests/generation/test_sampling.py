from __future__ import annotations

import itertools

import pytest
import torch
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from everysum.errors import UsageError
from everysum.generation.sampling import GREEDY, LIKELIEST, Sampling, choose, draw, probabilities

CHANCES = torch.tensor([0.15, 0.5, 0.1, 0.25], dtype=torch.float64)


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), [0.15, 0.5, 0.1, 0.25]),
        # a temperature of one half squares the chances: 0.0225, 0.25, 0.01, 0.0625 of 0.345
        (Sampling(temperature=0.5), [0.0225 / 0.345, 0.25 / 0.345, 0.01 / 0.345, 0.0625 / 0.345]),
        (Sampling(top_k=2), [0, 2 / 3, 0, 1 / 3]),
        (Sampling(top_p=0.6), [0, 2 / 3, 0, 1 / 3]),
        (Sampling(top_p=0.8), [1 / 6, 5 / 9, 0, 5 / 18]),
        (Sampling(top_p=0.01), [0, 1, 0, 0]),
        # of the two that top-k leaves the first has 2/3 already
        (Sampling(top_k=2, top_p=0.6), [0, 1, 0, 0]),
        (Sampling(top_k=9, top_p=1.0), [0.15, 0.5, 0.1, 0.25]),
        (GREEDY, [0, 1, 0, 0]),
    ],
)
def test_probabilities_by_hand(sampling: Sampling, expected: list[float]) -> None:
    torch.testing.assert_close(probabilities(CHANCES.log(), sampling), torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("vocabulary", [7, LIKELIEST - 1, LIKELIEST, 3 * LIKELIEST])
@pytest.mark.parametrize("spread", [0.1, 6.0])
def test_temperature_then_top_k_then_top_p_as_in_transformers(vocabulary: int, spread: float) -> None:
    logits = spread * torch.randn(3, vocabulary, dtype=torch.float64, generator=generators(vocabulary)[0])
    for temperature, top_k, top_p in itertools.product(
        (0.3, 1.0, 2.5), (None, 1, 5, 2000), (None, 0.05, 0.9, 0.999, 1.0)
    ):
        theirs = TemperatureLogitsWarper(temperature)(None, logits)
        if top_k is not None:
            theirs = TopKLogitsWarper(top_k)(None, theirs)
        if top_p is not None:
            theirs = TopPLogitsWarper(top_p)(None, theirs)
        ours = probabilities(logits, Sampling(temperature, top_k, top_p))
        torch.testing.assert_close(ours, theirs.softmax(-1), rtol=1e-10, atol=1e-14)


def test_tokens_as_likely_as_the_last_one_kept_are_kept() -> None:
    logits = torch.tensor([0.0, 1.0, 0.0, 0.0]).double()
    for sampling in (Sampling(top_k=2), Sampling(top_p=0.5)):
        assert (probabilities(logits, sampling) > 0).all(), sampling


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-40, 1e-9])
def test_a_temperature_close_to_zero_takes_the_likeliest(temperature: float, dtype: torch.dtype) -> None:
    logits = torch.tensor([[3.0, -200.0, 3.5, -torch.inf]], dtype=dtype)
    assert probabilities(logits, Sampling(temperature)).tolist() == [[0, 0, 1, 0]]
    assert probabilities(logits, GREEDY).tolist() == [[0, 0, 1, 0]]


def test_a_very_high_temperature_makes_all_tokens_alike() -> None:
    torch.testing.assert_close(probabilities(CHANCES.log(), Sampling(1e300)), torch.full((4,), 0.25).double())


def test_greedy_takes_the_first_of_equals() -> None:
    assert choose(torch.tensor([[1.0, 2.0, 2.0], [2.0, 1.0, 2.0]]), GREEDY, []).tolist() == [1, 0]


def test_chances_of_bfloat16_logits_sum_to_one_in_float32() -> None:
    logits = torch.randn(2, 50_000, generator=generators(1)[0]).bfloat16()
    for sampling in (Sampling(), Sampling(top_k=40), Sampling(top_p=0.9)):
        chances = probabilities(logits, sampling)
        assert chances.dtype == torch.float32
        torch.testing.assert_close(chances.sum(-1), torch.ones(2))


def test_what_is_drawn_follows_the_chances() -> None:
    count, generator = 20_000, generators(5)
    drawn = torch.cat([draw(CHANCES[None], generator) for _ in range(count)]).bincount(minlength=4)
    expected = count * CHANCES
    # chi-square with three degrees of freedom is above 16.27 once in a thousand times
    assert float(((drawn - expected) ** 2 / expected).sum()) < 16.27


def test_a_token_of_chance_zero_is_never_drawn() -> None:
    chances = torch.tensor([0, 1e-9, 0, 0, 0.5, 0, 0.5 - 1e-9, 0])
    generator = generators(3)
    drawn = torch.cat([draw(chances[None], generator) for _ in range(5_000)])
    assert set(drawn.tolist()) == {4, 6}


def test_the_ends_of_the_ruler_belong_to_tokens_that_can_come(monkeypatch: pytest.MonkeyPatch) -> None:
    chances = torch.tensor([[0, 0.25, 0, 0.75, 0]])
    for pin, token in ((0.0, 1), (0.25 - 2**-24, 1), (0.25, 3), (1 - 2**-24, 3)):
        monkeypatch.setattr(torch, "rand", lambda *_, pin=pin, **__: torch.tensor([pin]))
        assert draw(chances, [torch.Generator()]).tolist() == [token]


def test_each_row_is_drawn_by_its_own_generator() -> None:
    chances = torch.softmax(torch.randn(3, 500, generator=generators(1)[0]), -1)
    together = draw(chances, generators(11, 12, 13))
    alone = [draw(chances[row : row + 1], generators(seed)) for row, seed in enumerate((11, 12, 13))]
    assert together.tolist() == torch.cat(alone).tolist()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"temperature": -0.1},
            "this temperature cannot be\n  wanted: a number from 0 (always the likeliest token) up",
        ),
        ({"temperature": float("nan")}, "  came: nan\n  do: 0.7 to 1 suits most texts"),
        ({"temperature": float("inf")}, "  came: inf"),
        ({"top_k": 0}, "top_k leaves no token to choose\n  wanted: 1 or more, or nothing for all\n  came: 0"),
        ({"top_p": 0.0}, "  wanted: above 0 and at most 1\n  came: 0.0"),
        ({"top_p": 1.1}, "top_p is a probability that the tokens left to choose from have together"),
        ({"top_p": float("nan")}, "  came: nan"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, float], text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        Sampling(**values)
    assert text in str(refusal.value)
