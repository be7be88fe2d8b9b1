"""`everysum doctor`: what is here and what will be used."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest
import torch

from everysum.generation.native.build import Build, library_path
from everysum.version import __version__


def test_json_tells_the_machine_and_the_choices(everysum, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("EVERYSUM_TEST_DATA", str(tmp_path))
    outcome = everysum("doctor", "--device", "cpu", "--json")
    found = json.loads(outcome.out)
    assert (outcome.code, outcome.err) == (0, "")
    assert (found["everysum"], found["python"]) == (__version__, platform.python_version())
    assert found["libraries"]["torch"] == torch.__version__
    assert found["device"] == {"chosen": "cpu", "name": None, "asked_for": "cpu"}
    assert found["precision"]["float32"] > 0
    clearly = found["precision"]["bfloat16"] > 1.2 * found["precision"]["float32"]
    assert found["precision"]["chosen"] == ("bfloat16" if clearly else "float32")
    assert found["threads"] == {"number": torch.get_num_threads(), "said_by": "OMP_NUM_THREADS"}
    assert found["test_material"] == {"folder": str(tmp_path), "there": True}


def test_people_are_told_why(everysum, monkeypatch) -> None:
    monkeypatch.delenv("EVERYSUM_TEST_DATA", raising=False)
    shown = everysum("doctor", "--device", "cpu").out
    labels = [line[:14].strip() for line in shown.splitlines() if not line.startswith(" ")]
    assert labels == [
        *(
            "everysum",
            "libraries",
            "processor",
            "memory",
            "device",
            "precision",
            "threads",
            "compiler",
            "decoding",
            "cache",
            "runs",
        ),
    ]
    assert "OMP_NUM_THREADS says so" in shown
    assert "cpu; as asked for" in shown


def test_a_missing_compiler_is_said(everysum, monkeypatch) -> None:
    monkeypatch.setattr("everysum.machine.cpp_compiler", lambda: None)
    library_path.cache_clear()
    shown = everysum("doctor", "--device", "cpu").out
    library_path.cache_clear()
    assert "no C++ compiler: nothing is compiled" in shown
    assert "PyTorch; with a C++ compiler (g++ or clang++) a native step is built" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (Build("ready", Path("/a/b.so")), "the native step, in /a/b.so"),
        (Build("building", Path("/a/b.so")), "PyTorch at first; the native step is built in the background"),
        (Build("failed", None, "one\nno such flag\n"), "PyTorch; the native step could not be built: no such flag"),
        (Build("switched off", None), "PyTorch; EVERYSUM_NATIVE=0 switches the native step off"),
    ],
    ids=lambda value: value.state if isinstance(value, Build) else "",
)
def test_what_has_become_of_the_native_step_is_said(everysum, monkeypatch, build, told) -> None:
    monkeypatch.setattr("everysum.generation.native.build.found", lambda: build)
    assert told in " ".join(everysum("doctor", "--device", "cpu").out.split())
    found = json.loads(everysum("doctor", "--device", "cpu", "--json").out)["native_step"]
    assert found["state"] == build.state
