"""everysum as it takes part in benchmarks/decoding.py."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from decoding_peers import Ids, measured
from taking_turns import Missing

import everysum
from everysum.generation.generate import Step, steps
from everysum.generation.sampling import GREEDY
from everysum.model import Model

FORMS = {"float32": "float32", "bf16": "bfloat16", "int8": None, "int4": None}
"""What `weights` may be, and the precision that the network itself has where nothing is packed."""


def opened(folder: Path, weights: str, threads: int, device: str) -> Model:
    """A model that decodes with its weights in this form."""
    torch.set_num_threads(threads)
    if "weights" in inspect.signature(everysum.load).parameters:
        return everysum.load(folder, device=device, weights=weights)
    if FORMS[weights] is None:
        raise Missing(f"this everysum has no packed weights, and so no {weights}")
    return everysum.load(folder, device=device, dtype=FORMS[weights])


def with_lookup(model: Model, prompt: Ids, tokens: int, lookup: int) -> Iterator[Step]:
    """Greedy steps that guess up to `lookup` tokens from what stands behind the same words earlier in the text."""
    return steps(model.network, [prompt], tokens=tokens, sampling=GREEDY, lookup=lookup)


class Everysum:
    """A model with its weights in one of FORMS; with `lookup`, so many tokens are guessed from the text before."""

    def __init__(self, folder: Path, weights: str, threads: int, device: str = "cpu", lookup: int = 0) -> None:
        if lookup and "lookup" not in inspect.signature(steps).parameters:
            raise Missing("this everysum does not look up in the prompt")
        self.model, self.lookup = opened(folder, weights, threads, device), lookup

    def tokens_of(self, text: str) -> tuple[list[int], int]:
        """A text's tokens, and how many the network sees at once."""
        return self.model.token_ids(text), self.model.context_length

    def weights(self) -> tuple[int, int]:
        """Bytes and numbers of the weights that a token reads: all, less those of which only a row is looked up."""
        network = self.model.network
        read = [
            parameter
            for name, parameter in network.named_parameters()
            if not name.endswith("embedding.weight") or parameter is network.head_weight
        ]
        return sum(tensor.nbytes for tensor in read), sum(tensor.numel() for tensor in read)

    def decode(self, ids: Ids, tokens: int) -> dict[str, Any]:
        began, stamps, found = time.perf_counter(), [], []
        network = self.model.network
        coming = (
            with_lookup(self.model, ids, tokens, self.lookup)
            if self.lookup
            else steps(network, [ids], tokens=tokens, sampling=GREEDY)
        )
        for step in coming:
            stamps.append(time.perf_counter())
            found.append(step.token_ids[0])
        return measured(began, stamps, found)

    def prefill(self, ids: Ids) -> float:
        """Seconds until the token behind a prompt is there, the cache filled."""
        began = time.perf_counter()
        # of two tokens that are asked for, the first: a cache has to be there for the second
        next(iter(steps(self.model.network, [ids], tokens=2, sampling=GREEDY)))
        return time.perf_counter() - began

    def batch(self, prompts: Sequence[Ids], tokens: int) -> float:
        """Seconds for all of the prompts together."""
        began = time.perf_counter()
        for _ in steps(self.model.network, prompts, tokens=tokens, sampling=GREEDY):
            pass
        return time.perf_counter() - began
