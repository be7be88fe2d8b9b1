"""How fast a run goes on this machine, found out by doing some of it, and how many steps fit into its minutes then."""

from __future__ import annotations

import math
import statistics
import time

import torch

from everysum import machine
from everysum.layers.attention import ENGINES
from everysum.training import base, pair_plan
from everysum.training.loop import Trainer
from everysum.training.recipe import PublishedChoice, Recipe

STEPS_SHARE = 0.94
"""How much of the training time goes into steps, the rest being looks, samples and checkpoints."""
SAVING_SECONDS = 1.0
"""What the last checkpoint, the last sample and the model folder take, and Python to begin and end."""
WORTH_COMPILING_SECONDS = 1200.0


def faster_attention(recipe: Recipe) -> str:
    """Which engine computes attention and its gradient faster at the shapes of this recipe."""
    network, engine = recipe.network, recipe.engine
    rows, length = recipe.schedule.batch_size // recipe.schedule.accumulation, network.context_length
    if recipe.text.target_paths:
        rows, length = max(1, rows // (2 * pair_plan.USUAL_LENGTH)), pair_plan.USUAL_LENGTH
    if isinstance(network, PublishedChoice):
        heads, head_size = base.heads_of(network)
    else:
        heads, head_size = network.heads, getattr(network, "head_size", network.width // network.heads)
    shape = (rows, heads, length, head_size)

    dtype = getattr(torch, engine.dtype)
    query, key, value = (torch.randn(shape, device=engine.device, dtype=dtype).requires_grad_() for _ in range(3))

    def seconds(name: str) -> float:
        began = time.perf_counter()
        ENGINES[name](query, key, value, None).sum().backward()  # type: ignore[no-untyped-call]
        machine.synchronize(engine.device)()
        return time.perf_counter() - began

    # they take turns, and the fastest of each counts: what else goes on here makes a turn slower, never faster
    turns = [{name: seconds(name) for name in ENGINES} for _ in range(6)]
    return min(ENGINES, key=lambda name: min(turn[name] for turn in turns[1:]))


def may_pay_to_compile(recipe: Recipe, seconds_left: float) -> bool:
    """Whether to try: compiling takes tens of seconds on a CPU and has to be won back by faster steps."""
    if recipe.text.target_paths:
        return False  # batches of pairs come in many shapes, and each would be compiled anew
    can = recipe.engine.device == "cuda" or (recipe.engine.device == "cpu" and machine.cpp_compiler() is not None)
    return can and seconds_left >= WORTH_COMPILING_SECONDS


def seconds_per_step(trainer: Trainer, budget: float) -> float:
    """What a step takes, by taking some with a network that is then thrown away; the first ones do not count.

    The median: another program that is busy for a moment must not make the whole run shorter.
    """
    for step in range(3):
        trainer.step(step)
    seconds: list[float] = []
    while len(seconds) < 3 or sum(seconds) < budget:
        began = time.perf_counter()
        trainer.step(3 + len(seconds))
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def fitting_steps(seconds_left: float, seconds_a_step: float) -> int:
    """How many steps fit, with room for looking at held-out text, samples and checkpoints."""
    return max(10, math.floor(seconds_left * STEPS_SHARE / seconds_a_step))


def seconds_to_finish(recipe: Recipe, scored: int, seconds_a_step: float) -> float:
    """About how long saving takes, and the last measurement, for which the network goes forward over `scored` tokens:
    a third of the work of learning from them.
    """
    return SAVING_SECONDS + scored / recipe.step_tokens * seconds_a_step / 3
