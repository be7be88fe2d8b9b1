"""The frame around every command: help, version, exit codes, broken pipes, and what nobody foresaw."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from everysum.version import __version__

COMMANDS = ["train", "generate", "evaluate", "tokenize", "lesson", "open", "explain", "doctor"]


def test_the_version_is_the_packages(everysum) -> None:
    shown = everysum("--version")
    assert (shown.code, shown.out, shown.err) == (0, f"everysum {__version__}\n", "")


def test_without_a_command_the_help_is_shown(everysum) -> None:
    shown = everysum()
    assert (shown.code, shown.err) == (0, "")
    assert shown == everysum("--help")
    assert all(f"\n  {command} " in shown.out for command in COMMANDS)
    assert all(f"\n    {code} " in shown.out for code in (0, 1, 2, 3, 4, 5, 6, 7, 130, 141))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_help_has_an_example_and_fits_eighty_columns(command, everysum) -> None:
    shown = everysum(command, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert f"\n    everysum {command} " in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["trian"]])
def test_help_waits_for_no_heavy_import(arguments, environment) -> None:
    heavy = ("torch", "numpy", "pydantic", "rich", "tokenizers", "tiktoken", "regex", "jaxtyping")
    program = (
        "import sys\nfrom everysum.cli.main import run\n"
        f"sys.argv = ['everysum', *{arguments!r}]\n"
        "try: run()\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stderr.splitlines()[-1] == "[]"


def test_what_nobody_foresaw_is_one_line_that_asks_for_a_report(everysum, monkeypatch, tiny_run) -> None:
    def stumble(folder):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("everysum.tokenizers.files.load_tokenizer", stumble)
    outcome = everysum("tokenize", tiny_run, "Tom")
    line = "unforeseen RuntimeError: two lines — please report it with what EVERYSUM_DEBUG=1 shows\n"
    assert (outcome.code, outcome.out, outcome.err) == (1, "", line)


def test_a_traceback_is_shown_to_those_who_ask(everysum, monkeypatch, tiny_run) -> None:
    def stumble(folder):
        raise RuntimeError("here")

    monkeypatch.setattr("everysum.tokenizers.files.load_tokenizer", stumble)
    monkeypatch.setenv("EVERYSUM_DEBUG", "1")
    outcome = everysum("tokenize", tiny_run, "Tom")
    assert "Traceback (most recent call last)" in outcome.err
    assert "in stumble" in outcome.err


def test_ctrl_c_is_one_word_and_130(everysum, monkeypatch, tiny_run) -> None:
    def interrupted(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr("everysum.tokenizers.files.load_tokenizer", interrupted)
    outcome = everysum("tokenize", tiny_run, "Tom")
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "interrupted\n")


def test_a_signal_that_an_import_swallowed_is_not_forgotten(everysum, monkeypatch, tiny_run) -> None:
    def swallowing(self):
        with contextlib.suppress(BaseException):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

    monkeypatch.setattr("everysum.cli.generate.lines_of", swallowing)
    outcome = everysum("generate", tiny_run, "--prompts", "x")
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "interrupted\n")


def test_a_closed_pipe_is_silent(spawn, tiny_run) -> None:
    process = spawn("tokenize", tiny_run, "-", stdin=subprocess.PIPE)
    process.stdout.close()
    process.stdin.write(b"Tom sat on the wall. " * 10_000)
    process.stdin.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 141


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_said(spawn, tiny_run) -> None:
    with Path("/dev/full").open("wb") as full:
        process = spawn("tokenize", tiny_run, "Tom", stdout=full)
        assert process.stderr.read().decode().startswith("the disk is full\n")
        assert process.wait(60) == 5
