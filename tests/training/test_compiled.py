"""Compiled training takes the same steps; in processes of their own, for checked shapes do not compile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from everysum import machine

pytestmark = pytest.mark.slow
SIZES = {
    "network.width": 32,
    "network.layers": 2,
    "network.context_length": 16,
    "schedule.steps": 12,
    "engine.dtype": "float32",
    "engine.threads": 1,
    "tokenizer.kind": "characters",
}


def losses(text: Path, out: Path, *, compiled: bool) -> list[float]:
    settings = {**SIZES, "engine.compiled": compiled}
    options = [option for key, value in settings.items() for option in ("--set", f"{key}={json.dumps(value)}")]
    command = [sys.executable, "-c", "from everysum.cli.main import run; run()", "train", text, "--out", out, *options]
    environment = {**os.environ, "EVERYSUM_CACHE": str(out.parent / "cache")}
    subprocess.run([*map(str, command)], check=True, capture_output=True, env=environment)
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.skipif(machine.cpp_compiler() is None, reason="torch.compile needs a C++ compiler on the CPU")
def test_compiled_and_eager_steps_lose_the_same(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("The hen sat on the wall, and the king sat on the hen. " * 60)
    eager, compiled = (losses(text, tmp_path / f"run-{name}", compiled=name) for name in (False, True))
    assert len(eager) == SIZES["schedule.steps"]
    assert compiled == pytest.approx(eager, abs=1e-4)
    assert eager[-1] < eager[0]
