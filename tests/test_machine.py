"""What the machine is: measured or asked, never assumed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from everysum import machine
from everysum.errors import MachineError, UsageError
from everysum.machine import Speeds, choose_device, matrix_speeds, median_seconds


@pytest.mark.parametrize(
    ("cuda", "mps", "best"), [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_the_best_device_that_is_here_is_chosen(
    cuda: bool, mps: bool, best: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device() == choose_device("auto") == best
    assert choose_device("cpu") == "cpu"


def test_a_device_that_is_not_here_is_refused_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(MachineError) as refusal:
        choose_device("cuda")
    assert str(refusal.value) == "this machine has no cuda that torch can use\n  wanted: cuda\n  came: cpu, mps"
    with pytest.raises(UsageError) as unknown:
        choose_device("tpu")
    assert str(unknown.value) == "there is no device called 'tpu'\n  wanted: auto or cpu or cuda or mps"


def test_sixteen_bits_are_chosen_where_they_are_clearly_faster() -> None:
    assert Speeds(10, 12).faster == "float32"
    assert Speeds(10, 13).faster == "bfloat16"


def test_speeds_are_measured() -> None:
    speeds = matrix_speeds("cpu", size=64)
    assert speeds.float32 > 0
    assert speeds.bfloat16 > 0


def test_the_median_leaves_the_warming_up_and_an_outlier_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, waited, seconds = 0.0, 0, [100.0, 100.0, 1.0, 50.0, 2.0, 3.0, 1.5]

    def work() -> None:
        nonlocal clock
        clock += seconds.pop(0)

    def wait() -> None:
        nonlocal waited
        waited += 1

    monkeypatch.setattr(machine.time, "perf_counter", lambda: clock)
    assert median_seconds(work, wait, times=5) == 2.0
    assert (waited, seconds) == (7, [])


def test_the_compiler_is_one_that_can_be_run() -> None:
    machine.cpp_compiler.cache_clear()
    found = machine.cpp_compiler()
    assert found is None or os.access(found, os.X_OK)


def test_without_a_compiler_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    machine.cpp_compiler.cache_clear()
    assert machine.cpp_compiler() is None
    machine.cpp_compiler.cache_clear()


def test_the_processor_and_the_memory_have_something_to_say() -> None:
    assert machine.processor_name()
    memory = machine.memory_bytes()
    assert memory is None or memory > 1 << 28


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell when a process began")
def test_a_run_counts_its_time_from_the_start_of_its_process() -> None:
    script = (
        "import time; time.sleep(0.3); from everysum.machine import seconds_since_start; print(seconds_since_start())"
    )
    began = time.monotonic()
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert 0.29 <= float(said) <= time.monotonic() - began + 0.02
