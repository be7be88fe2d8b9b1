"""The header of a safetensors file: what tensors there are, how each is stored, and where its bytes lie.

A file begins with the header's length in eight bytes and the header, a JSON object; behind it the tensors' bytes follow
without gaps (https://github.com/huggingface/safetensors). It comes from somebody else and is believed in nothing: all
of it is checked before a number is read. The library would map whole files into memory for that, which fails for those
that are larger than it, and takes the last of two tensors of one name.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor

from everysum.errors import ModelFolderError

LONGEST = 2**24
"""Bytes; headers of the largest published models have a tenth of that."""
MOST = 2**63
"""Sizes, and how many numbers they make, are counted in as many bits, of which one is the sign."""
LENGTH = 8
"""The bytes in which a header's length stands."""
BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}
BITS |= dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8)
BITS |= dict.fromkeys(("I16", "U16", "F16", "BF16"), 16) | dict.fromkeys(("I32", "U32", "F32"), 32)
BITS |= dict.fromkeys(("C64", "F64", "I64", "U64"), 64)
"""How many bits a number has in each form that there is."""
FORMS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
FORMS |= {"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8}
FORMS |= {"BOOL": torch.bool, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}
"""What torch calls those that it has; the others are taken for bytes, with which nothing is computed."""


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: its form, its shape, and its first byte in the file."""

    form: str
    shape: tuple[int, ...]
    first: int

    @property
    def size(self) -> int:
        """Its bytes, where its form has whole ones."""
        return prod(self.shape) * BITS[self.form] // 8

    def outline(self) -> Tensor:
        """Its shape and form, without its numbers: on torch's `meta` device they take up no memory."""
        return torch.empty(self.shape, dtype=FORMS.get(self.form, torch.uint8), device="meta")

    def read(self, file: Path) -> Tensor:
        """Its numbers, as they are stored."""
        tensor = torch.empty(self.shape, dtype=FORMS[self.form])
        room = tensor.view(-1).view(torch.uint8).numpy().data if self.size else memoryview(bytearray())
        with file.open("rb", buffering=0) as source:
            source.seek(self.first)
            while room:
                count = source.readinto(room)
                if not count:
                    raise damaged(file, "it has become shorter while it was read")
                room = room[count:]
        return tensor


def read_header(file: Path) -> dict[str, Stored]:
    """Each tensor of a file by its name; ModelFolderError, naming the file, where the header cannot be true."""
    try:
        size = file.stat().st_size
        with file.open("rb") as source:
            length = int.from_bytes(source.read(LENGTH), "little")
            if not 2 <= length <= min(LONGEST, size - LENGTH):
                raise ValueError(f"its header cannot have {length} bytes")
            described = json.loads(source.read(length).decode("utf-8"), object_pairs_hook=named_once)
        return dict(tensors_in(described, LENGTH + length, size))
    except (OSError, ValueError, RecursionError) as problem:
        raise damaged(file, str(problem)) from problem


def tensors_in(described: Any, start: int, end: int) -> Iterator[tuple[str, Stored]]:
    """The tensors that a header describes, in the order of their bytes, which fill the file from `start` to `end`."""
    if not isinstance(described, dict):
        raise ValueError("its header is no JSON object")
    metadata = described.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(word, str) for word in metadata.values()):
        raise ValueError("the metadata in its header are not words")
    place = 0
    for first, last, name, form, shape in sorted(fields_of(name, entry) for name, entry in described.items()):
        if first != place:
            raise ValueError(f"{name!r} does not begin where the tensor before it ends, at byte {place}")
        if (last - first) * 8 != prod(shape) * BITS[form]:
            raise ValueError(f"{name!r} cannot have {last - first} bytes with the shape {shape} in {form}")
        yield name, Stored(form, shape, start + first)
        place = last
    if start + place != end:
        raise ValueError(f"its tensors end at byte {start + place}, and the file at {end}")


def fields_of(name: str, entry: Any) -> tuple[int, int, str, str, tuple[int, ...]]:
    """What a header says of one tensor: first byte, the byte behind its last, name, form and shape."""
    described = entry if isinstance(entry, dict) else {}
    form, shape, offsets = (described.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(form, str) or form not in BITS:
        raise ValueError(f"{name!r} is stored in a form that there is not")
    if (
        not is_sizes(shape)
        or not is_sizes(offsets)
        or len(offsets) != 2
        or prod(max(size, 1) for size in shape) >= MOST
    ):
        raise ValueError(f"the shape or the place of {name!r} cannot be")
    return offsets[0], offsets[1], name, form, tuple(shape)


def is_sizes(value: Any) -> TypeGuard[list[int]]:
    """Whether this is a list of sizes."""
    return isinstance(value, list) and all(type(size) is int and 0 <= size < MOST for size in value)


def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of two tensors of one name, one program would take the first and another the last."""
    seen = dict(pairs)
    if len(seen) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"its header has {twice!r} twice")
    return seen


def damaged(file: Path, why: str) -> ModelFolderError:
    return ModelFolderError(f"{file} is damaged: {why}", advice="copy or train it again")
