"""Training speed: tokens a second of everysum's GPT beside transformers' GPT2LMHeadModel of the same shape.

    python benchmarks/training_speed.py [--repeats 5] [--compiled]

The peer is what a user of transformers gets by default: float32, torch.optim.AdamW, eager. everysum trains the same
network (learned positions, layer norm, GELU, tied head) in the precision that this machine is faster in, with AdamW,
and with --compiled also through torch.compile. All take turns, a few steps each; medians of the steps, and their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from peer_gpt2 import gpt2
from torch.nn.functional import cross_entropy

from everysum import machine
from everysum.data.batches import Batches
from everysum.data.token_files import TokenFile
from everysum.parallel import use_cores
from everysum.training import plan
from everysum.training.build import build_network
from everysum.training.loop import Trainer
from everysum.training.recipe import Recipe
from everysum.training.wishes import merged, validated

VOCABULARY = 65
SHAPES = {
    "4 × 128, context 64, batch 12": {"width": 128, "layers": 4, "heads": 4, "context_length": 64, "batch_size": 12},
    "6 × 384, context 256, batch 16": {"width": 384, "layers": 6, "heads": 6, "context_length": 256, "batch_size": 16},
}
STEPS_IN_TURN = 3
CORES = torch.get_num_threads()


def peer(shape: dict[str, int]) -> Callable[[int], object]:
    """One step of GPT2LMHeadModel."""
    network = gpt2(
        VOCABULARY,
        layers=shape["layers"],
        width=shape["width"],
        heads=shape["heads"],
        context=shape["context_length"],
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    tokens = torch.randint(VOCABULARY, (100, shape["batch_size"], shape["context_length"] + 1))

    def step(index: int) -> None:
        windows = tokens[index % len(tokens)]
        loss = cross_entropy(network(windows[:, :-1]).logits.flatten(0, 1), windows[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def recipe_of(shape: dict[str, int], *, compiled: bool) -> Recipe:
    """The same network and optimizer as a recipe of ours."""
    sizes = {key: shape[key] for key in ("width", "layers", "heads", "context_length")}
    values = {
        "text": {"paths": []},
        "tokenizer": {"vocabulary_size": VOCABULARY},
        "network": {"kind": "gpt", **sizes, "inner_width": 4 * shape["width"]},
        "optimizer": {
            "matrices": "adamw",
            "weight_decay": 0.01,
            **{f"{role}_rate": 1e-3 for role in ("matrix", "embedding", "head", "vector")},
        },
        "schedule": {"steps": 10**6, "batch_size": shape["batch_size"], "evaluate_every": 10**6, "sample_every": 10**6},
        "engine": {
            "dtype": machine.matrix_speeds("cpu").faster,
            "threads": CORES,
            "compiled": compiled,
        },
    }
    recipe = validated(values)
    recipe = validated(merged(recipe.model_dump(), {"engine": {"workers": plan.chosen_workers(recipe)}}))
    return validated(merged(recipe.model_dump(), {"engine": {"attention": plan.faster_attention(recipe)}}))


def everysum(shape: dict[str, int], tokens: TokenFile, *, compiled: bool) -> Callable[[int], object]:
    """One step of everysum's trainer."""
    recipe = recipe_of(shape, compiled=compiled)
    batches = Batches(tokens, seed=1, batch_size=shape["batch_size"], context_length=shape["context_length"])
    return Trainer(build_network(recipe, VOCABULARY), recipe, batches).step


def measure(contestants: dict[str, Callable[[int], object]], repeats: int) -> dict[str, float]:
    """Median seconds a step, taking turns; the first turn warms up and does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repeats + 1):
        for name, step in contestants.items():
            use_cores(1 if "everysum" in name else CORES)
            for index in range(STEPS_IN_TURN):
                began = time.perf_counter()
                step(turn * STEPS_IN_TURN + index)
                if turn:
                    seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--compiled", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        stream = np.random.default_rng(1).integers(0, VOCABULARY - 1, 200_000).astype("<u2")
        (path := Path(temporary) / "random.bin").write_bytes(stream.tobytes())
        tokens = TokenFile(path, VOCABULARY, VOCABULARY - 1, len(stream), 1, len(stream))
        print(f"cores: {CORES}\n| shape | | tokens/s | ratio |\n|---|---|---|---|", flush=True)
        for name, shape in SHAPES.items():
            contestants = {
                "GPT2LMHeadModel, AdamW, float32": peer(shape),
                "everysum, AdamW, eager": everysum(shape, tokens, compiled=False),
            }
            if options.compiled:
                contestants["everysum, AdamW, compiled"] = everysum(shape, tokens, compiled=True)
            medians = measure(contestants, options.repeats)
            slowest = medians["GPT2LMHeadModel, AdamW, float32"]
            for contestant, seconds in medians.items():
                speed = shape["batch_size"] * shape["context_length"] / seconds
                print(f"| {name} | {contestant} | {speed:,.0f} | {slowest / seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
