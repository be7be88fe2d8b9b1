"""How fast a text came, and how much of what the machine's memory allows that is."""

from __future__ import annotations

import time
from typing import Any

from everysum import machine
from everysum.generation.generate import Step
from everysum.generation.native.library import LOADING
from everysum.generation.packed_networks import Packed
from everysum.models.network import Network


class Stopwatch:
    """Shown every step of a text as it comes."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.moments: list[float] = []
        self.tokens = 0
        """Of all texts together, without the first step's."""

    def watch(self, step: Step) -> None:
        if self.moments:
            self.tokens += len(step.rows)
        self.moments.append(time.perf_counter())

    @property
    def first_token_seconds(self) -> float | None:
        """From the beginning until the first token of each text was chosen."""
        return self.moments[0] - self.began if self.moments else None

    @property
    def tokens_per_second(self) -> float | None:
        """After the first, of all texts together."""
        return self.tokens / (self.moments[-1] - self.moments[0]) if self.tokens else None


def as_values(stopwatch: Stopwatch, network: Network, texts: int) -> dict[str, Any]:
    """What `--json` says of speed.

    A step reads all weights once, for all texts. `share_of_limit` is the steps a second through how often the memory
    could be read for them; guessing ahead (see `lookup`) can bring it above 1, and so can a cache that holds them all.
    """
    rate = stopwatch.tokens_per_second
    known: dict[str, Any] = {
        "tokens_per_second": None if rate is None else round(rate, 2),
        "first_token_seconds": stopwatch.first_token_seconds,
        "computed_by": computed_by(network),
        "weights": network.form if isinstance(network, Packed) else str(network.dtype).removeprefix("torch."),
    }
    if isinstance(network, Packed):
        bandwidth = machine.read_bandwidth()
        known |= {
            "weight_bytes_a_step": network.bytes_a_token,
            "bits_a_weight": round(network.bits_a_weight, 3),
            "memory_bytes_per_second": round(bandwidth),
            "share_of_limit": None if rate is None else round(rate / texts * network.bytes_a_token / bandwidth, 4),
        }
    return known


def computed_by(network: Network) -> str:
    """Who does the sums of this network's steps."""
    if not isinstance(network, Packed):
        return "PyTorch"
    library = LOADING.get()
    if library is not None:
        return f"native step ({library.abilities})"
    state = LOADING.build.state if LOADING.build else "building"
    return f"PyTorch (native step: {state})"
