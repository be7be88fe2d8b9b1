"""A model folder's network: config.json and model.safetensors as Hugging Face lays them out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from everysum.errors import ModelFolderError, UsageError
from everysum.files import read_json, write_atomically
from everysum.models.network import Network
from everysum.pretrained.family import Family, refuse_unless
from everysum.pretrained.gpt2 import GPT2
from everysum.pretrained.llama import LLAMA
from everysum.pretrained.marian import MARIAN
from everysum.pretrained.opt import OPT
from everysum.pretrained.pegasus import PEGASUS
from everysum.pretrained.qwen3 import QWEN3

FAMILIES: tuple[Family, ...] = (GPT2, OPT, LLAMA, QWEN3, MARIAN, PEGASUS)


def family_of(network: Network) -> Family:
    """The published family that this network is a member of."""
    for family in FAMILIES:
        if family.represents(network):
            return family
    raise ModelFolderError(f"no published family represents this {type(network).__name__}, so it cannot be saved")


def save_network(network: Network, folder: Path, *, end_of_text: int | None = None) -> None:
    """Write config.json and model.safetensors; each is replaced whole or not at all.

    Where a family says how texts are generated, that goes into generation_config.json.
    """
    family = family_of(network)
    ends = dict.fromkeys(family.end_of_text_keys, end_of_text)
    configuration = {
        "architectures": [family.architecture],
        "model_type": family.model_type,
        **ends,
        "dtype": str(network.head_weight.dtype).removeprefix("torch."),
        **family.configuration_of(network),
    }
    weights = {name: tensor.cpu() for name, tensor in family.published(network).items()}
    write_atomically(folder / "model.safetensors", save(weights, metadata={"format": "pt"}))
    if generation := family.generation(network):
        write_atomically(folder / "generation_config.json", json.dumps(ends | generation, indent=2) + "\n")
    write_atomically(folder / "config.json", json.dumps(configuration, indent=2) + "\n")


def load_network(folder: Path) -> tuple[Network, dict[str, Any]]:
    """The network of a model folder in the precision of its file, ready to run, and its configuration."""
    configuration = read_json(folder / "config.json", ModelFolderError)
    family = family_called(configuration.get("model_type"), folder)
    refuse_unless(configuration, {"quantization_config": (None,)})
    try:
        with torch.device("meta"):
            network = family.network_from(configuration)
    except UsageError as problem:
        raise ModelFolderError(f"config.json: {problem.problem}", wanted=problem.wanted, came=problem.came) from problem
    tensors = load_tensors(folder / "model.safetensors")
    network.load_state_dict(family.ours(network, tensors), assign=True)
    return network.eval(), configuration


def family_called(model_type: object, folder: Path) -> Family:
    for family in FAMILIES:
        if family.model_type == model_type:
            return family
    raise ModelFolderError(
        f"{folder / 'config.json'} names a kind of model that everysum does not run",
        wanted="model_type " + ", ".join(family.model_type for family in FAMILIES),
        came=repr(model_type),
    )


def load_tensors(file: Path) -> Mapping[str, Tensor]:
    """All tensors of a safetensors file; a missing or damaged file is named."""
    if not file.is_file():
        raise ModelFolderError(
            f"{file} is missing", wanted="a model folder: config.json, model.safetensors, tokenizer.json"
        )
    try:
        return load_file(file)
    except (SafetensorError, OSError, ValueError) as problem:
        raise ModelFolderError(f"{file} is damaged: {problem}", advice="copy or train it again") from problem
