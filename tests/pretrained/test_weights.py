"""Weights in one file or in shards: what a header may say wrongly, each with its refusal, before a number is read."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from math import prod
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from small_networks import logits, small, tokens

from everysum.errors import ModelFolderError
from everysum.pretrained.folder import load_network, save_network
from everysum.pretrained.header import BITS
from everysum.pretrained.weights import INDEX, Weights

Header = dict[str, Any]


def entry(first: int, last: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


def written(folder: Path, header: Header | bytes, numbers: int = 64, length: int | None = None) -> Path:
    """A safetensors file with this header, whatever it says, and so many bytes of numbers behind it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file = folder / "model.safetensors"
    file.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + bytes(numbers))
    return file


def refusal(folder: Path) -> str:
    with pytest.raises(ModelFolderError) as refused:
        Weights(folder)
    return str(refused.value)


TWICE = (
    b'{"a":{"dtype":"F32","shape":[16],"data_offsets":[0,64]},"a":{"dtype":"F32","shape":[4,4],"data_offsets":[0,64]}}'
)
HOSTILE: dict[str, tuple[Header | bytes, int | None]] = {
    "overlapping": ({"a": entry(0, 32, [8]), "b": entry(16, 64, [12])}, None),
    "a gap": ({"a": entry(0, 16, [4]), "b": entry(32, 64, [8])}, None),
    "negative": ({"a": entry(-16, 48, [16])}, None),
    "backwards": ({"a": entry(64, 0, [16])}, None),
    "beyond the end": ({"a": entry(0, 128, [32])}, None),
    "numbers that nobody has": ({"a": entry(0, 48, [12])}, None),
    "another size than its shape": ({"a": entry(0, 64, [15])}, None),
    "a negative size": ({"a": entry(0, 64, [-4, -4])}, None),
    "a size that overflows": ({"a": entry(0, 64, [2**40, 2**40])}, None),
    "an unknown form": ({"a": entry(0, 64, [16], "F33")}, None),
    "a fractional offset": ({"a": {**entry(0, 64, [16]), "data_offsets": [0, 64.5]}}, None),
    "three offsets": ({"a": {**entry(0, 64, [16]), "data_offsets": [0, 32, 64]}}, None),
    "no shape": ({"a": {"dtype": "F32", "data_offsets": [0, 64]}}, None),
    "numbers in the metadata": ({"__metadata__": {"format": 1}, "a": entry(0, 64, [16])}, None),
    "a list": (b"[]", None),
    "no JSON": (b"\x80\x02}q\x00.", None),
    "not UTF-8": (b'{"\xff":{"dtype":"F32","shape":[16],"data_offsets":[0,64]}}', None),
    "deep nesting": (b"[" * 100_000, None),
    "a name twice": (TWICE, None),
    "a field twice": (b'{"a":{"dtype":"F32","dtype":"I32","shape":[16],"data_offsets":[0,64]}}', None),
    "a length of the whole file": ({"a": entry(0, 64, [16])}, 200),
    "a giant length": ({"a": entry(0, 64, [16])}, 2**63),
    "a length below the limit of nobody": ({"a": entry(0, 64, [16])}, 2**24 + 1),
    "a length of nothing": ({"a": entry(0, 64, [16])}, 0),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_header_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    file = written(tmp_path, *HOSTILE[kind][:1], length=HOSTILE[kind][1])
    began = time.monotonic()
    text = refusal(tmp_path)
    assert time.monotonic() - began < 2
    assert text.startswith(f"{file} is damaged: ")
    assert text.endswith("\n  do: copy or train it again")


def test_the_name_that_stands_twice_is_said(tmp_path: Path) -> None:
    written(tmp_path, TWICE)
    assert "its header has 'a' twice" in refusal(tmp_path)


def test_a_good_header_is_read_without_its_numbers(tmp_path: Path) -> None:
    """A terabyte of numbers that are not there, in a file with a hole: only the header is looked at."""
    file = written(tmp_path, {"a": entry(0, 2**40, [2**38]), "b": entry(2**40, 2**40 + 8, [2, 2], "F16")}, 0)
    with file.open("r+b") as hollow:
        hollow.truncate(file.stat().st_size + 2**40 + 8)
    began = time.monotonic()
    outlines = Weights(tmp_path).outlines()
    assert time.monotonic() - began < 2
    assert {name: (tuple(outline.shape), outline.dtype) for name, outline in outlines.items()} == {
        "a": ((2**38,), torch.float32),
        "b": ((2, 2), torch.float16),
    }
    assert all(outline.is_meta for outline in outlines.values())


NUMBERS = 12
SIZES = st.integers(-1, 13) | st.sampled_from([2**31, 2**64, True, 1.5, None])
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from([*BITS, "F32", "F32", "F16", "F99", 4]),
        "shape": st.lists(st.integers(0, 3), max_size=2) | st.lists(SIZES, max_size=3) | st.none(),
        "data_offsets": st.lists(st.integers(0, NUMBERS), min_size=2, max_size=2).map(sorted)
        | st.lists(SIZES, max_size=3),
    },
)
METADATA = st.dictionaries(st.text(max_size=3), st.text(max_size=3) | st.none() | st.integers(), max_size=2) | st.none()


def packed(entries: list[tuple[str, str, tuple[int, ...]]]) -> tuple[dict[str, Any], int]:
    """A true header of these tensors, and how many bytes they have; its numbers of bits must be whole bytes."""
    header, place = {}, 0
    for name, form, shape in entries:
        size = -(-prod(shape) * BITS[form] // 8)
        header[name] = entry(place, place + size, list(shape), form)
        place += size
    return header, place


def is_opened(folder: Path, opener: Callable[[Path], Any]) -> bool:
    try:
        opener(folder)
    except (SafetensorError, ModelFolderError):
        return False
    return True


@given(st.dictionaries(st.text(max_size=2), ENTRIES | METADATA | st.integers(), max_size=3), METADATA, st.booleans())
@settings(max_examples=300, deadline=None)
def test_what_the_library_refuses_is_refused_and_what_it_opens_is_opened(
    tmp_path_factory: pytest.TempPathFactory, header: Header, metadata: Any, padded: bool
) -> None:
    """Its own reader, in Rust, is the reference."""
    folder = tmp_path_factory.getbasetemp()
    if metadata is not None:
        header = {"__metadata__": metadata, **header}
    file = written(folder, json.dumps(header).encode() + b"  " * padded, NUMBERS)
    assert is_opened(folder, Weights) == is_opened(file, lambda path: safe_open(path, framework="numpy"))


@given(
    st.dictionaries(
        st.text(max_size=3).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(["F32", "F16", "BF16", "F64"]), st.lists(st.integers(0, 3), max_size=3).map(tuple)),
        max_size=4,
    ),
    st.randoms(),
)
@settings(max_examples=60, deadline=None)
def test_the_numbers_are_those_that_the_library_reads(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, tuple[str, tuple[int, ...]]], random: Random
) -> None:
    folder = tmp_path_factory.getbasetemp()
    header, size = packed([(name, *described) for name, described in tensors.items()])
    file = written(folder, header, 0)
    file.write_bytes(file.read_bytes() + random.randbytes(size))
    expected, weights = load_file(file), Weights(folder)
    assert set(expected) == set(weights)
    for name, tensor in expected.items():
        assert (weights[name].shape, weights[name].dtype) == (tensor.shape, tensor.dtype)
        ours, theirs = (each.reshape(-1).view(torch.uint8) for each in (weights[name], tensor))
        assert torch.equal(ours, theirs)


def test_forms_of_four_bits_that_torch_cannot_hold_are_refused_by_the_tensors_name(tmp_path: Path) -> None:
    save_network(small("llama").float(), tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    name = "model.norm.weight"
    save_file({**tensors, name: tensors[name].to(torch.uint8)}, tmp_path / "model.safetensors")
    with pytest.raises(
        ModelFolderError, match=f"the tensor '{name}' is stored in a form that everysum does not compute"
    ):
        load_network(tmp_path)


# --- shards -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """A folder whose weights lie in three files."""
    save_network(small("llama").float(), tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    index = {}
    for number in range(3):
        file = f"model-0000{number + 1}-of-00003.safetensors"
        some = {name: tensors[name] for name in sorted(tensors)[number::3]}
        save_file(some, tmp_path / file)
        index |= dict.fromkeys(some, file)
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": index}))
    return tmp_path


def index_changed(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    index = json.loads((folder / INDEX).read_text())
    change(index)
    (folder / INDEX).write_text(json.dumps(index))


def test_shards_are_read_together(shards: Path) -> None:
    network, _ = load_network(shards)
    assert torch.equal(logits(network, tokens(1, 6)), logits(small("llama").float(), tokens(1, 6)))


def test_one_file_comes_before_an_index(shards: Path) -> None:
    save_network(small("llama", layers=1).float(), shards)
    assert load_network(shards)[0].cache_shape[0] == 1


def test_a_missing_shard_is_named(shards: Path) -> None:
    (shards / "model-00002-of-00003.safetensors").unlink()
    assert refusal(shards) == (
        f"{shards / 'model-00002-of-00003.safetensors'} is missing\n"
        "  wanted: all 3 shards that model.safetensors.index.json names\n"
        "  do: get the missing file again"
    )


def test_a_damaged_shard_is_named(shards: Path) -> None:
    file = shards / "model-00003-of-00003.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    assert refusal(shards).startswith(f"{file} is damaged: ")


def test_a_tensor_that_its_shard_does_not_hold_is_named(shards: Path) -> None:
    index_changed(
        shards, lambda index: index["weight_map"].update({"model.norm.weight": "model-00001-of-00003.safetensors"})
    )
    with pytest.raises(ModelFolderError, match=r"the weights have no tensor 'model\.norm\.weight'"):
        load_network(shards)


@pytest.mark.parametrize(
    "shard",
    [
        "../outside.safetensors",
        "/etc/passwd",
        "a/b.safetensors",
        "model.bin",
        "",
        7,
        None,
        ["x.safetensors"],
        ".safetensors/..",
    ],
)
def test_an_index_names_files_of_its_own_folder_and_no_pickles(shards: Path, shard: Any) -> None:
    index_changed(shards, lambda index: index["weight_map"].update({"model.norm.weight": shard}))
    assert refusal(shards).startswith(
        f"{shards / INDEX} is broken\n  wanted: for the tensor 'model.norm.weight' the name "
    )


@pytest.mark.parametrize("weight_map", [None, {}, [], "model.safetensors", 3])
def test_an_index_without_a_map_is_refused(shards: Path, weight_map: Any) -> None:
    index_changed(shards, lambda index: index.update(weight_map=weight_map))
    assert refusal(shards).startswith(f"{shards / INDEX} is broken\n  wanted: under weight_map, a file for each tensor")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_an_index_that_is_no_object_is_refused(shards: Path, content: bytes) -> None:
    (shards / INDEX).write_bytes(content)
    assert str(shards / INDEX) in refusal(shards)


def test_an_endless_index_is_not_read(shards: Path) -> None:
    with (shards / INDEX).open("r+b") as hollow:
        hollow.truncate(2**40)
    assert refusal(shards) == (
        f"{shards / INDEX} is too large\n  wanted: at most 16,777,216 bytes\n  came: 1,099,511,627,776 bytes"
    )


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "consolidated.00.pth", "model.pt"]
)
def test_pickles_are_refused_with_the_way_to_convert_them_elsewhere(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"never opened")
    text = refusal(tmp_path)
    assert text.startswith(f"{tmp_path} holds its weights as a pickle, which can run a program when it is opened")
    assert f"\n  came: {name}\n" in text
    assert "save_pretrained(NEW_FOLDER)" in text


# --- one precision ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forms", "expected"),
    [
        ((torch.bfloat16, torch.float32), torch.float32),
        ((torch.bfloat16, torch.float16), torch.float32),
        ((torch.float16, torch.float16), torch.float16),
        ((torch.float32, torch.float64), torch.float64),
    ],
)
def test_a_file_of_several_precisions_is_read_in_one_that_holds_them_all(
    forms: tuple[torch.dtype, torch.dtype], expected: torch.dtype, tmp_path: Path
) -> None:
    save_network(small("llama"), tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    mixed = {name: tensor.to(forms[place % 2]) for place, (name, tensor) in enumerate(sorted(tensors.items()))}
    save_file(mixed, tmp_path / "model.safetensors")
    network, _ = load_network(tmp_path)
    assert {parameter.dtype for parameter in network.parameters()} == {expected}
    assert logits(network, tokens(1, 6)).isfinite().all()
