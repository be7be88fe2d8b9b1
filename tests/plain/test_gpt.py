"""The GPT: as in `models/gpt.py`, and trained beside it down the same curve; and the rhymes it learns."""

from __future__ import annotations

import time
from random import Random
from typing import Any

import pytest
import torch
from plain_and_torch import assert_held_together, take_over, values
from small_networks import assert_same, randomized
from torch.nn import functional

from everysum.models import gpt as torch_gpt
from everysum.plain.activation import ACTIVATIONS
from everysum.plain.gpt import GPT, generate, random_gpt
from everysum.plain.number import Number, gradient_by_nudging
from everysum.plain.residual import WIRINGS
from everysum.plain.rhymes import ALPHABET, RHYMES, as_token_ids, learn_rhymes, recite
from everysum.plain.training import descend, parameters, steady

SIZES: dict[str, Any] = {
    "vocabulary_size": 7,
    "context_length": 6,
    "width": 8,
    "layers": 2,
    "heads": 2,
    "inner_width": 12,
}
TOKENS = [3, 1, 4, 1, 5]


def both(
    *, wiring: str = "pre_norm", activation: str = "relu", tied: bool = False, layers: int = 2
) -> tuple[GPT, torch_gpt.GPT, list[tuple[Any, torch.Tensor]]]:
    sizes = {**SIZES, "layers": layers}
    theirs = randomized(torch_gpt.GPT(**sizes, wiring=wiring, activation=activation, tied=tied))
    ours = random_gpt(sizes.pop("vocabulary_size"), Random(1), **sizes, wiring=WIRINGS[wiring])
    for block in ours.blocks:
        block.feed_forward.activation = ACTIVATIONS[activation]
    if tied:
        ours.output = None
    return ours, theirs, take_over(ours, theirs)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("activation", ["relu", "gelu_tanh"])
def test_every_logit_and_every_gradient_is_torchs(wiring: str, activation: str, tied: bool) -> None:
    ours, theirs, pairs = both(wiring=wiring, activation=activation, tied=tied)
    expected = theirs.head(theirs(torch.tensor([TOKENS])))[0]
    assert_held_together(ours(TOKENS), expected, pairs)


def test_the_loss_is_torchs() -> None:
    ours, theirs, pairs = both()
    logits = theirs.head(theirs(torch.tensor([TOKENS[:-1]])))[0]
    assert_held_together([ours.loss(TOKENS)], functional.cross_entropy(logits, torch.tensor(TOKENS[1:]))[None], pairs)


def test_gradient_by_formula_is_gradient_by_nudging() -> None:
    ours, _, pairs = both(wiring="post_norm", activation="gelu_tanh", layers=1)
    loss = ours.loss(TOKENS)
    loss.backward()
    for numbers, _ in pairs:
        first = numbers[-1] if isinstance(numbers[-1], Number) else numbers[-1][-1]
        assert first.gradient == pytest.approx(gradient_by_nudging(loss, first), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("wiring", WIRINGS)
def test_trained_with_plain_steps_it_follows_the_same_loss_curve_as_torch(wiring: str) -> None:
    ours, theirs, _ = both(wiring=wiring, layers=1)
    data = [[Random(step).randrange(7) for _ in range(7)] for step in range(3)]
    losses = descend(lambda step: ours.loss(data[step % 3]), parameters(ours), steps=25, rate=steady(0.1))
    optimizer, expected = torch.optim.SGD(theirs.parameters(), lr=0.1), []
    for step in range(25):
        tokens = torch.tensor(data[step % 3])
        loss = functional.cross_entropy(theirs.head(theirs(tokens[None, :-1]))[0], tokens[1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    assert losses == pytest.approx(expected, abs=1e-9)
    assert losses[-1] < losses[0]
    for numbers, parameter in take_over_names(ours, theirs):
        assert_same(values(numbers), parameter.detach().flatten(), 1e-9)


def take_over_names(ours: GPT, theirs: torch_gpt.GPT) -> list[tuple[Any, torch.Tensor]]:
    return [
        (ours.token_embedding.weight, theirs.token_embedding.weight),
        (ours.blocks[0].attention.query.weight, theirs.get_parameter("blocks.0.attention.query.weight")),
        (ours.output.weight, theirs.get_parameter("output.weight")),
    ]


def test_the_future_cannot_change_the_past() -> None:
    ours, _, _ = both()
    assert values(ours(TOKENS)[:3]).tolist() == values(ours([*TOKENS[:3], 6, 6])[:3]).tolist()


def test_more_tokens_than_the_context_are_refused_and_generating_sends_the_last_ones() -> None:
    ours, _, _ = both(layers=1)
    with pytest.raises(ValueError, match="7 tokens do not fit into a context of 6: give the last ones"):
        ours([0] * 7)
    grown = generate(ours, TOKENS, 6, Random(1))
    assert grown[:5] == TOKENS
    assert len(grown) == 11
    again = generate(ours, grown[-6:], 3, Random(2), temperature=1e-6)
    assert again[6] == max(range(7), key=lambda token: ours(grown[-6:])[-1][token].value)


def test_post_norm_has_no_last_norm() -> None:
    assert both(wiring="post_norm")[0].normalization is None


def test_the_rhymes_fit_their_alphabet() -> None:
    assert "".join(ALPHABET[token] for token in as_token_ids(RHYMES)) == RHYMES
    assert len(ALPHABET) == 21


@pytest.mark.slow
def test_rhymes_begin_to_be_learned_in_a_few_steps() -> None:
    heard: list[float] = []
    network = learn_rhymes(steps=25, progress=lambda _, loss: heard.append(loss))
    assert len(heard) == 25
    assert sum(heard[-5:]) < 0.9 * sum(heard[:5])
    text = recite(network, "\na", 20)
    assert text.startswith("\na")
    assert len(text) == 22
    assert set(text) <= set(ALPHABET)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_rhymes_are_learned_in_two_minutes_of_one_core_and_recited() -> None:
    heard: list[float] = []
    started = time.process_time()
    network = learn_rhymes(progress=lambda _, loss: heard.append(loss))
    assert time.process_time() - started < 120
    assert sum(heard[-100:]) / 100 < 0.4
    text = recite(network, "\na little", 150, temperature=0.3)
    known = set(RHYMES.split())
    words = text.split()[:-1]
    assert sum(word in known for word in words) >= 0.9 * len(words)
