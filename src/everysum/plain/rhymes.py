"""A GPT of one block learns a few rhymes by heart, here and in plain Python: about 3,000 parameters, a minute or so."""

from __future__ import annotations

from random import Random

from everysum.plain.gpt import GPT, generate, random_gpt
from everysum.plain.number import Number
from everysum.plain.training import Progress, descend, falling, parameters

RHYMES = """\
a little snail in a little shell
went up the hill to ring the bell

a little cat in a little boat
went down the hill to find a goat

a little duck in a little hat
went to the well and there it sat
"""
ALPHABET = "".join(sorted(set(RHYMES)))


def as_token_ids(text: str) -> list[int]:
    return [ALPHABET.index(character) for character in text]


def learn_rhymes(*, steps: int = 1500, seed: int = 4, progress: Progress | None = None) -> GPT:
    """Each step learns from 17 characters somewhere in the rhymes: 16 positions, each with the one that comes next."""
    random = Random(seed)
    network = random_gpt(len(ALPHABET), random, context_length=16, width=16, layers=1, heads=2, inner_width=32)
    text, length = as_token_ids(RHYMES), network.context_length + 1

    def loss_at(_: int) -> Number:
        start = random.randrange(len(text) - length + 1)
        return network.loss(text[start : start + length])

    descend(loss_at, parameters(network), steps=steps, rate=falling(0.25, steps), progress=progress)
    return network


def recite(network: GPT, beginning: str, count: int, *, seed: int = 1, temperature: float = 0.5) -> str:
    """A beginning, continued by `count` characters."""
    token_ids = generate(network, as_token_ids(beginning), count, Random(seed), temperature=temperature)
    return "".join(ALPHABET[token_id] for token_id in token_ids)
