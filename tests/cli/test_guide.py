"""docs/guide.md: every command and every line of Python in it works, in its order, on a small text."""

from __future__ import annotations

import os
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_chat

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"
COMMAND = (sys.executable, "-c", "from everysum.cli.main import run; run()")
ASKED = b"How are you?\n"
"""What a person types where nothing else comes in."""
Everysum = Callable[..., Any]
SHORT = (
    "--set schedule.steps=12 --set schedule.batch_size=4 --set network.width=16 --set network.layers=1 "
    "--set network.heads=2 --set network.context_length=32 --set tokenizer.vocabulary_size=300 "
    "--set engine.threads=1 --set engine.dtype=float32 --set engine.compiled=false"
)
SHORT_FROM = "--set schedule.steps=6 --set schedule.batch_size=4 --set engine.threads=1 --set engine.dtype=float32"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def rhymes(seed: int, count: int = 900) -> str:
    choose = random.Random(seed).choice
    names, verbs, places = ("Tom", "Ann", "the cat", "once upon a time Jack"), ("sat", "ran", "slept"), ("wall", "hill")
    return "".join(f"{choose(names)} {choose(verbs)} on the {choose(places)}.\n" for _ in range(count))


def shortened(command: str) -> str:
    """The command as it stands in the guide; only a training run gets fewer steps and a smaller network."""
    if "everysum train" not in command or "--resume" in command or "--print-recipe" in command:
        return command
    return f"{command} {SHORT_FROM if '--from' in command else SHORT}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader would sit: two texts, and a model that answers."""
    for seed, name in enumerate(("my_book.txt", "other.txt")):
        (tmp_path / name).write_text(rhymes(seed), encoding="utf-8")
    tiny_chat.make(tmp_path / "models" / "assistant", context_length=400)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]
    assert len(lines) > 12
    assert all("everysum " in line for line in lines)
    return lines


def look_at_what_was_made(place: Path) -> None:
    for made in ("runs/both/model.safetensors", "models/book/config.json", "book.gguf", "gpt.gguf"):
        assert (place / made).is_file()


def test_every_command_and_every_line_of_python_in_the_guide_works(
    place: Path, everysum: Everysum, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in commands():
        before, _, ours = shortened(command).rpartition(" | ")
        given = subprocess.run(["sh", "-c", before], capture_output=True, check=True).stdout if before else ASKED
        outcome = everysum(*shlex.split(ours)[1:], given=given)
        assert outcome.code == 0, f"{command}\n{outcome.err}"
        assert outcome.out.strip(), command
    look_at_what_was_made(place)
    snippets = blocks("python")
    assert len(snippets) == 2
    for snippet in snippets:
        exec(compile(snippet, str(GUIDE), "exec"), {})
        assert capsys.readouterr().out.strip()
    # and what it says in passing
    assert "`everysum chat runs/book` says that and ends" in " ".join(GUIDE.read_text(encoding="utf-8").split())
    outcome = everysum("chat", "runs/book", given=ASKED)
    assert (outcome.code, "has no chat template" in outcome.err) == (4, True)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the guide's commands are a shell's")
def test_every_command_works_as_it_is_typed_into_a_shell(place: Path, environment: dict[str, str]) -> None:
    (place / "bin").mkdir()
    program = place / "bin" / "everysum"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    variables = environment | {"PATH": f"{program.parent}:{environment['PATH']}"}
    for command in commands():
        done = subprocess.run(
            ["sh", "-c", shortened(command)], env=variables, input=ASKED, capture_output=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stderr.decode()}"
        assert done.stdout.strip(), command
    look_at_what_was_made(place)


def test_the_guide_can_be_read_in_ten_minutes() -> None:
    assert len(GUIDE.read_text(encoding="utf-8").split()) < 1500
