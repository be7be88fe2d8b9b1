"""everysum as it takes part in benchmarks/decoding.py."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from decoding_peers import Ids, measured

import everysum
from everysum.generation.generate import Step, steps
from everysum.generation.native.build import found
from everysum.generation.native.library import LOADING
from everysum.generation.packed_networks import Packed
from everysum.generation.sampling import GREEDY
from everysum.model import Model


def with_lookup(model: Model, prompt: Ids, tokens: int, lookup: int) -> Iterator[Step]:
    """Greedy steps that guess up to `lookup` tokens from what stands behind the same words earlier in the text."""
    return steps(model.decoding, [prompt], tokens=tokens, sampling=GREEDY, lookup=lookup)


def built() -> None:
    """Wait until the native step is there, where it can be: how fast PyTorch is meanwhile is not asked here."""
    LOADING.get()
    while found().state == "building":
        time.sleep(0.1)


class Everysum:
    """A model with its weights in one of FORMS; with `lookup`, so many tokens are guessed from the text before."""

    def __init__(self, folder: Path, weights: str, threads: int, device: str = "cpu", lookup: int = 0) -> None:
        built()
        torch.set_num_threads(threads)
        self.model = everysum.load(folder, device=device, weights=weights)
        self.lookup = lookup

    def tokens_of(self, text: str) -> tuple[list[int], int]:
        """A text's tokens, and how many the network sees at once."""
        return self.model.token_ids(text), self.model.context_length

    def weights(self) -> tuple[int, float]:
        """Bytes and numbers of the weights that a token reads."""
        network = self.model.decoding
        assert isinstance(network, Packed)
        return network.bytes_a_token, 8 * network.bytes_a_token / network.bits_a_weight

    def decode(self, ids: Ids, tokens: int) -> dict[str, Any]:
        began, stamps, found = time.perf_counter(), [], []
        coming = with_lookup(self.model, ids, tokens, self.lookup)
        for step in coming:
            stamps.append(time.perf_counter())
            found.append(step.token_ids[0])
        return measured(began, stamps, found)

    def prefill(self, ids: Ids) -> float:
        """Seconds until the token behind a prompt is there, the cache filled."""
        began = time.perf_counter()
        # of two tokens that are asked for, the first: a cache has to be there for the second
        next(iter(steps(self.model.decoding, [ids], tokens=2, sampling=GREEDY)))
        return time.perf_counter() - began

    def batch(self, prompts: Sequence[Ids], tokens: int) -> float:
        """Seconds for all of the prompts together."""
        began = time.perf_counter()
        for _ in steps(self.model.decoding, prompts, tokens=tokens, sampling=GREEDY):
            pass
        return time.perf_counter() - began
