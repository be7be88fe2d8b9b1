"""`everysum doctor`: the machine, the versions, and what everysum will use of them, and why."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import textwrap
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from everysum.cli.options import Device, Json
from everysum.cli.terminal import write, write_json
from everysum.version import __version__

LIBRARIES = ("torch", "numpy", "tokenizers", "tiktoken", "safetensors", "pydantic", "regex", "typer", "rich")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def doctor(device: Device = "auto", json: Json = False) -> None:
    """Show this machine, the versions, and what will be used and why."""
    found = examine(device)
    if json:
        write_json(found)
        return
    for label, text in in_words(found):
        for number, line in enumerate(textwrap.wrap(text, 64, break_long_words=False, break_on_hyphens=False)):
            write(f"{'' if number else label:<14}{line}")


def examine(wanted_device: str) -> dict[str, Any]:
    """Everything there is to know, as values for JSON."""
    from everysum import machine
    from everysum.files import cache_folder

    device = machine.choose_device(wanted_device)
    return {
        "everysum": __version__,
        "python": platform.python_version(),
        "libraries": {name: installed(name) for name in LIBRARIES},
        "system": platform.platform(terse=True),
        "processor": {"name": machine.processor_name(), "cores": os.cpu_count(), "usable": usable_cores()},
        "memory_bytes": machine.memory_bytes(),
        "device": {"chosen": device, "name": device_name(device), "asked_for": wanted_device},
        "precision": precision(device),
        "threads": threads(),
        "compiler": machine.cpp_compiler(),
        "native_step": native_step(),
        "cache": {"folder": str(cache_folder()), "free_bytes": free_bytes(cache_folder())},
        "runs": {"folder": str(Path.cwd()), "free_bytes": free_bytes(Path.cwd())},
        "test_material": test_material(),
    }


def native_step() -> dict[str, Any]:
    """What has become of the native step of decoding here; asking begins nothing."""
    from everysum.generation.native.build import found

    build = found()
    return {"state": build.state, "library": build.library and str(build.library), "said": build.said}


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def usable_cores() -> int | None:
    """The processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()


def device_name(device: str) -> str | None:
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else None


def precision(device: str) -> dict[str, Any]:
    """The measured speed of matrix products in each precision, in 10⁹ additions and multiplications a second."""
    from everysum import machine

    speeds = machine.matrix_speeds(device)
    return {"float32": round(speeds.float32, 1), "bfloat16": round(speeds.bfloat16, 1), "chosen": speeds.faster}


def threads() -> dict[str, Any]:
    """How many threads compute, and who says so."""
    import torch

    said_by = next((name for name in THREAD_VARIABLES if os.environ.get(name)), None)
    return {"number": torch.get_num_threads(), "said_by": said_by}


def free_bytes(folder: Path) -> int:
    """The room on the disk that the folder lies on, or would lie on."""
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free


def test_material() -> dict[str, Any] | None:
    said = os.environ.get("EVERYSUM_TEST_DATA")
    return {"folder": said, "there": Path(said).is_dir()} if said else None


def in_words(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The findings as labels and sentences."""
    from everysum.files import readable_size

    memory, material, compiler = found["memory_bytes"], found["test_material"], found["compiler"]
    rows = [
        ("everysum", f"{found['everysum']} on Python {found['python']}, {found['system']}"),
        ("libraries", ", ".join(f"{name} {number or '(missing)'}" for name, number in found["libraries"].items())),
        ("processor", processor_in_words(found["processor"])),
        ("memory", readable_size(memory) if memory else "unknown"),
        ("device", device_in_words(found["device"])),
        ("precision", precision_in_words(found["precision"])),
        ("threads", threads_in_words(found["threads"])),
        ("compiler", f"{compiler}; torch.compile can be used" if compiler else "no C++ compiler: nothing is compiled"),
        ("decoding", decoding_in_words(found["native_step"])),
        ("cache", f"{found['cache']['folder']}, {readable_size(found['cache']['free_bytes'])} free"),
        ("runs", f"{found['runs']['folder']}, {readable_size(found['runs']['free_bytes'])} free"),
    ]
    if material:
        rows.append(("test material", f"{material['folder']}{'' if material['there'] else ' (not there)'}"))
    return rows


def processor_in_words(processor: dict[str, Any]) -> str:
    usable, cores = processor["usable"], processor["cores"]
    return f"{processor['name']}; {cores} cores" + ("" if usable == cores else f", {usable} of them for this process")


def device_in_words(device: dict[str, Any]) -> str:
    why = "the fastest that torch finds here" if device["asked_for"] == "auto" else "as asked for"
    return f"{device['chosen']}{': ' + device['name'] if device['name'] else ''}; {why}"


def precision_in_words(measured: dict[str, Any]) -> str:
    chosen = measured["chosen"]
    other = "float32" if chosen == "bfloat16" else "bfloat16"
    return (
        f"{chosen}, at {measured[chosen]:,} billion operations a second in matrix products, {measured[other]:,} in "
        f"{other}; bfloat16 has to be clearly faster to be worth its rounding"
    )


def decoding_in_words(native: dict[str, Any]) -> str:
    last = native["said"].strip().splitlines()[-1:]
    return {
        "ready": f"the native step, in {native['library']}",
        "building": "PyTorch at first; the native step is built in the background when a text is first generated",
        "failed": f"PyTorch; the native step could not be built: {''.join(last)}",
        "no compiler": "PyTorch; with a C++ compiler (g++ or clang++) a native step is built, several times faster",
        "switched off": "PyTorch; EVERYSUM_NATIVE=0 switches the native step off",
    }[native["state"]]


def threads_in_words(threads: dict[str, Any]) -> str:
    said_by = threads["said_by"]
    why = f"{said_by} says so" if said_by else "PyTorch's choice for these cores; --set engine.threads=N changes it"
    return f"{threads['number']}; {why}"
