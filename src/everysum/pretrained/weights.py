"""The tensors of a model folder: one safetensors file, or shards that an index names. Nothing else is ever opened.

A header says of every tensor where it lies and how it is stored; it is checked before a single number is read. Weights
stored as pickles are refused: opening one can run a program that somebody hid in it.
"""

from __future__ import annotations

import json
import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from everysum.errors import ModelFolderError
from everysum.files import read_json

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
LARGEST_HEADER = 2**24
"""Bytes; headers of the largest published models have a tenth of that."""
PICKLES = ("pytorch_model*.bin*", "consolidated*.pth", "*.pt", "*.ckpt")
STORED = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""How safetensors calls the forms that numbers are stored in."""


class Weights(Mapping[str, Tensor]):
    """Every tensor of a folder by its published name, read from the disk when it is asked for.

    Each is given on `device` in `dtype`, or as it is stored where that is None. Raises ModelFolderError naming the file
    that is missing or damaged, and saying why.
    """

    def __init__(self, folder: Path, *, dtype: torch.dtype | None = None, device: str = "cpu") -> None:
        self.dtype, self.device = dtype, device
        index = index_of(folder)
        names = [WEIGHTS] if index is None else sorted(set(index.values()))
        self.files = {folder / name: opened(folder / name) for name in names}
        """Each file, with its header read."""
        self.homes = {
            tensor: file
            for file, handle in self.files.items()
            for tensor in handle.keys()  # noqa: SIM118 (it is no dict, and has no other way to say its names)
            if index is None or index.get(tensor) == file.name
        }
        """In which file each tensor lies."""

    def __getitem__(self, name: str) -> Tensor:
        file = self.homes[name]
        try:
            tensor: Tensor = self.files[file].get_tensor(name)
        except (SafetensorError, OSError, ValueError) as problem:
            raise damaged(file, problem) from problem
        return tensor.to(device=self.device, dtype=self.dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self.homes)

    def __len__(self) -> int:
        return len(self.homes)

    def outlines(self) -> dict[str, Tensor]:
        """Shape and form of each tensor, without its numbers: on torch's `meta` device they take up no memory."""
        found = {}
        for name, file in self.homes.items():
            described = self.files[file].get_slice(name)
            form = STORED.get(described.get_dtype(), torch.uint8)
            found[name] = torch.empty(described.get_shape(), dtype=form, device="meta")
        return found

    @property
    def mapped_bytes(self) -> int:
        """The size of all files: so many addresses they take up, and no memory."""
        return sum(file.stat().st_size for file in self.files)


def index_of(folder: Path) -> dict[str, str] | None:
    """In which shard each tensor lies; None where all are in one file. Every file that is named is there."""
    if (folder / WEIGHTS).is_file():
        return None
    if not (folder / INDEX).is_file():
        raise refusal_of_missing(folder)
    listed = read_json(folder / INDEX, most=LARGEST_HEADER).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise ModelFolderError(
            f"{folder / INDEX} is broken", wanted="under weight_map, a file for each tensor", came=reprlib.repr(listed)
        )
    for tensor, shard in listed.items():
        if not isinstance(shard, str) or PurePosixPath(shard).name != shard or not shard.endswith(".safetensors"):
            raise ModelFolderError(
                f"{folder / INDEX} is broken",
                wanted=f"for the tensor {tensor!r} the name of a .safetensors file in this folder",
                came=reprlib.repr(shard),
            )
    shards = sorted(set(listed.values()))
    for shard in shards:
        if not (folder / shard).is_file():
            raise ModelFolderError(
                f"{folder / shard} is missing",
                wanted=f"all {len(shards)} shards that {INDEX} names",
                advice="get the missing file again",
            )
    return listed


def opened(file: Path) -> Any:
    """A safetensors file whose header fits its size and names each tensor once; its numbers stay on the disk."""
    try:
        with file.open("rb") as start:
            length = int.from_bytes(start.read(8), "little")
            if length > LARGEST_HEADER:
                raise ValueError(f"a header of {length} bytes, where published models have some thousand")
            handle = safe_open(file, framework="pt")
            json.loads(start.read(length), object_pairs_hook=named_once)
    except (SafetensorError, OSError, ValueError, RecursionError) as problem:
        raise damaged(file, problem) from problem
    return handle


def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of two tensors of one name, one program would take the first and another the last."""
    seen = dict(pairs)
    if len(seen) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"its header has {twice!r} twice")
    return seen


def damaged(file: Path, problem: Exception) -> ModelFolderError:
    return ModelFolderError(f"{file} is damaged: {problem}", advice="copy or train it again")


def refusal_of_missing(folder: Path) -> ModelFolderError:
    """There are no weights here that are read; where there are pickles, how to make such of them."""
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if not pickles:
        return ModelFolderError(
            f"{folder / WEIGHTS} is missing", wanted="a model folder: config.json, model.safetensors, tokenizer.json"
        )
    return ModelFolderError(
        f"{folder} holds its weights as a pickle, which can run a program when it is opened: everysum never opens one",
        wanted=f"{WEIGHTS}, or {INDEX} and its shards",
        came=", ".join(pickles[:3]),
        advice="look for the same model in safetensors; or convert it elsewhere, where there is nothing to lose, with "
        "transformers: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)",
    )
