"""`everysum doctor`: what is here and what will be used."""

from __future__ import annotations

import json
import platform

import torch

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
            "cache",
            "runs",
        ),
    ]
    assert "OMP_NUM_THREADS says so" in shown
    assert "cpu; as asked for" in shown


def test_a_missing_compiler_is_said(everysum, monkeypatch) -> None:
    monkeypatch.setattr("everysum.machine.cpp_compiler", lambda: None)
    assert "no C++ compiler: nothing is compiled" in everysum("doctor", "--device", "cpu").out
