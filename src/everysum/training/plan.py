"""The plan: from a text's size and the time given to a whole recipe.

What the user sets stands. The rest is chosen here: first the sizes and rates, from the text and the time; then, when
the text has been cut into tokens and a step has been timed (`pace`), what depends on how many steps there will be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from everysum import machine
from everysum.models.network import head_size_of
from everysum.training import base, pair_plan
from everysum.training.choices import chosen_heads, count_in
from everysum.training.recipe import Recipe
from everysum.training.wishes import merged, validated

DEFAULT_MINUTES = 5.0
QUICK_LOOKS = 8
"""How often a run measures itself on held-out text, the last time included."""
LOOKS_SHARE = 0.03
"""How much of the work goes into these looks; scoring a token is a third of the work of learning from it."""
SAMPLES = 4
"""How often it shows text of its own, the last time included, and"""
SAMPLE_STEPS = 200
"""at most once in so many steps."""
MOST_WORKERS = 8
MOST_EPOCHS = 6
"""How often a text is worth being seen: after that a network learns it by heart and gets no better elsewhere."""


SHAPES = (
    (64, 2), (96, 3), (128, 3), (128, 4), (192, 3), (192, 4), (256, 4), (256, 5),
    (320, 5), (384, 6), (448, 7), (512, 8), (640, 9), (768, 10),
)  # fmt: skip
"""Widths and numbers of layers to choose from."""


@dataclass(frozen=True)
class Situation:
    """What a plan has to go by; `seconds` are what is left until the folder has to be finished."""

    train_bytes: int
    seconds: float
    device: str
    pairs: bool = False
    """Whether the text is pairs of sentences, both sides counted in its bytes."""


@dataclass(frozen=True)
class Sizes:
    """What can be chosen before anything is measured, and about how often such a run will see the text."""

    vocabulary_size: int
    width: int
    layers: int
    context_length: int
    batch_tokens: int
    epochs: float

    @property
    def head_size(self) -> int:
        return 64 if self.width > 256 and self.width % 64 == 0 else 32


def chosen_sizes(train_bytes: int, operations: float) -> Sizes:
    """Sizes for a text of so many bytes and a run of so many additions and multiplications.

    Found by trying on English and German texts of 0.2 to 2 MB for 10 seconds to 2 minutes on two cores; beyond that the
    formulas go on, untried.
    """
    if train_bytes < 64_000:
        vocabulary_size, bytes_per_token = 512, 2.0
    elif train_bytes < 256_000:
        vocabulary_size, bytes_per_token = 1024, 2.45
    elif train_bytes < 4_000_000 or operations < 50e12:
        vocabulary_size, bytes_per_token = 2048, 2.95
    else:
        vocabulary_size, bytes_per_token = 4096, 3.3
    useful = MOST_EPOCHS * train_bytes / bytes_per_token

    def affordable(shape: tuple[int, int], context_length: int) -> float:
        """How many tokens can be learned from: each costs six times the parameters, and attention."""
        width, layers = shape
        parameters = 12 * layers * width**2 + vocabulary_size * width
        return operations / (1.12 * 6 * (parameters + layers * width * context_length))

    wanted = 0.75e6 * (operations / 1.4e12) ** 0.4
    shapes = [shape for shape in SHAPES if block_parameters(shape) <= 5 * train_bytes] or [SHAPES[0]]
    place = shapes.index(min(shapes, key=lambda shape: abs(math.log(block_parameters(shape) / wanted))))
    # time for more passes than are useful is better spent on a larger network, while the text can fill it
    while affordable(shapes[place], 64) > useful and place + 1 < len(shapes):
        place += 1
    tokens = min(useful, affordable(shapes[place], 64))
    context_length = 64 if tokens < 0.9e6 else 128 if tokens < 8e6 else 256
    tokens = min(useful, affordable(shapes[place], context_length))
    batch_tokens = 2 ** round(math.log2(1024 * max(1.0, tokens / 1e6) ** 0.5))
    epochs = tokens * bytes_per_token / train_bytes
    width, layers = shapes[place]
    return Sizes(vocabulary_size, width, layers, context_length, max(batch_tokens, 8 * context_length), epochs)


def block_parameters(shape: tuple[int, int]) -> int:
    """About how many parameters blocks of this width and number have."""
    width, layers = shape
    return 12 * layers * width**2


def chosen_dropout(epochs: float) -> float:
    """None while a text is seen four times or less; then enough to keep it from being learned by heart."""
    return 0.0 if epochs <= 4 else min(0.3, round(0.1 * math.log2(epochs / 2.5), 2))


def chosen_matrix_rate(steps: int, batch_tokens: int) -> float:
    """Muon's rate: the fewer the steps and the larger the batch, the larger each step."""
    return round(min(0.05, max(0.006, 0.02 * math.sqrt(365 / steps * batch_tokens / 1024))), 4)


def draft(situation: Situation, wishes: Mapping[str, Any]) -> Recipe:
    """A whole recipe, but for its number of steps (1 unless wished for) and the rate that depends on it."""
    speeds = machine.matrix_speeds(situation.device)
    # about half of the speed of bare matrix products is reached, the rest goes into everything between them
    operations = max(1.0, situation.seconds) * 0.5e9 * max(speeds.float32, speeds.bfloat16)
    wished = wishes.get("network", {})
    if situation.pairs:
        chosen = pair_plan.chosen_values(situation.train_bytes, operations, wished)
    else:
        chosen = text_values(chosen_sizes(situation.train_bytes, operations), wished)
    values = {
        "text": {"paths": []},
        **chosen,
        "network": with_blocks(chosen["network"], wished),
        "optimizer": {
            "matrix_rate": 0.02,
            "embedding_rate": 0.01,
            "head_rate": 0.005,
            "vector_rate": 0.01,
            **chosen.get("optimizer", {}),
        },
        "schedule": {"steps": 1, "evaluate_every": 1, "sample_every": 1, **chosen["schedule"]},
        "engine": {
            "device": situation.device,
            "dtype": speeds.faster if situation.device != "mps" else "float32",
            "threads": torch.get_num_threads(),
        },
    }
    if wishes.get("base"):
        values = merged({**values, "network": {}}, base.values_on_base(wishes, operations))
    recipe = validated(merged(values, wishes))
    if "workers" in wishes.get("engine", {}):
        return recipe
    return validated(merged(recipe.model_dump(), {"engine": {"workers": chosen_workers(recipe)}}))


def text_values(sizes: Sizes, wished: Mapping[str, Any]) -> dict[str, Any]:
    """What is chosen for a run on texts where nothing is wished."""
    width = count_in(wished, "width", sizes.width)
    context_length = count_in(wished, "context_length", sizes.context_length)
    return {
        "tokenizer": {"vocabulary_size": sizes.vocabulary_size},
        "network": {
            "kind": wished.get("kind", "llama"),
            "width": width,
            "layers": sizes.layers,
            "heads": count_in(wished, "heads", chosen_heads(width, sizes.head_size)),
            "context_length": context_length,
            "dropout": chosen_dropout(sizes.epochs),
        },
        "schedule": {"batch_size": max(1, sizes.batch_tokens // context_length)},
    }


def with_blocks(network: Mapping[str, Any], wished: Mapping[str, Any]) -> dict[str, Any]:
    """A network's choices, with those that follow from its width and its kind."""
    kind, width, heads = network["kind"], network["width"], network["heads"]
    if kind == "llama":
        inner_width = max(32, round(width * 8 / 3 / 32) * 32)
        head_size = wished.get("head_size") or head_size_of(width, heads)
        return {**network, "key_value_heads": heads, "head_size": head_size, "inner_width": inner_width}
    return {**network, "inner_width": 4 * width}


def chosen_workers(recipe: Recipe) -> int:
    """As many as share a batch's windows evenly, up to the threads and to where adding up gradients begins to cost."""
    if recipe.engine.device != "cpu" or recipe.engine.compiled:
        return 1
    rows = recipe.schedule.batch_size // recipe.schedule.accumulation
    most = min(recipe.engine.threads, MOST_WORKERS)
    return next(workers for workers in range(most, 0, -1) if workers == 1 or rows % workers == 0)


def with_steps(recipe: Recipe, wishes: Mapping[str, Any], steps: int) -> Recipe:
    """The recipe with this many steps and what depends on them, unless wished otherwise."""
    steps = wishes.get("schedule", {}).get("steps", steps)
    batch_tokens = recipe.step_tokens
    chosen: dict[str, Any] = {
        "schedule": {
            "steps": steps,
            "evaluate_every": max(1, math.ceil(steps / QUICK_LOOKS)),
            "evaluate_tokens": min(50_000, max(1, math.ceil(3 * LOOKS_SHARE / QUICK_LOOKS * steps * batch_tokens))),
            "sample_every": max(1, math.ceil(steps / min(SAMPLES, max(1, steps // SAMPLE_STEPS)))),
        }
    }
    if recipe.optimizer.matrices == "muon" and recipe.base is None:
        chosen["optimizer"] = {"matrix_rate": chosen_matrix_rate(steps, batch_tokens)}
    return validated(merged(merged(recipe.model_dump(), chosen), wishes))


def with_dropout(recipe: Recipe, wishes: Mapping[str, Any], epochs: float) -> Recipe:
    """The recipe with as much dropout as a run needs that sees its text so often, if that is more than was drafted."""
    if recipe.base is not None or "dropout" in wishes.get("network", {}):
        return recipe
    needed = (pair_plan.chosen_dropout if recipe.text.target_paths else chosen_dropout)(epochs)
    if needed <= recipe.network.dropout:
        return recipe
    return validated(merged(recipe.model_dump(), {"network": {"dropout": needed}}))


def most_epochs(recipe: Recipe) -> int:
    """How often this run's text is worth being seen."""
    if recipe.text.target_paths:
        return pair_plan.MOST_EPOCHS
    return MOST_EPOCHS if recipe.base is None else base.MOST_EPOCHS


def useful_steps(recipe: Recipe, train_tokens: int) -> int:
    """How many steps see the text as often as is useful."""
    return max(10, math.ceil(most_epochs(recipe) * train_tokens / recipe.step_tokens))
