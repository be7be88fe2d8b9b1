"""`everysum train`: from a text to a model folder, and what is told on the way."""

from __future__ import annotations

import io
import json
import math
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest


def test_a_run_leaves_a_model_folder_and_its_name_as_data(everysum, few_steps, home) -> None:
    outcome = everysum("train", "book.txt", *few_steps)
    assert (outcome.code, outcome.out) == (0, "runs/book\n")
    assert {"config.json", "model.safetensors", "tokenizer.json", "recipe.json"} <= {
        path.name for path in Path("runs/book").iterdir()
    }
    assert everysum("train", "book.txt", *few_steps).out == "runs/book-2\n"


def test_the_screen_says_what_is_trained_how_it_goes_and_what_is_next(everysum, few_steps, home) -> None:
    shown = everysum("train", "book.txt", "--out", "my run", *few_steps).err
    assert re.search(r"^text     book.txt: [\d.]+ kB, 1 document, [\d,]+ tokens, [\d,]+ held out$", shown, re.M)
    assert re.search(r"^network  llama, [\d,]+ parameters: 1 layers × 16 wide × 2 heads, context 16$", shown, re.M)
    assert re.search(r"^engine   float32 on cpu, 1 thread, attention .+, not compiled$", shown, re.M)
    assert re.search(r"^plan     12 steps of 4 × 16 tokens, ", shown, re.M)
    untrained = re.search(r"^Untrained, with a vocabulary of (\d+), it would lose ln \1 = (.+) a token.$", shown, re.M)
    assert untrained is not None
    assert untrained[2] == f"{math.log(int(untrained[1])):.2f}"
    assert re.search(
        r"^step +2  held-out loss \d\.\d{3}  perplexity [\d.]+  \d\.\d{3} bits per byte  \d+:\d\d$", shown, re.M
    )
    assert "\n  │ " in shown
    assert re.search(r"^ *5\.\d\d ┤ [\u2801-\u28ff]", shown, re.M)
    assert "loss by step   ⠤⠤ training   ● held out\n" in shown
    assert "\nSaved in my run after 12 steps, " in shown
    assert "\n  everysum generate 'my run' \"Once upon a time\"\n" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_into_a_pipe_no_control_codes_are_written(everysum, few_steps, home) -> None:
    outcome = everysum("train", "book.txt", *few_steps)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", outcome.err + outcome.out)


def test_json_tells_every_event_on_a_line(everysum, few_steps, home) -> None:
    outcome = everysum("train", "book.txt", "--out", "run", "--json", *few_steps)
    events = [json.loads(line) for line in outcome.out.splitlines()]
    assert (outcome.code, outcome.err) == (0, "")
    kinds = [event["event"] for event in events]
    assert [event["step"] for event in events if event["event"] == "step"] == list(range(1, 13))
    planned = events[kinds.index("planned")]
    assert planned["recipe"] == json.loads(Path("run/recipe.json").read_text(encoding="utf-8"))
    assert planned["facts"]["untrained_loss"] == pytest.approx(math.log(planned["facts"]["vocabulary_size"]))
    assert {"stage", "evaluated", "sampled", "saved"} <= set(kinds)
    assert kinds[-1] == "finished"
    assert events[-1]["folder"] == "run"
    last = [event for event in events if event["event"] == "evaluated"][-1]
    assert events[-1]["held_out"] == last["held_out"]


def test_standard_input_is_kept_in_the_run_and_trained_on(everysum, few_steps, home) -> None:
    text = Path("book.txt").read_bytes()
    outcome = everysum("train", "-", *few_steps, given=text)
    assert (outcome.code, outcome.out) == (0, "runs/stdin\n")
    assert Path("runs/stdin/stdin.txt").read_bytes() == text


def test_a_taken_folder_is_refused_before_standard_input_is_read(everysum, few_steps, home, tiny_run) -> None:
    text = Path("book.txt").read_bytes()
    outcome = everysum("train", "-", "--out", tiny_run, given=text)
    assert outcome.code == 5
    assert not (tiny_run / "stdin.txt").exists()


def test_the_recipe_of_a_run_repeats_it(everysum, few_steps, home) -> None:
    everysum("train", "book.txt", "--out", "one", *few_steps)
    assert everysum("train", "--recipe", "one/recipe.json", "--out", "two").code == 0
    losses = [Path(run, "log.jsonl").read_text(encoding="utf-8") for run in ("one", "two")]
    assert losses[0] == losses[1]


def test_another_seed_is_another_run(everysum, few_steps, home) -> None:
    everysum("train", "book.txt", "--out", "one", *few_steps)
    everysum("train", "book.txt", "--out", "two", "--seed", "7", *few_steps)
    losses = [Path(run, "log.jsonl").read_text(encoding="utf-8") for run in ("one", "two")]
    assert losses[0] != losses[1]


def test_held_out_text_can_be_given(everysum, few_steps, home) -> None:
    (home / "other.txt").write_text("Ann sat on the hill.\n" * 80, encoding="utf-8")
    outcome = everysum("train", "book.txt", "--valid", "other.txt", "--out", "run", "--json", *few_steps)
    finished = json.loads(outcome.out.splitlines()[-1])
    assert finished["held_out"]["bytes"] == 21 * 80


@pytest.mark.parametrize(("minutes", "notes"), [("0.001", 1), ("0.5", 0)])
def test_a_run_that_is_late_says_so_once(minutes, notes, everysum, tiny, home, monkeypatch) -> None:
    monkeypatch.setattr("everysum.cli.train_screen.SURE_AFTER", 0.0)
    monkeypatch.setattr("everysum.training.pace.fitting_steps", lambda *_: 20)
    monkeypatch.setattr("everysum.machine.seconds_since_start", lambda: 1.0)
    shown = everysum("train", "book.txt", "--minutes", minutes, "--out", "run", *tiny).err
    assert len(re.findall(r"^note: this will take about \d+:\d\d instead of 0:00: ", shown, re.M)) == notes


@pytest.mark.slow
def test_a_run_that_will_end_early_says_so_once(everysum, tiny, home, monkeypatch) -> None:
    monkeypatch.setattr("everysum.cli.train_screen.SURE_AFTER", 0.0)
    monkeypatch.setattr("everysum.training.pace.fitting_steps", lambda *_: 20)
    shown = everysum("train", "book.txt", "--minutes", "15", "--out", "run", *tiny).err
    early = r"^note: this will take about \d+:\d\d instead of 15:00: the machine was\s+busier"
    assert len(re.findall(early, shown, re.M)) == 1


def test_a_finished_run_that_is_resumed_stays_as_it_is(everysum, few_steps, home) -> None:
    everysum("train", "book.txt", "--out", "run", *few_steps)
    before = Path("run/model.safetensors").read_bytes(), Path("run/log.jsonl").read_bytes()
    assert everysum("train", "--resume", "run").code == 0
    assert (Path("run/model.safetensors").read_bytes(), Path("run/log.jsonl").read_bytes()) == before


def test_resume_alone_names_the_newest_run(everysum, few_steps, home) -> None:
    everysum("train", "book.txt", *few_steps)
    outcome = everysum("train", "--resume")
    assert outcome.code == 2
    assert outcome.err.endswith("do: the newest here: everysum train --resume --out runs/book\n")


# --- on a terminal ----------------------------------------------------------------------------------------------------

COLOR = re.compile(r"\x1b\[(?:\d+;)*[34][0-7]m")


class Screen(io.TextIOWrapper):
    """A standard error that calls itself a terminal and keeps what it receives."""

    def isatty(self) -> bool:
        return True

    def received(self) -> str:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()


@pytest.fixture
def screen(monkeypatch) -> Screen:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    return Screen(io.BytesIO(), encoding="utf-8")


def test_a_terminal_gets_a_live_line_in_color(everysum, few_steps, home, screen, monkeypatch) -> None:
    monkeypatch.setattr("everysum.cli.train_screen.REDRAWN_EVERY", 0.0)
    assert everysum("train", "book.txt", *few_steps, stderr=screen).code == 0
    received = screen.received()
    assert COLOR.search(received)
    assert "measuring this machine …" in received
    assert re.search(
        r"━+.*\n.*step  3 of 12  loss \d\.\d{3}  held out \d\.\d{3}  [\d,]+ tokens/s  \d:\d\d left", received
    )
    assert received.endswith("\x1b[2K")  # the live line is gone in the end


def test_no_color_is_respected(everysum, few_steps, home, screen, monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert everysum("train", "book.txt", *few_steps, stderr=screen).code == 0
    assert "loss by step" in screen.received()
    assert not COLOR.search(screen.received())


def test_a_dumb_terminal_gets_plain_lines(everysum, few_steps, home, screen, monkeypatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert everysum("train", "book.txt", *few_steps, stderr=screen).code == 0
    assert "loss by step" in screen.received()
    assert "\x1b" not in screen.received()


def test_a_real_terminal_shows_the_same(spawn, few_steps, home) -> None:
    ours, theirs = pty.openpty()
    process = spawn("train", "book.txt", *few_steps, cwd=home, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    received = b""
    while True:
        try:
            received += os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
    os.close(ours)
    assert process.wait(60) == 0
    assert "starting PyTorch …" in received.decode()
    assert "everysum generate runs/book" in received.decode()
