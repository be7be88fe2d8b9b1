"""A model that does not fit is refused before it is read, and one that fits takes up no more than was said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_networks import small

from everysum.errors import MachineError
from everysum.pretrained.folder import load_network, save_network

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux keeps them")

LIMITED = """
import resource, sys
from pathlib import Path
import torch
from everysum.errors import MachineError
from everysum.memory import SYSTEM, fields_of
from everysum.pretrained.folder import load_network
torch.set_num_threads(1)
room = int(sys.argv[2])
size = fields_of(SYSTEM / "self" / "status")["VmSize"] + room
resource.setrlimit(resource.RLIMIT_AS, (size, size))
try:
    network = load_network(Path(sys.argv[1]))[0]
    print(sum(parameter.numel() for parameter in network.parameters()))
except MachineError as refused:
    print(refused)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 64 MB, half of it in its embedding."""
    place = tmp_path_factory.mktemp("large")
    save_network(small("llama", vocabulary_size=2**18, width=32).float(), place)
    return place


def under_limit(folder: Path, room: int) -> str:
    """What comes of loading in a process that may take up so many addresses more than Python and torch have."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, folder, str(room)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_under_a_limit_it_is_refused_or_loaded_and_never_dies(folder: Path) -> None:
    size = (folder / "model.safetensors").stat().st_size
    for room in (2**22, size // 2, size):
        said = under_limit(folder, room)
        assert said.startswith(f"the model in {folder} needs more memory than there is\n  wanted: 1")
        assert "MB available\n  do: load it in bfloat16" in said
    assert int(under_limit(folder, 2 * size)) > 2**23


def test_the_figures_are_those_of_the_precision_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("everysum.memory.available_memory", lambda device: asked.append(device) or 10**7)
    for dtype, figure in ((None, "100.7 MB"), (torch.bfloat16, "50.4 MB"), (torch.float64, "201.5 MB")):
        with pytest.raises(MachineError, match=f"wanted: {figure} on cpu\n  came: 10.0 MB available"):
            load_network(folder, dtype=dtype)
    assert asked == ["cpu"] * 3


@pytest.mark.slow
def test_loading_takes_up_the_weights_and_one_tensor_more(folder: Path) -> None:
    """Measured by the system: the largest size that the process ever had, with nothing of the file kept."""
    program = (
        "import resource, sys, torch; from pathlib import Path; from everysum.pretrained.folder import load_network;"
        "from everysum.pretrained.header import read_header; import everysum.models.llama;"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024; before = peak();"
        "load_network(Path(sys.argv[1]), dtype=getattr(torch, sys.argv[2])); print(peak() - before)"
    )
    size = (folder / "model.safetensors").stat().st_size
    for dtype, most in (("float32", 1.6), ("bfloat16", 1.35)):
        done = subprocess.run(
            [sys.executable, "-c", program, folder, dtype], capture_output=True, text=True, check=True
        )
        assert int(done.stdout) < most * size, dtype
