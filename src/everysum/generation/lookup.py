"""Speculative decoding by prompt look-up: guess the next tokens from what the text already says, and check all at once.

Texts repeat themselves: names, phrases, code. Where the last few tokens have stood before, what followed them then may
follow now. The network reads the guess in one step, which costs about as much as one token, since its weights are read
once for all. Each guessed token that is the one chosen needs no step of its own; behind the first that is not, the
rest is thrown away. The text is the same as without, token for token: each token is chosen by the same logits, which
the native step computes in the same order for one row and for several (Saxena, 2023, "Prompt lookup decoding").
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from everysum.generation.windows import CachedTexts
from everysum.models.network import Network

MOST = 8
"""Tokens guessed at once; a guess of so many rows still costs little more than one."""
LONGEST_MATCH, SHORTEST_MATCH = 4, 2
"""How many last tokens must have stood before: of several matches the longest counts, and of those the latest."""


class Continuations:
    """Where each short run of tokens has stood last in a text, kept up to date as the text grows."""

    def __init__(self) -> None:
        self.places: dict[tuple[int, ...], int] = {}
        self.known = 0

    def guess(self, text: Sequence[int], most: int) -> list[int]:
        """Up to `most` tokens that followed the text's last ones when they stood there before."""
        for end in range(self.known, len(text)):
            for length in range(SHORTEST_MATCH, LONGEST_MATCH + 1):
                if end >= length:
                    self.places[tuple(text[end - length : end])] = end
        self.known = len(text)  # a run that ends the text is entered when something has followed it
        for length in range(LONGEST_MATCH, SHORTEST_MATCH - 1, -1):
            place = self.places.get(tuple(text[len(text) - length :])) if len(text) >= length else None
            if place is not None:
                return list(text[place : place + most])
        return []


class LookedUpTexts(CachedTexts):
    """One text whose next tokens are guessed and checked together. See `steps`; only speed is different."""

    def __init__(self, network: Network, prompt: Sequence[int], *, longest: int, most: int = MOST) -> None:
        super().__init__(network, [prompt], longest=longest)
        self.most, self.length = most, min(2, most)
        self.continuations = Continuations()
        self.guessed: list[int] = []
        self.checked: list[Tensor] = []
        """The logits behind each guessed token, as long as all before it were right."""
        self.right = self.wrong = 0

    @torch.inference_mode()
    def logits(self) -> Float[Tensor, "batch vocabulary"]:
        text = self.token_ids[0]
        if self.guessed:
            right = text[-1] == self.guessed.pop(0)
            logits = self.checked.pop(0)
            self.right, self.wrong = self.right + right, self.wrong + (not right)
            if right:
                self.cached[0] += 1
                if not self.guessed:
                    self.length = min(self.most, 2 * self.length)
                return logits
            self.length = max(1, self.length // 2)
            self.drop()
        guess = self.guess(text)
        return self.check(guess) if guess else super().logits()

    def guess(self, text: Sequence[int]) -> list[int]:
        """Nothing where the text is not read yet, where its window moves, or where guesses are mostly wrong."""
        room = self.capacity - len(text)
        if room <= 0 or self.cached[0] != len(text) - 1 or self.cached[0] == 0:
            return []
        if self.wrong > 8 and self.right < self.wrong // 2 and len(text) % 16:
            return []  # tried again now and then: a text may begin to repeat itself later
        return self.continuations.guess(text, min(self.length, room))

    def check(self, guess: list[int]) -> Float[Tensor, "batch vocabulary"]:
        """One step for the newest token and all guessed ones; the logits behind the newest."""
        logits = self.behind(self.tensor([[self.token_ids[0][-1], *guess]]))[0]
        self.cached[0] += 1
        self.guessed, self.checked = guess, list(logits[1:, None])
        return logits[:1]

    def drop(self) -> None:
        """Take what was guessed wrong out of the cache: it holds all of the text but its newest token."""
        self.guessed, self.checked = [], []
        self.cached[0] = len(self.token_ids[0]) - 1
        self.cache.set_lengths(self.tensor([self.cached[0]]))

    def keep(self, rows: Sequence[int]) -> None:
        if self.guessed:
            self.drop()
        super().keep(rows)
