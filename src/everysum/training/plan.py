"""The plan: from a text's size, the time given and a second or two of measuring to a whole recipe.

What the user sets stands. The rest is chosen here: first the sizes and rates, from the text and the time; then, when
the text has been cut into tokens, the steps that fit, from the measured time of a step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from everysum import machine
from everysum.data.token_files import TokenFiles
from everysum.layers.attention import ENGINES
from everysum.models.network import head_size_of
from everysum.training.loop import Trainer
from everysum.training.recipe import Recipe, merged, validated

DEFAULT_MINUTES = 5.0
QUICK_LOOKS = 8
"""How often a run measures itself on held-out text."""
SAMPLES = 4
"""How often it shows text of its own."""
STEPS_SHARE = 0.94
"""How much of the training time goes into steps, the rest being looks, samples and checkpoints."""
SAVING_SECONDS = 0.5
WORTH_COMPILING_SECONDS = 240.0


@dataclass(frozen=True)
class Situation:
    """What a plan has to go by; `seconds` are what is left until the folder has to be finished."""

    train_bytes: int
    seconds: float
    device: str


def draft(situation: Situation, wishes: Mapping[str, Any]) -> Recipe:
    """A whole recipe, all but its number of steps (left at 1 unless wished for)."""
    speeds = machine.matrix_speeds(situation.device)
    wished = wishes.get("network", {})
    kind = wished.get("kind", "llama")
    effort = situation.seconds * 1e9 * max(speeds.float32, speeds.bfloat16)
    width = wished.get("width", chosen_width(situation.train_bytes, effort))
    heads = wished.get("heads", chosen_heads(width))
    context_length, batch_size = wished.get("context_length", 64), 16
    network: dict[str, Any] = {
        "kind": kind,
        "width": width,
        "layers": 4,
        "heads": heads,
        "context_length": context_length,
    }
    if kind == "gpt":
        network |= {"inner_width": 4 * width}
    else:
        network |= {
            "key_value_heads": heads,
            "head_size": wished["head_size"] if "head_size" in wished else head_size_of(width, heads),
            "inner_width": max(32, round(width * 8 / 3 / 32) * 32),
        }
    values = {
        "text": {"paths": []},
        "tokenizer": {"vocabulary_size": chosen_vocabulary(situation.train_bytes)},
        "network": network,
        "optimizer": {"matrix_rate": 0.02, "embedding_rate": 0.01, "head_rate": 0.005, "vector_rate": 0.01},
        "schedule": {"steps": 1, "batch_size": batch_size, "evaluate_every": 1, "sample_every": 1},
        "engine": {
            "device": situation.device,
            "dtype": speeds.faster if situation.device != "mps" else "float32",
            "threads": torch.get_num_threads(),
        },
    }
    return validated(merged(values, wishes))


def chosen_width(train_bytes: int, effort: float) -> int:
    """A width for this much text and this many additions and multiplications."""
    return 192 if effort > 5e12 else 128


def chosen_heads(width: int) -> int:
    """Heads of about 32 numbers each that share the width evenly, an even number of them each where that can be."""
    fitting = [heads for heads in range(1, width + 1) if width % (2 * heads) == 0] or [1]
    return min(fitting, key=lambda heads: abs(width / heads - 32))


def chosen_vocabulary(train_bytes: int) -> int:
    """Sub-words that occur often enough to be learned."""
    return 2048 if train_bytes > 500_000 else 1024


def faster_attention(recipe: Recipe) -> str:
    """Which engine computes attention and its gradient faster at the shapes of this recipe."""
    network, engine = recipe.network, recipe.engine
    rows = recipe.schedule.batch_size // recipe.schedule.accumulation
    head_size = network.head_size if network.kind == "llama" else network.width // network.heads
    shape = (rows, network.heads, network.context_length, head_size)

    def measure(name: str) -> float:
        dtype = getattr(torch, engine.dtype)
        query, key, value = (torch.randn(shape, device=engine.device, dtype=dtype).requires_grad_() for _ in range(3))

        def there_and_back() -> Tensor:
            mixed = ENGINES[name](query, key, value, None)
            mixed.sum().backward()  # type: ignore[no-untyped-call]
            return mixed

        return machine.median_seconds(there_and_back, machine.synchronize(engine.device), times=3)

    return min(ENGINES, key=measure)


def may_pay_to_compile(recipe: Recipe, seconds_left: float) -> bool:
    """Whether to try: compiling takes tens of seconds on a CPU and has to be won back by faster steps."""
    can = recipe.engine.device == "cuda" or (recipe.engine.device == "cpu" and machine.cpp_compiler() is not None)
    return can and seconds_left >= WORTH_COMPILING_SECONDS


def seconds_per_step(trainer: Trainer, budget: float) -> float:
    """What a step takes, by taking some with a network that is then thrown away; the first ones do not count."""
    for step in range(3):
        trainer.step(step)
    began, steps = time.perf_counter(), 0
    while steps < 3 or time.perf_counter() - began < budget:
        trainer.step(3 + steps)
        steps += 1
    return (time.perf_counter() - began) / steps


def with_steps(recipe: Recipe, wishes: Mapping[str, Any], steps: int) -> Recipe:
    """The recipe with this many steps, and looks and samples spread over them, unless wished otherwise."""
    steps = wishes.get("schedule", {}).get("steps", steps)
    spread = {
        "steps": steps,
        "evaluate_every": max(1, math.ceil(steps / QUICK_LOOKS)),
        "sample_every": max(1, math.ceil(steps / SAMPLES)),
    }
    wished = {key: wishes["schedule"][key] for key in spread if key in wishes.get("schedule", {})}
    return validated(merged(recipe.model_dump(), {"schedule": spread | wished}))


def fitting_steps(seconds_left: float, seconds_a_step: float) -> int:
    """How many steps fit, with room for looking at held-out text, samples and checkpoints."""
    return max(10, math.floor(seconds_left * STEPS_SHARE / seconds_a_step))


def seconds_to_finish(recipe: Recipe, tokens: TokenFiles, seconds_a_step: float) -> float:
    """About how long the last measurement and saving take; a step is three times the work of going forward alone."""
    positions = recipe.schedule.batch_size * recipe.network.context_length
    return SAVING_SECONDS + 2 * len(tokens.held_out) / positions * seconds_a_step / 3
