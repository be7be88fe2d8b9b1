"""Ctrl-C and SIGTERM: the run is saved, the exit code says which it was, and `--resume` finishes it."""

from __future__ import annotations

import json
import os
import pty
import signal

import pytest

STEPS = 200


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_stopped_run_is_saved_and_can_be_finished(number, code, spawn, everysum, tiny, home) -> None:
    arguments = ("train", "book.txt", "--out", "run", "--json", *tiny, "--set", f"schedule.steps={STEPS}")
    process = spawn(*arguments, cwd=home)
    for line in process.stdout:
        if json.loads(line)["event"] == "step":
            process.send_signal(number)
            break
    told, refused = process.communicate(timeout=60)
    assert process.returncode == code
    error = json.loads(refused)["error"]
    assert (error["kind"], error["exit_code"]) == ("Interrupted", code)
    assert error["advice"] == "go on with: everysum train --resume --out run"
    assert json.loads(told.splitlines()[-1])["event"] == "saved"

    assert everysum("train", "--resume", "--out", "run").code == 0
    log = [json.loads(line) for line in (home / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in log if "loss" in line] == list(range(1, STEPS + 1))
    assert everysum("generate", "run", "Tom", "--tokens", "3").code == 0


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, b"interrupted\n"), (signal.SIGTERM, 143, b"terminated\n")]
)
def test_before_the_first_step_it_is_one_word(number, code, word, spawn, tiny_run) -> None:
    ours, theirs = pty.openpty()
    process = spawn("tokenize", tiny_run, stdin=theirs)
    assert process.stderr.readline() == b"reading the text from the terminal; Ctrl-D ends it\n"
    process.send_signal(number)
    assert process.wait(60) == code
    assert process.stderr.read() == word
    os.close(ours)
    os.close(theirs)


def test_a_run_goes_on_though_nobody_listens_any_more(spawn, tiny, home) -> None:
    process = spawn("train", "book.txt", "--out", "run", "--json", *tiny, "--set", "schedule.steps=50", cwd=home)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == b""
    assert (home / "run" / "config.json").is_file()
