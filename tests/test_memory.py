"""How much memory is left: read from what Linux says of the system, of groups of processes and of this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from everysum import memory
from everysum.errors import MachineError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these files are Linux's")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of our own making, with 800 kB available and no limits."""
    monkeypatch.setattr(memory, "SYSTEM", tmp_path / "proc")
    monkeypatch.setattr(memory, "GROUPS", tmp_path / "groups")
    write(tmp_path / "proc" / "meminfo", "MemTotal:  1000 kB\nMemFree:  100 kB\nMemAvailable:  800 kB\n")
    return tmp_path


def write(file: Path, content: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def test_without_limits_it_is_what_the_system_has_available(machine: Path) -> None:
    assert memory.available_memory() == 800 * 1024


def test_a_group_leaves_its_limit_less_what_is_used_and_cannot_be_given_back(machine: Path) -> None:
    write(machine / "proc" / "self" / "cgroup", "0::/outer/inner\n")
    inner, outer = machine / "groups" / "outer" / "inner", machine / "groups" / "outer"
    write(inner / "memory.max", "max\n")
    write(inner / "memory.current", "1000\n")
    assert memory.available_memory() == 800 * 1024
    write(inner / "memory.max", "300000\n")
    assert memory.available_memory() == 299_000
    write(inner / "memory.stat", "anon 400\ninactive_file 500\nactive_file 100\n")
    assert memory.available_memory() == 299_600
    write(outer / "memory.max", "5000\n")
    write(outer / "memory.current", "6000\n")
    assert memory.available_memory() == 0  # more is used than allowed: nothing is left


def test_the_groups_of_older_systems_are_read_too(machine: Path) -> None:
    write(machine / "proc" / "self" / "cgroup", "5:cpu,cpuacct:/a\n4:memory:/a\n0::/\n")
    write(machine / "groups" / "memory" / "a" / "memory.limit_in_bytes", "70000\n")
    write(machine / "groups" / "memory" / "a" / "memory.usage_in_bytes", "20000\n")
    assert memory.available_memory() == 50_000


def test_a_system_that_says_nothing_is_believed_to_have_all_its_memory(machine: Path) -> None:
    (machine / "proc" / "meminfo").unlink()
    from everysum.machine import memory_bytes

    assert memory.available_memory() == memory_bytes()


def test_what_does_not_fit_is_refused_with_both_figures(machine: Path) -> None:
    memory.refuse_too_large("a model", 800 * 1024, advice="none")
    with pytest.raises(MachineError) as refused:
        memory.refuse_too_large("a model", 800 * 1024 + 1, advice="take a smaller one")
    assert str(refused.value) == (
        "a model needs more memory than there is\n"
        "  wanted: 819.2 kB on cpu\n  came: 819.2 kB available\n  do: take a smaller one"
    )
    assert refused.value.exit_code == 7


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_the_limits_of_this_process_count(limit: str) -> None:
    program = (
        "import resource; from everysum.memory import available_memory, fields_of, SYSTEM;"
        f"resource.setrlimit(resource.{limit}, (2**29, 2**29));"
        "used = fields_of(SYSTEM / 'self' / 'status')[{'RLIMIT_AS': 'VmSize', 'RLIMIT_DATA': 'VmData'}['"
        + limit
        + "']];"
        "left = available_memory(); print(0 < left <= 2**29 - used + 2**24 and used > 2**20)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
