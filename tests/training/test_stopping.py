"""A run stopped or killed at any moment goes on as if nothing had happened: the same bytes in log and weights."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from tiny import Listener, StopAt, results_of, resume_tiny, train_in_a_process, train_tiny

from everysum.errors import Interrupted
from everysum.model import load
from everysum.training.checkpoint import Checkpoints
from everysum.training.log import read_log

STEPS = 40
LONGER: dict[str, Any] = {"schedule": {"steps": STEPS}}
KINDS: dict[str, dict[str, Any]] = {
    "float32 with dropout": {**LONGER, "network": {"dropout": 0.2}},
    "bfloat16 with two workers": {**LONGER, "engine": {"dtype": "bfloat16", "threads": 2, "workers": 2}},
}
needs_signals = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


def stopped(text: Path, out: Path, step: int, *over: Mapping[str, Any], number: int = signal.SIGTERM) -> Interrupted:
    with pytest.raises(Interrupted) as found:
        train_tiny(text, out, *over, progress=StopAt(step, number))
    return found.value


# --- stopped ----------------------------------------------------------------------------------------------------------


@needs_signals
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("step", [1, 16, 24])
def test_a_stopped_run_goes_on_to_the_same_end(
    text: Path, finished: Path, tmp_path: Path, number: int, code: int, step: int
) -> None:
    """Step 16 has a sample of its own; at step 24, the last, only the end is left to do."""
    out = tmp_path / "run"
    before = signal.getsignal(number)
    problem = stopped(text, out, step, number=number)
    assert signal.getsignal(number) is before
    assert problem.exit_code == code
    assert str(problem) == (
        f"stopped after step {step} of 24; everything is saved in {out}\n"
        f"  do: go on with: everysum train --resume --out {out}"
    )
    assert [path.name for path in Checkpoints(out / "checkpoints").saved()] == [f"step-{step:08d}"]
    assert load(out, device="cpu").generate("the", tokens=3)
    listener = Listener()
    result = resume_tiny(out, listener)
    assert [line.step for line in listener.steps] == list(range(step + 1, 25))
    assert listener.facts[0].first_step == step
    assert result.steps == 24
    assert results_of(out) == results_of(finished)


@pytest.mark.slow
@needs_signals
@pytest.mark.parametrize("over", KINDS.values(), ids=KINDS)
def test_dropout_and_master_weights_go_on_bit_for_bit(text: Path, tmp_path: Path, over: Mapping[str, Any]) -> None:
    train_tiny(text, tmp_path / "whole", over)
    stopped(text, tmp_path / "run", 13, over)
    with pytest.raises(Interrupted):
        resume_tiny(tmp_path / "run", StopAt(14, signal.SIGINT))
    resume_tiny(tmp_path / "run")
    assert results_of(tmp_path / "run") == results_of(tmp_path / "whole")


@needs_signals
def test_what_is_told_at_the_end_counts_the_steps_before_the_stop(text: Path, tmp_path: Path) -> None:
    whole = train_tiny(text, tmp_path / "whole")
    stopped(text, tmp_path / "run", 23)
    again = resume_tiny(tmp_path / "run")
    assert (again.train_loss, again.held_out, again.verdict) == (whole.train_loss, whole.held_out, whole.verdict)


@needs_signals
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
def test_a_damaged_checkpoint_is_named_set_aside_and_made_up_for(
    text: Path, finished: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "run"
    stopped(text, out, 5)
    with pytest.raises(Interrupted):
        resume_tiny(out, StopAt(9, signal.SIGINT))
    (out / "checkpoints" / "step-00000009" / name).write_bytes(b"{}")
    listener = Listener()
    resume_tiny(out, listener)
    assert listener.facts[0].first_step == 5
    assert len(listener.warnings) == 1
    assert "step-00000009" in listener.warnings[0]
    assert "this checkpoint is set aside as damaged-step-00000009; an older one is looked for" in listener.warnings[0]
    assert (out / "checkpoints" / "damaged-step-00000009").is_dir()
    assert results_of(out) == results_of(finished)


@needs_signals
def test_with_every_checkpoint_damaged_the_run_starts_over(text: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    stopped(text, out, 5)
    (out / "checkpoints" / "step-00000005" / "model.safetensors").unlink()
    listener = Listener()
    resume_tiny(out, listener)
    assert listener.facts[0].first_step == 0
    assert results_of(out) == results_of(finished)


def test_a_run_killed_before_its_first_checkpoint_starts_over(finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    for name in ("checkpoints", "model.safetensors", "config.json"):
        shutil.rmtree(out / name) if (out / name).is_dir() else (out / name).unlink()
    log = (out / "log.jsonl").read_bytes()
    (out / "log.jsonl").write_bytes(log[: len(log) // 2])
    resume_tiny(out)
    assert results_of(out) == results_of(finished)


# --- killed -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    """Processes that come from one which has imported everything, so that they start in an instant."""
    if os.name == "nt":
        pytest.skip("Windows has no fork server")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tiny"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # Python 3.11's server looks nowhere else
        forkserver.ensure_running()
    return context


def started(processes: ForkServerContext, text: Path, out: Path, over: Mapping[str, Any]) -> ForkServerProcess:
    process = processes.Process(target=train_in_a_process, args=(text, out, over))
    process.start()
    return process


def lines_in(out: Path) -> int:
    return (out / "log.jsonl").read_bytes().count(b"\n") if (out / "log.jsonl").exists() else 0


def wait_for_lines(process: ForkServerProcess, out: Path, lines: int, patience: float = 60.0) -> None:
    end = time.monotonic() + patience
    while lines_in(out) < lines and process.exitcode is None:
        assert time.monotonic() < end, "the run makes no progress"
        time.sleep(0.001)


@needs_signals
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_process_that_is_asked_to_stop_saves_and_goes(
    processes: ForkServerContext, text: Path, tmp_path: Path, number: int, code: int
) -> None:
    out = tmp_path / "run"
    process = started(processes, text, out, {"schedule": {"steps": 5000}})
    wait_for_lines(process, out, 5)
    asked = time.monotonic()
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join(timeout=60)
    assert process.exitcode == code
    assert time.monotonic() - asked < 10
    newest = Checkpoints(out / "checkpoints").newest_good(lambda path, problem: pytest.fail(str(problem)))
    assert newest is not None
    last = [line["step"] for line in read_log(out) if "loss" in line][-1]
    assert newest.name == f"step-{last:08d}"
    assert (out / "said.txt").read_text().startswith(f"stopped after step {last} of 5000; everything is saved in ")


def kill_and_go_on(
    processes: ForkServerContext, text: Path, folder: Path, over: Mapping[str, Any], kills: int, seed: int
) -> None:
    train_tiny(text, folder / "whole", over)
    lines = lines_in(folder / "whole")
    out, chance, killed, to_go_on_from = folder / "run", random.Random(seed), 0, 0
    while killed < kills:
        process = started(processes, text, out, over)
        earliest = 0 if killed else lines // 2  # so that at least one finds a checkpoint to go on from
        wait_for_lines(process, out, chance.randint(earliest, lines - 1))
        time.sleep(chance.uniform(0, 0.02))
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        to_go_on_from += len(Checkpoints(out / "checkpoints").saved()) > 0
        if process.exitcode == 0:  # it was faster: kill another
            assert results_of(out) == results_of(folder / "whole")
            shutil.rmtree(out)
    assert to_go_on_from
    process = started(processes, text, out, over)
    process.join()
    assert process.exitcode == 0
    assert results_of(out) == results_of(folder / "whole")


@needs_signals
@pytest.mark.parametrize("over", KINDS.values(), ids=KINDS)
def test_a_run_killed_twice_ends_in_the_same_bytes(
    processes: ForkServerContext, text: Path, tmp_path: Path, over: Mapping[str, Any]
) -> None:
    kill_and_go_on(processes, text, tmp_path, over, kills=2, seed=len(over))


@needs_signals
@pytest.mark.slow
@pytest.mark.parametrize("over", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_run_killed_ten_times_ends_in_the_same_bytes(
    processes: ForkServerContext, text: Path, tmp_path: Path, over: Mapping[str, Any], seed: int
) -> None:
    kill_and_go_on(processes, text, tmp_path, {**over, "schedule": {"steps": 120}}, kills=10, seed=seed)
