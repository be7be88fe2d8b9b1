"""The tensors of a model folder: one safetensors file, or shards that an index names. Nothing else is ever opened.

Weights stored as pickles are refused: opening one can run a program that somebody hid in it.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from everysum.errors import ModelFolderError
from everysum.files import read_json
from everysum.pretrained.header import read_header

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
LARGEST_INDEX = 2**24
"""Bytes; those of the largest published models have a tenth of that."""
PICKLES = ("pytorch_model*.bin*", "consolidated*.pth", "*.pt", "*.ckpt")


class Weights(Mapping[str, Tensor]):
    """Every tensor of a folder by its published name, read from the disk when it is asked for.

    Each is given on `device` in `dtype`, or as it is stored where that is None. Raises ModelFolderError naming the file
    that is missing or damaged, and saying why.
    """

    def __init__(self, folder: Path, *, dtype: torch.dtype | None = None, device: str = "cpu") -> None:
        self.dtype, self.device = dtype, device
        index = index_of(folder)
        names = [WEIGHTS] if index is None else sorted(set(index.values()))
        self.files = {folder / name: read_header(folder / name) for name in names}
        """What each file's header says."""
        self.homes = {
            tensor: file
            for file, tensors in self.files.items()
            for tensor in tensors
            if index is None or index.get(tensor) == file.name
        }
        """In which file each tensor lies."""

    def __getitem__(self, name: str) -> Tensor:
        file = self.homes[name]
        return self.files[file][name].read(file).to(device=self.device, dtype=self.dtype)

    def __contains__(self, name: object) -> bool:
        return name in self.homes

    def __iter__(self) -> Iterator[str]:
        return iter(self.homes)

    def __len__(self) -> int:
        return len(self.homes)

    def outlines(self) -> dict[str, Tensor]:
        """Shape and form of each tensor, without its numbers."""
        return {name: self.files[file][name].outline() for name, file in self.homes.items()}


def index_of(folder: Path) -> dict[str, str] | None:
    """In which shard each tensor lies; None where all are in one file. Every file that is named is there."""
    if (folder / WEIGHTS).is_file():
        return None
    if not (folder / INDEX).is_file():
        raise refusal_of_missing(folder)
    listed = read_json(folder / INDEX, most=LARGEST_INDEX).get("weight_map")
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
