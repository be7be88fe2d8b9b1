"""Beam search: at every step keep the few likeliest beginnings of a text, instead of the likeliest next token only.

Length penalty and early stopping mean what they mean in transformers, so that both find the same texts:

* A text scores the sum of its tokens' log-probabilities / (how many tokens, its end included) ^ length_penalty.
* Each step looks at the 2 × beams likeliest extensions. One that ends, and is among the first `beams`, is finished; the
  best `beams` finished ones are kept. The likeliest `beams` of those that do not end go on.
* early_stopping True: over once `beams` texts are finished. False: over once in addition the likeliest beam, scored
  as if it ended now, is no better than the worst of them. "never": the same, scored as if it ended at the greatest
  length (where the penalty favors long texts).
* At the greatest length all beams end, without the end's token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from everysum.errors import UsageError
from everysum.generation.beams import Beams, grown
from everysum.generation.generate import refuse_broken

SHRINK_FROM = 8
"""Texts that are over are computed along until they are this part of the batch: leaving costs a copy of the caches."""
CHUNK = 64


@dataclass(frozen=True)
class Search:
    """How a text is searched for. One beam is greedy: always the likeliest token, up to the end's."""

    beams: int = 5
    length_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False

    def __post_init__(self) -> None:
        if self.beams < 1:
            raise UsageError("beam search needs a beam", wanted="1 beam or more", came=str(self.beams))
        if not math.isfinite(self.length_penalty):
            raise UsageError(
                "this length penalty cannot be",
                wanted="a number: above 0 for longer texts, below it for shorter ones",
                came=str(self.length_penalty),
            )

    @property
    def stops_when_full(self) -> bool:
        """Whether the first `beams` finished texts are the last."""
        return self.early_stopping is True or self.beams == 1


@dataclass(frozen=True)
class Hypothesis:
    """A text that was found: its tokens without the end's, and how likely it is."""

    token_ids: tuple[int, ...]
    log_probability: float
    """Of all tokens together, the end's included where it came."""
    score: float
    """What texts are compared by: the log-probability divided as the length penalty says."""
    ended: bool
    """Whether the network ended it; otherwise it has the greatest length."""


@torch.inference_mode()
def beam_search(
    texts: Beams, longest: Sequence[int], *, end: int, search: Search, count: int = 1, never: int | None = None
) -> list[list[Hypothesis]]:
    """The best `count` texts found for each row, the best first; `longest` is how many tokens each may get.

    The token `never`, if there is one, stands in no text, however likely it is. A text's beams are what they would be
    alone, whatever other texts are beside it.
    """
    if not 1 <= count <= search.beams:
        raise UsageError(
            f"{search.beams} beams cannot give {count} texts",
            wanted=f"a count from 1 to {search.beams}",
            came=str(count),
        )
    if not longest:
        return []
    searching = Searching(search, longest, end, never)
    logits = texts.begin()
    refuse_broken(logits)
    while True:
        token_ids, parents = searching.step(logits)
        going_on = searching.shrink()
        if going_on is not None:
            if not len(going_on):
                return [[found for _, found in finished[:count]] for finished in searching.finished]
            texts.keep(going_on)
            token_ids, parents = token_ids[going_on], parents[going_on]
        logits = texts.grow(token_ids, parents)


class Searching:
    """The state of a search: what goes on, what is finished, and which texts are over."""

    def __init__(self, search: Search, longest: Sequence[int], end: int, never: int | None) -> None:
        self.search, self.end, self.never, self.length = search, end, never, 0
        self.finished: list[list[tuple[float, Hypothesis]]] = [[] for _ in longest]
        self.rows = list(range(len(longest)))
        """Which texts stand in the rows of the batch."""
        self.over = [False] * len(longest)
        """For each row of the batch."""
        self.limits = list(longest)
        self.scores = torch.zeros(len(longest), 1)
        self.token_ids = torch.zeros(len(longest), 1, 0, dtype=torch.long)

    def step(
        self, logits: Float[Tensor, "batch beams vocabulary"]
    ) -> tuple[Int[Tensor, "batch grown"], Int[Tensor, "batch grown"]]:
        """The beams that go on, as tokens and as the places of the beams that they extend."""
        self.length += 1
        beams = self.search.beams
        self.scores, self.token_ids = self.scores.to(logits.device), self.token_ids.to(logits.device)
        scores, parents, token_ids = likeliest_extensions(logits, self.scores, 2 * beams, self.never)
        ends = token_ids == self.end
        self.finish(scores, parents, token_ids, ends)
        self.scores, places = scores.masked_fill(ends, -torch.inf).topk(min(beams, scores.shape[1]))
        token_ids, parents = token_ids.gather(1, places), parents.gather(1, places)
        self.token_ids = grown(self.token_ids, token_ids, parents)
        self.judge()
        return token_ids, parents

    def finish(self, scores: Tensor, parents: Tensor, token_ids: Tensor, ends: Tensor) -> None:
        """Take the extensions that end, of those among the first `beams`; at a row's greatest length all do."""
        beams = self.search.beams
        at_limit = torch.tensor([self.length >= limit for limit in self.limits], device=scores.device)
        running = torch.tensor([not over for over in self.over], device=scores.device)
        ending = (ends | at_limit[:, None]) & running[:, None] & (scores > -torch.inf)
        events = ending[:, :beams].nonzero().tolist()
        if not events:
            return
        chosen = tuple(torch.tensor(events, device=scores.device).T)
        sums, tokens = scores[chosen].tolist(), token_ids[chosen].tolist()
        pasts = self.token_ids[chosen[0], parents[chosen]].tolist()
        for (row, _), total, token_id, past in zip(events, sums, tokens, pasts, strict=True):
            ended = token_id == self.end
            ids = tuple(past) if ended else (*past, token_id)
            score = self.scored(total, self.length)
            best = self.finished[self.rows[row]]
            best.append((score, Hypothesis(ids, total, score, ended)))
        for row in {row for row, _ in events}:
            best = self.finished[self.rows[row]]
            best.sort(key=lambda found: -found[0])
            del best[beams:]

    def judge(self) -> None:
        """Which texts are over: no beam can be better than what is finished, or none may grow any more."""
        likeliest = self.scores[:, 0].tolist()
        for row, (limit, best_running) in enumerate(zip(self.limits, likeliest, strict=True)):
            finished = self.finished[self.rows[row]]
            if self.length >= limit:
                self.over[row] = True
            elif len(finished) == self.search.beams and not self.over[row]:
                hopeful = self.hopeful(best_running, limit, finished[-1][0])
                self.over[row] = self.search.stops_when_full or not hopeful

    def hopeful(self, log_probability: float, limit: int, worst: float) -> bool:
        """Whether a beam may still become better than the worst finished text."""
        favors_long = self.search.early_stopping == "never" and self.search.length_penalty > 0
        length = limit if favors_long else self.length
        return self.scored(log_probability, length) > worst

    def scored(self, log_probability: float, length: int) -> float:
        return log_probability / math.pow(length, self.search.length_penalty)

    def shrink(self) -> Tensor | None:
        """Let texts that are over leave once there are enough of them; the rows that stay, if any have left."""
        leaving = sum(self.over)
        if leaving < len(self.over) and leaving * SHRINK_FROM < len(self.over):
            return None
        staying = [row for row, over in enumerate(self.over) if not over]
        self.rows, self.limits = [self.rows[row] for row in staying], [self.limits[row] for row in staying]
        self.over = [False] * len(staying)
        rows = torch.tensor(staying, dtype=torch.long, device=self.scores.device)
        self.scores, self.token_ids = self.scores[rows], self.token_ids[rows]
        return rows


def likeliest_extensions(
    logits: Float[Tensor, "batch beams vocabulary"],
    scores: Float[Tensor, "batch beams"],
    count: int,
    never: int | None = None,
) -> tuple[Float[Tensor, "batch some"], Int[Tensor, "batch some"], Int[Tensor, "batch some"]]:
    """The `count` likeliest extensions of each text's beams by a token: their log-probabilities, beams and tokens.

    Not all products of beams and vocabulary need be looked through for it: the likeliest `count` lie in the `count`
    chunks with the likeliest members.
    """
    after = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
    if never is not None:
        after[..., never] = -torch.inf
    vocabulary = after.shape[-1]
    chunks = vocabulary // CHUNK
    if chunks * after.shape[1] <= 2 * count:
        return as_extensions((after + scores[..., None]).flatten(1), count, vocabulary)
    whole = after[..., : chunks * CHUNK].reshape(*after.shape[:2], chunks, CHUNK)
    peaks = (whole.amax(-1) + scores[..., None]).flatten(1)
    found = peaks.topk(count).indices
    inside = whole.flatten(1, 2).gather(1, found[..., None].expand(-1, -1, CHUNK))
    beams, chunk = found // chunks, found % chunks
    inside = inside + scores.gather(1, beams)[..., None]
    rest = (after[..., chunks * CHUNK :] + scores[..., None]).flatten(1)
    values, places = torch.cat([inside.flatten(1), rest], dim=1).topk(count)
    # where in the text's beams × vocabulary each of these stands
    first = (beams * vocabulary + chunk * CHUNK)[..., None] + torch.arange(CHUNK, device=found.device)
    tail = torch.arange(vocabulary, device=found.device)[chunks * CHUNK :]
    tail = tail + vocabulary * torch.arange(after.shape[1], device=found.device)[:, None]
    index = torch.cat([first.flatten(1), tail.flatten().expand(len(first), -1)], dim=1).gather(1, places)
    return values, index // vocabulary, index % vocabulary


def as_extensions(totals: Tensor, count: int, vocabulary: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same by sorting all of them."""
    values, index = totals.topk(min(count, totals.shape[1]))
    return values, index // vocabulary, index % vocabulary
