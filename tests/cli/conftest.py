"""Commands run as a person runs them: in this process where that is enough, in one of their own where it is not."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pytest
from native_steps import share_native_step

from everysum.cli.main import run

TINY = (
    *("--set", "network.width=16", "--set", "network.layers=1", "--set", "network.heads=2"),
    *("--set", "network.context_length=16", "--set", "schedule.batch_size=4"),
    *("--set", "tokenizer.vocabulary_size=300", "--set", "engine.threads=1", "--set", "engine.dtype=float32"),
)

COMMAND = (sys.executable, "-c", "from everysum.cli.main import run; run()")


@dataclass(frozen=True)
class Outcome:
    """What a command came to."""

    code: int
    out: str
    err: str


Everysum = Callable[..., Outcome]


def rhymes(count: int = 700) -> str:
    """A text of some twenty kilobytes that a small network can learn."""
    choose = random.Random(1).choice
    names, verbs, places = ("Tom", "Ann", "the cat", "the old dog"), ("sat", "ran", "slept"), ("wall", "hill", "bed")
    return "".join(f"{choose(names)} {choose(verbs)} on the {choose(places)}.\n" for _ in range(count))


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables that commands see: a cache of their own, one thread, nothing about terminals."""
    cache = tmp_path_factory.mktemp("cache")
    share_native_step(cache)
    ours = {"EVERYSUM_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    hidden = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM", "EVERYSUM_DEBUG")
    source = str(Path(__file__).parents[2] / "src")
    inherited = {name: value for name, value in os.environ.items() if name not in hidden}
    return inherited | ours | {"PYTHONPATH": source, "TERM": "xterm-256color"}


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """A finished run, made once by the command itself; tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "rhymes.txt").write_text(rhymes(), encoding="utf-8")
    arguments = ("train", "rhymes.txt", "--out", "run", "--set", "schedule.steps=60", *TINY)
    made = subprocess.run([*COMMAND, *arguments], cwd=folder, env=environment, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr.decode()
    return folder / "run"


@pytest.fixture
def tiny() -> tuple[str, ...]:
    """Options of a run that takes a second or two, once its steps are given."""
    return TINY


@pytest.fixture
def few_steps() -> tuple[str, ...]:
    """The same with a dozen steps."""
    return (*TINY, "--set", "schedule.steps=12")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a text in it."""
    (tmp_path / "book.txt").write_text(rhymes(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def everysum(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Everysum]:
    """Run a command in this process; `given` is standard input, `streams` replace stdout and stderr."""
    for name in ("EVERYSUM_CACHE", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.delenv("EVERYSUM_DEBUG", raising=False)

    def command(*arguments: str | Path, given: bytes = b"", **streams: TextIO) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["everysum", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
        for name, stream in streams.items():
            monkeypatch.setattr(sys, name, stream)
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            run()
        assert isinstance(left.value.code, int)
        return Outcome(left.value.code, *capsys.readouterr())

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield command
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def spawn(environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a command in a process of its own, which does not outlive the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(
        *arguments: str | Path, variables: Mapping[str, str] | None = None, **settings: Any
    ) -> subprocess.Popen[bytes]:
        piped = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | settings
        command = [*COMMAND, *map(str, arguments)]
        started.append(subprocess.Popen(command, env=environment | dict(variables or {}), **piped))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
