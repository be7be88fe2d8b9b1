"""Building the native step on this machine, once: in the background, while PyTorch decodes, and kept in the cache."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from everysum import machine
from everysum.files import cache_folder

SOURCES = Path(__file__).parent
FLAGS = (
    "-std=c++17", "-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-shared",
    "-fPIC", "-pthread",
)  # fmt: skip
SWITCH = "EVERYSUM_NATIVE"
"""Set to 0 in the environment, nothing is built and nothing built is used."""

LONGEST_BUILD = 600
"""Seconds; usually some ten."""

State = Literal["ready", "building", "failed", "no compiler", "switched off"]


@dataclass(frozen=True)
class Build:
    """What has become of the native step here."""

    state: State
    library: Path | None
    """Where it is, or will be."""
    said: str = ""
    """By the compiler, where it failed."""


def begun() -> Build:
    """The build for this machine: as it is found, or begun now if there is none. Nothing is waited for."""
    build = found()
    if build.state == "building" and build.library is not None and not under_way(build.library):
        start(build.library)
    return build


def found() -> Build:
    """What there is, without beginning anything."""
    if os.environ.get(SWITCH) == "0":
        return Build("switched off", None)
    library = library_path()
    if library is None:
        return Build("no compiler", None)
    if library.exists():
        return Build("ready", library)
    complaint = library.with_suffix(".failed")
    if complaint.exists():
        return Build("failed", None, complaint.read_text(encoding="utf-8", errors="replace"))
    return Build("building", library)


@cache
def library_path() -> Path | None:
    """The name says what it was made of, by what and for which processor: another one is built anew."""
    compiler = machine.cpp_compiler()
    if compiler is None or os.name != "posix":
        return None
    made_of = hashlib.sha256()
    for part in (compiler, version_of(compiler), *FLAGS, platform.machine(), machine.processor_name()):
        made_of.update(part.encode() + b"\0")
    for source in sorted([*SOURCES.glob("*.cpp"), *SOURCES.glob("*.h")]):
        made_of.update(source.read_bytes())
    return cache_folder() / "native" / f"{made_of.hexdigest()[:16]}.so"


def version_of(compiler: str) -> str:
    """What a compiler says of itself; nothing where it does not even start."""
    try:
        return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def marker(library: Path) -> Path:
    """A file that is there while the library is being built."""
    return library.with_suffix(".building")


def under_way(library: Path) -> bool:
    """Whether somebody builds it; a marker that has been there for long was left by a process that was killed."""
    with suppress(OSError):
        return time.time() - marker(library).stat().st_mtime < LONGEST_BUILD
    return False


def command(library: Path) -> str:
    """What builds the library beside its place and then puts it there whole; what went wrong is kept in a file."""
    compiler = machine.cpp_compiler() or "c++"
    half, said = f"{library}.{os.getpid()}", f"{library}.{os.getpid()}.said"
    call = shlex.join([compiler, *FLAGS, str(SOURCES / "tower.cpp"), "-o", half])
    kept, failed, mark = shlex.quote(str(library)), library.with_suffix(".failed"), marker(library)
    well = f"mv {shlex.quote(half)} {kept}; rm -f {shlex.quote(said)}"
    badly = f"mv {shlex.quote(said)} {shlex.quote(str(failed))}; rm -f {shlex.quote(half)}"
    return f"if {call} 2> {shlex.quote(said)}; then {well}; else {badly}; fi; rm -f {shlex.quote(str(mark))}"


def start(library: Path) -> None:
    """Let the compiler work in a process of its own, which goes on when this one ends; where no file can be, none."""
    with suppress(OSError):
        library.parent.mkdir(parents=True, exist_ok=True)
        marker(library).touch()
        subprocess.run(
            ["sh", "-c", f"({command(library)}) &"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
        )
