"""A tiny run for tests: a network of two layers on a few KB of made-up text, seconds from text to folder."""

from __future__ import annotations

import copy
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from everysum import machine
from everysum.errors import EverysumError
from everysum.training import run
from everysum.training.prepare import Request
from everysum.training.progress import Facts, Progress, Result, StepLine
from everysum.training.run import resume, train
from everysum.training.wishes import merged

WORDS = "the a cat dog sat ran on under wall mat egg king horse men all and again naïve"
TINY: dict[str, Any] = {
    "network": {"width": 32, "layers": 2, "heads": 2, "inner_width": 64, "context_length": 16, "dropout": 0.0},
    "tokenizer": {"kind": "characters"},
    "schedule": {"steps": 24, "batch_size": 8, "evaluate_every": 6, "sample_every": 8},
    "engine": {
        "threads": 1,
        "workers": 1,
        "dtype": "float32",
        "attention": "fused",
        "device": "cpu",
        "compiled": False,
    },
}


def tiny(*over: Mapping[str, Any]) -> dict[str, Any]:
    """The wishes of the tiny run, and others over them."""
    wishes = copy.deepcopy(TINY)
    for more in over:
        wishes = merged(wishes, more)
    return wishes


def sentences(lines: int = 120, seed: int = 1) -> str:
    chosen, words = random.Random(seed), WORDS.split()
    return "".join(" ".join(chosen.choice(words) for _ in range(8)) + ".\n" for _ in range(lines))


def write_text(folder: Path, text: str | None = None, name: str = "text.txt") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(sentences() if text is None else text, encoding="utf-8")
    return path


class Listener(Progress):
    """Remembers everything that a run tells."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.warnings: list[str] = []
        self.facts: list[Facts] = []
        self.steps: list[StepLine] = []
        self.samples: list[tuple[int, str]] = []
        self.saves: list[int] = []
        self.results: list[Result] = []

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def planned(self, recipe: object, facts: Facts) -> None:
        self.facts.append(facts)

    def stepped(self, line: StepLine) -> None:
        self.steps.append(line)

    def sampled(self, step: int, text: str) -> None:
        self.samples.append((step, text))

    def saved(self, step: int, seconds: float) -> None:
        self.saves.append(step)

    def warned(self, text: str) -> None:
        self.warnings.append(text)

    def finished(self, result: Result) -> None:
        self.results.append(result)


class StopAt(Listener):
    """Sends this process a signal when a step is done."""

    def __init__(self, step: int, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.step, self.number = step, number

    def stepped(self, line: StepLine) -> None:
        super().stepped(line)
        if line.step == self.step:
            os.kill(os.getpid(), self.number)


@contextmanager
def quietly(cache: Path) -> Iterator[None]:
    """Token files in a folder of the test's own, and no measuring of the machine."""
    with (
        mock.patch.object(machine, "matrix_speeds", return_value=machine.Speeds(50.0, 50.0)),
        mock.patch.dict(os.environ, {"EVERYSUM_CACHE": str(cache)}),
    ):
        yield


def train_tiny(
    text: Path,
    out: Path,
    *over: Mapping[str, Any],
    held_out: tuple[Path, ...] = (),
    progress: Progress | None = None,
    minutes: float | None = None,
) -> Result:
    """Train the tiny run into `out`."""
    request = Request([text], out, held_out, minutes, tiny(*over), "cpu")
    with quietly(out.parent / "cache"):
        return train(request, progress or Listener())


def resume_tiny(out: Path, progress: Progress | None = None) -> Result:
    with quietly(out.parent / "cache"):
        return resume(out, progress or Listener())


RESULTS = ("log.jsonl", "model.safetensors", "config.json", "tokenizer.json")


def results_of(folder: Path) -> dict[str, bytes]:
    """What two equal runs leave alike, byte for byte."""
    return {name: (folder / name).read_bytes() for name in RESULTS}


def train_in_a_process(text: Path, out: Path, over: Mapping[str, Any], pause: float = 0.004) -> None:
    """For a process of its own, to be stopped or killed: begins a run or goes on with it, saving as often as it can."""

    class Slow(Progress):
        def stepped(self, line: StepLine) -> None:
            time.sleep(pause)

    run.CHECKPOINT_SECONDS, run.CHECKPOINT_SHARE = 0.03, 1.0
    try:
        if (out / "recipe.json").is_file():
            resume_tiny(out, Slow())
        else:
            train_tiny(text, out, over, progress=Slow())
    except EverysumError as problem:
        (out / "said.txt").write_text(str(problem))
        sys.exit(problem.exit_code)
