"""The likeliest continuations of a prompt, as a tree: beam search.

All continuations are more than can be tried. Beam search extends the `width` likeliest beginnings by every token, keeps
the `width` likeliest of the results, and again; where `width` covers every beginning there is, nothing is missed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from jaxtyping import Float
from torch import Tensor

from everysum.errors import UsageError
from everysum.generation.generate import refuse_broken, refuse_unusable
from everysum.generation.windows import CachedTexts
from everysum.models.network import Network


@dataclass(frozen=True)
class Continuation:
    """Tokens behind a prompt, and the logarithm of each one's probability after those before it.

    It has the length asked for, or ends earlier with the end-of-text token as its last.
    """

    token_ids: tuple[int, ...] = ()
    log_probabilities: tuple[float, ...] = ()

    @property
    def log_probability(self) -> float:
        return math.fsum(self.log_probabilities)

    @property
    def probability(self) -> float:
        """That the model goes on in just this way: the product of the tokens' probabilities."""
        return math.exp(self.log_probability)

    def then(self, token_id: int, log_probability: float) -> Continuation:
        return Continuation((*self.token_ids, token_id), (*self.log_probabilities, log_probability))


@dataclass(frozen=True)
class Branch:
    """Tokens that several continuations share, or the rest of one, and the branches after them, the likeliest first."""

    token_ids: tuple[int, ...]
    probabilities: tuple[float, ...]
    """Of each token, after all those before it."""
    path_probability: float
    """Of everything from the prompt to the end of this branch."""
    children: tuple[Branch, ...]


def continuations(
    network: Network,
    prompt: Sequence[int],
    *,
    count: int,
    length: int,
    end_of_text: int | None = None,
    width: int | None = None,
) -> list[Continuation]:
    """The `count` likeliest continuations of `length` tokens, the likeliest first; fewer if there are no more.

    `width` is how many beginnings are kept at each step, by default twice the count and at least 16.
    """
    refuse_unusable(network, [prompt], length)
    width = max(2 * count, 16) if width is None else width
    if count < 1 or length < 1 or width < count:
        raise UsageError(
            "there is nothing to continue with",
            wanted="a count and a length of 1 or more, and a width not below the count",
            came=f"count {count}, length {length}, width {width}",
        )
    texts = CachedTexts(network, [prompt], longest=len(prompt) + length - 1)
    ended, growing = list[Continuation](), [Continuation()]
    for step in range(length):
        logits = texts.logits()
        if step == 0:
            refuse_broken(logits)
        rows = extended(growing, logits, width)
        best = sorted([*ended, *rows], key=likeliest_first)[:width]
        ended = [beam for beam in best if beam.token_ids[-1] == end_of_text]
        growing = [beam for beam in best if beam.token_ids[-1] != end_of_text]
        if not growing:
            break
        texts.keep([rows[beam] for beam in growing])
        texts.append([beam.token_ids[-1] for beam in growing])
    return sorted([*ended, *growing], key=likeliest_first)[:count]


def likeliest_first(beam: Continuation) -> tuple[float, tuple[int, ...]]:
    return -beam.log_probability, beam.token_ids


@torch.inference_mode()
def extended(
    beams: Sequence[Continuation], logits: Float[Tensor, "batch vocabulary"], width: int
) -> dict[Continuation, int]:
    """The `width` likeliest extensions of the beams by one token, each with the row of the beam that it extends."""
    after = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
    total = after + torch.tensor([[beam.log_probability] for beam in beams]).to(after)
    places = total.flatten().topk(min(width, total.numel())).indices
    steps = after.flatten()[places].tolist()
    grown = {}
    for place, step in zip(places.tolist(), steps, strict=True):
        row, token_id = divmod(place, total.shape[-1])
        grown[beams[row].then(token_id, step)] = row
    return grown


def tree(found: Sequence[Continuation], depth: int = 0) -> tuple[Branch, ...]:
    """Continuations with their common beginnings shared, from their token number `depth` on.

    Branches stand in the order of the continuations: the one that leads to the first comes first.
    """
    by_token: dict[int, list[Continuation]] = {}
    for continuation in found:
        if len(continuation.token_ids) > depth:
            by_token.setdefault(continuation.token_ids[depth], []).append(continuation)
    return tuple(branch(together, depth) for together in by_token.values())


def branch(together: Sequence[Continuation], depth: int) -> Branch:
    """Continuations with the same token number `depth`: what they share from there on, and the tree of the rest."""
    columns = zip(*(continuation.token_ids for continuation in together), strict=False)
    shared = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    first = together[0]
    return Branch(
        first.token_ids[depth:shared],
        tuple(map(math.exp, first.log_probabilities[depth:shared])),
        math.exp(math.fsum(first.log_probabilities[:shared])),
        tree(together, shared),
    )
