"""A model folder's network: config.json and its weights as Hugging Face lays them out."""

from __future__ import annotations

import json
import reprlib
import warnings
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from everysum.errors import ModelFolderError, UsageError
from everysum.files import read_json, write_atomically
from everysum.memory import refuse_too_large
from everysum.models.network import Network
from everysum.pretrained.family import Family, refuse_unless
from everysum.pretrained.gpt2 import GPT2
from everysum.pretrained.llama import LLAMA
from everysum.pretrained.marian import MARIAN
from everysum.pretrained.mistral import MISTRAL
from everysum.pretrained.opt import OPT
from everysum.pretrained.pegasus import PEGASUS
from everysum.pretrained.qwen2 import QWEN2
from everysum.pretrained.qwen3 import QWEN3
from everysum.pretrained.weights import WEIGHTS, Weights

CONFIGURATION = "config.json"
LARGEST_CONFIGURATION = 2**20
"""Bytes; published ones have some thousand."""
FAMILIES: tuple[Family, ...] = (GPT2, OPT, LLAMA, MISTRAL, QWEN2, QWEN3, MARIAN, PEGASUS)
"""All that there are. A network that several represent is a member of the first."""
SPECIAL_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")


# --- saving -----------------------------------------------------------------------------------------------------------


def family_of(network: Network, model_type: object = None) -> Family:
    """The published family that this network is a member of: the one that is named, if it represents it."""
    fitting = [family for family in FAMILIES if family.represents(network)]
    if not fitting:
        raise ModelFolderError(f"no published family represents this {type(network).__name__}, so it cannot be saved")
    return next((family for family in fitting if family.model_type == model_type), fitting[0])


def configuration_of(
    network: Network, *, end_of_text: int | None = None, like: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What config.json says of a network. One that goes on from a published model keeps the family and the special
    tokens of its configuration, `like`; another starts and ends texts with `end_of_text`.
    """
    origin = {} if like is None else like
    family = family_of(network, origin.get("model_type"))
    special = {key: origin[key] for key in SPECIAL_TOKENS if key in origin}
    return {
        "architectures": [family.architecture],
        "model_type": family.model_type,
        **(special or dict.fromkeys(family.end_of_text_keys, end_of_text)),
        "dtype": str(network.head_weight.dtype).removeprefix("torch."),
        **family.configuration_of(network),
    }


def save_network(
    network: Network, folder: Path, *, end_of_text: int | None = None, like: Mapping[str, Any] | None = None
) -> None:
    """Write config.json and model.safetensors; each is replaced whole or not at all. See `configuration_of`.

    Where a family says how texts are generated, that goes into generation_config.json.
    """
    configuration = configuration_of(network, end_of_text=end_of_text, like=like)
    family = family_of(network, configuration["model_type"])
    weights = {name: tensor.cpu() for name, tensor in family.published(network).items()}
    write_atomically(folder / WEIGHTS, save(weights, metadata={"format": "pt"}))
    if generation := family.generation(network):
        ends = {key: configuration[key] for key in family.end_of_text_keys if key in configuration}
        if ends.get("pad_token_id") != ends.get("eos_token_id"):
            generation = generation | {"bad_words_ids": [[ends["pad_token_id"]]]}  # a published one's: never written
        write_atomically(folder / "generation_config.json", json.dumps(ends | generation, indent=2) + "\n")
    write_atomically(folder / CONFIGURATION, json.dumps(configuration, indent=2) + "\n")


# --- loading ----------------------------------------------------------------------------------------------------------


def load_network(
    folder: Path, *, dtype: torch.dtype | None = None, device: str = "cpu"
) -> tuple[Network, dict[str, Any]]:
    """The network of a model folder, ready to run, and its configuration.

    `dtype` is that of the file if not given, and of several there the one that holds all. Everything is checked, and
    whether it will fit, before the first number is read. Raises ModelFolderError naming what is missing or broken, and
    MachineError where the network needs more memory than there is.
    """
    configuration = read_configuration(folder)
    network = network_of(configuration, str(folder / CONFIGURATION))
    family = family_called(configuration.get("model_type"), str(folder / CONFIGURATION))
    weights = Weights(folder, device=device)
    outlines = family.outlines(network, weights.outlines())  # refuses what is missing or of another shape
    weights.dtype = dtype or reduce(torch.promote_types, (outline.dtype for outline in outlines.values()))
    sizes = [outline.numel() * weights.dtype.itemsize for outline in outlines.values()]
    refuse_too_large(
        f"the model in {folder}",
        sum(sizes) + max(sizes),  # the tensor that is being converted stands there twice
        device=device,
        advice="load it in bfloat16, which takes 2 bytes a number, take a smaller model, or free memory",
    )
    network.load_state_dict(family.ours(network, weights), assign=True)
    return network.eval(), configuration


def read_configuration(folder: Path) -> dict[str, Any]:
    """The values of config.json. Code that it names is never run, and a warning says so."""
    file = folder / CONFIGURATION
    configuration = read_json(file, ModelFolderError, most=LARGEST_CONFIGURATION)
    if "auto_map" in configuration:
        warnings.warn(
            f"{file} names code of its own (auto_map); everysum runs no model's code and takes it for a plain "
            f"{reprlib.repr(configuration.get('model_type'))}",
            stacklevel=4,
        )
    return configuration


def network_of(configuration: Mapping[str, Any], name: str, **parts: Any) -> Network:
    """The network that a configuration describes, laid out without memory; `name` says whose configuration it is."""
    family = family_called(configuration.get("model_type"), name)
    refuse_unless(configuration, {"quantization_config": (None,)})
    try:
        with torch.device("meta"):
            return family.network_from(configuration, **parts)
    except UsageError as problem:
        raise ModelFolderError(f"config.json: {problem.problem}", wanted=problem.wanted, came=problem.came) from problem


def refuse_other_vocabulary(folder: Path, tokens: int, network: Network) -> None:
    """Refuse a tokenizer with tokens that the network does not know; a network may know more than are used."""
    if tokens > network.vocabulary_size:
        raise ModelFolderError(
            f"{folder}: tokenizer.json does not belong to this model",
            wanted=f"at most {network.vocabulary_size} tokens, as many as the model knows",
            came=f"{tokens}",
        )


def family_called(model_type: object, name: str) -> Family:
    for family in FAMILIES:
        if family.model_type == model_type:
            return family
    raise ModelFolderError(
        f"{name} names a kind of model that everysum does not run",
        wanted="model_type " + ", ".join(family.model_type for family in FAMILIES),
        came=reprlib.repr(model_type),
    )
