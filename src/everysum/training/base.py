"""Going on from a model that has been trained before: a run's or a published one, all its weights, its tokenizer kept.

The network is that of the model, so a recipe says it in the words of its config.json. Only how much text it sees at
once and its dropout can be wished for. What the optimizers remember starts anew.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from everysum.errors import InputError, ModelFolderError, UsageError
from everysum.files import read_json, sha256_of
from everysum.layers.attention import Attention
from everysum.layers.layer import parameter_count
from everysum.memory import refuse_too_large
from everysum.models.network import Network
from everysum.models.transformer import Transformer
from everysum.pretrained.folder import (
    CONFIGURATION,
    LARGEST_CONFIGURATION,
    configuration_of,
    load_network,
    network_of,
    read_configuration,
    refuse_other_vocabulary,
)
from everysum.pretrained.hub import folder_of
from everysum.pretrained.weights import Weights
from everysum.tokenizers import load_tokenizer
from everysum.tokenizers.tokenizer import Tokenizer
from everysum.training.build import build_network, design
from everysum.training.checkpoint import WEIGHTS, Checkpoints, load_weights
from everysum.training.recipe import Base, PublishedChoice, Recipe
from everysum.training.wishes import read_recipe, validated

RECIPE = "recipe.json"
FREE = ("context_length", "dropout")
"""What can be wished for of a network that has been trained before."""
MOST_EPOCHS = 3
"""How often a text is worth being seen by a network that can already write."""
LONGEST_WINDOW = 512
"""Tokens to learn from at once, if the model looks back that far and the text is long enough."""


# --- what is there ----------------------------------------------------------------------------------------------------


def is_unfinished(folder: Path) -> bool:
    """Whether this is the folder of a run that has not come to its end."""
    return (folder / RECIPE).is_file() and not (folder / CONFIGURATION).is_file()


def opened(
    folder: Path, *, dtype: torch.dtype | None = None, device: str = "cpu"
) -> tuple[Network, Tokenizer, dict[str, Any]]:
    """The network in a model folder or in a run's newest good checkpoint, its tokenizer, and the configuration.

    What is quick to refuse is refused first: the weights, which may be large, are read last.
    """
    unfinished = is_unfinished(folder)
    if not unfinished:
        read_json(folder / CONFIGURATION, most=LARGEST_CONFIGURATION)
    tokenizer = load_tokenizer(folder)
    if unfinished:
        network, configuration = network_of_run(folder, tokenizer), configuration_in(folder, tokenizer)
    else:
        network, configuration = load_network(folder, dtype=dtype, device=device)
    refuse_other_vocabulary(folder, tokenizer.vocabulary_size, network)
    return network.to(device=device, dtype=dtype).eval(), tokenizer, configuration


def configuration_in(folder: Path, tokenizer: Tokenizer) -> dict[str, Any]:
    """The configuration of the network in a folder, as saving it would write it; no weights are read."""
    if is_unfinished(folder):
        recipe = recipe_of_run(folder)
        like = recipe.network.configuration if isinstance(recipe.network, PublishedChoice) else None
        with torch.device("meta"):
            network = design(recipe.network, tokenizer.vocabulary_size, recipe.engine.attention)
    else:
        like = read_configuration(folder)
        network = network_of(like, str(folder / CONFIGURATION))
    refuse_other_vocabulary(folder, tokenizer.vocabulary_size, network)
    configuration = configuration_of(network, end_of_text=tokenizer.end_of_text, like=like)
    return {key: value for key, value in configuration.items() if key != "dtype"}


def network_of_run(folder: Path, tokenizer: Tokenizer) -> Network:
    """The network in a run's newest good checkpoint."""
    network = build_network(recipe_of_run(folder), tokenizer.vocabulary_size)
    load_weights(newest_checkpoint(folder), network)
    return network


def newest_checkpoint(folder: Path) -> Path:
    """A run's newest good checkpoint; of a damaged one a warning tells."""
    checkpoints = Checkpoints(folder / "checkpoints")
    newest = checkpoints.newest_good(lambda _, problem: warnings.warn(str(problem), stacklevel=7))
    if newest is None:
        raise ModelFolderError(
            f"the run in {folder} has no checkpoint yet",
            advice=f"let it train a little longer, or go on with it: everysum train --resume --out {folder}",
        )
    return newest


def recipe_of_run(folder: Path) -> Recipe:
    """The recipe in a run folder."""
    if not (folder / RECIPE).is_file():
        raise InputError(
            f"{folder} holds no run to go on with",
            wanted=f"a folder with {RECIPE}, as `everysum train` makes it",
            advice="leave --resume out to begin a run there",
        )
    return validated(read_recipe(folder / RECIPE))


def digest_of_weights(folder: Path) -> str:
    """What stands for all weights of a model folder, or of a run's newest checkpoint."""
    files = [newest_checkpoint(folder) / WEIGHTS] if is_unfinished(folder) else sorted(Weights(folder).files)
    digests = [sha256_of(file) for file in files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


# --- a run on top of it -----------------------------------------------------------------------------------------------


def with_base(wishes: Mapping[str, Any], model: Path | str | None) -> dict[str, Any]:
    """The wishes for a run, and what follows for them from the model that it goes on from, if there is one.

    Raises UsageError for a wish that another network would be needed for.
    """
    model = model or (wishes.get("base") or {}).get("model")
    if model is None:
        return dict(wishes)
    folder = folder_of(model)
    tokenizer = load_tokenizer(folder)
    configuration = configuration_in(folder, tokenizer)
    network = wished_network(wishes, model)
    laid_out = network_of(configuration, str(model))
    if isinstance(laid_out, Transformer) or wishes.get("text", {}).get("target_paths"):
        raise UsageError(
            "only language models are gone on from, with plain text",
            wanted="everysum train TEXT --from MODEL",
            came=f"{model}, a translator" if isinstance(laid_out, Transformer) else f"sentence pairs for {model}",
        )
    longest = laid_out.context_length
    if network.get("context_length", 1) > longest:
        raise UsageError(
            f"{model} cannot see {network['context_length']} tokens at once",
            wanted=f"network.context_length of at most {longest}, the model's own",
            came=str(network["context_length"]),
        )
    base = {"model": str(model), "folder": str(folder.resolve()), "sha256": digest_of_weights(folder)}
    kept = {"kind": "kept", "vocabulary_size": tokenizer.vocabulary_size}
    network |= {"kind": "published", "configuration": configuration}
    name = wishes.get("name", "default")
    return {
        **wishes,
        "name": "from" if name == "default" else name,
        "base": base,
        "tokenizer": kept,
        "network": network,
    }


def wished_network(wishes: Mapping[str, Any], model: Path | str) -> dict[str, Any]:
    """What is wished for of the network, which comes with the model."""
    network, tokenizer = wishes.get("network", {}), wishes.get("tokenizer", {})
    again = network.get("kind") == "published"  # the recipe of a run that went on from a model
    strange = [f"network.{key}" for key in network if key not in (FREE + ("kind", "configuration") * again)]
    strange += [f"tokenizer.{key}" for key in tokenizer if not again]
    if strange:
        raise UsageError(
            f"the network and the tokenizer come with {model}: {', '.join(strange)} cannot be chosen",
            wanted=" and ".join(f"network.{key}" for key in FREE) + " at most",
            advice="leave it out, or train from the start, without --from",
        )
    return {key: network[key] for key in FREE if key in network}


def values_on_base(wishes: Mapping[str, Any], operations: float) -> dict[str, Any]:
    """What is chosen for a run on top of a model where nothing is wished; `operations` are what it can compute.

    Rates are a fraction of those for a new network, the smaller the more parameters there are: 0.001 for a million,
    0.0001 for a hundred, as is usual for published models of these sizes.
    """
    network = wishes["network"]
    laid_out = network_of(network["configuration"], wishes["base"]["model"])
    parameters = parameter_count(laid_out)
    context_length = network.get("context_length", min(laid_out.context_length, LONGEST_WINDOW))
    rate = float(f"{min(1e-3, max(1e-5, 1e-3 * math.sqrt(1e6 / parameters))):.2g}")
    muon = wishes.get("optimizer", {}).get("matrices") == "muon"
    # a hundred steps at least, of up to 8,192 tokens each: a token costs six operations a parameter
    batch_tokens = 2 ** round(math.log2(min(8192, max(512, operations / (6 * parameters) / 100))))
    return {
        "network": {"kind": "published", "context_length": context_length, "dropout": 0.0},
        "optimizer": {
            "matrices": "adamw",
            "matrix_rate": 10 * rate if muon else rate,
            "embedding_rate": rate,
            "head_rate": rate,
            "vector_rate": rate,
            "beta1": 0.9,
            "beta2": 0.99,
        },
        "schedule": {"warmup_share": 0.1, "batch_size": max(1, batch_tokens // context_length)},
    }


def heads_of(choice: PublishedChoice) -> tuple[int, int]:
    """How many heads ask in each block, and how many numbers each works with."""
    network = network_of(choice.configuration, "the recipe")
    attention = next(module for module in network.modules() if isinstance(module, Attention))
    return attention.query.weight.shape[0] // attention.head_size, attention.head_size


def refuse_too_large_to_train(recipe: Recipe) -> None:
    """Refuse what cannot fit in memory: each parameter with its gradient, two averages and its working copies."""
    with torch.device("meta"):
        parameters = parameter_count(design(recipe.network, recipe.tokenizer.vocabulary_size, recipe.engine.attention))
    engine, size = recipe.engine, getattr(torch, recipe.engine.dtype).itemsize
    copies = engine.workers * (size + (size if engine.dtype != "float32" else 0))
    refuse_too_large(
        f"training {parameters:,} parameters",
        parameters * (4 + 4 + 8 + copies),
        device=engine.device,
        advice="go on from a smaller model, or on a machine with more memory",
    )


def fill_from_base(base: Base, network: Network) -> None:
    """Give a network the weights of the model that it goes on from; refuses others than those the run began with."""
    folder = Path(base.folder)
    if not folder.is_dir() or digest_of_weights(folder) != base.sha256:
        raise InputError(
            "the model that this run goes on from is no longer what it was when the run began",
            wanted=f"{base.folder} with weights of SHA-256 {base.sha256}",
            advice="put the old one back to go on, or start a new run from the new one",
        )
    network.load_state_dict(opened(folder, dtype=torch.float32)[0].state_dict())
