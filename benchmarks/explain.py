"""Explaining any number: is every number explained, is it right, and what does recording and asking cost?

    python benchmarks/explain.py [--numbers 100000]

First every element of every recorded tensor of small instances: ours, and other people's (the networks of
tests/foreign_networks.py), in evaluation and in training. Then GPT-2 of 124 million random weights and 64 tokens:
random numbers recomputed, and costs. Times are processor time of one thread (medians), so that other programs on the
machine do not count; plain and recorded passes take turns, and a record is dropped before the next is made.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from foreign_networks import FOREIGN
from recorded_models import MODELS, PROMPT, TRANSFORMERS, WITHOUT_TEXT, bare_network_of, model_of, transformer_of

from everysum.explain import Record, record

TOKENS = 64


def seconds(call: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Median processor seconds of this thread, and the last result."""
    taken, result = [], None
    for _ in range(repeats):
        began = time.thread_time()
        result = call()
        taken.append(time.thread_time() - began)
    return statistics.median(taken), result


def small_instances() -> None:
    """Every element of every tensor."""
    print("| network | numbers | unexplained | wrong | worst relative error |\n|---|---|---|---|---|", flush=True)
    for name in MODELS:
        show(f"our {name}", model_of(name).record(PROMPT))
    for name in TRANSFORMERS:
        show(f"our translator, {name}", transformer_of(name).record(PROMPT, target="Wer fällt"))
    for name in WITHOUT_TEXT:
        network, inputs = bare_network_of(name)
        show(f"our {name}", record(network, inputs))
    for name, build in FOREIGN.items():
        case = build()
        show(name, record(case.network, *case.arguments, **case.named))


def show(name: str, pass_: Record) -> None:
    verdict = pass_.verify()
    print(
        f"| {name} | {verdict.numbers:,} | {verdict.unexplained:,} | {verdict.wrong:,} | {verdict.worst:.1e} |",
        flush=True,
    )


def kept_bytes(pass_: Record) -> int:
    """What a record keeps alive or has copied, beside weights and inputs."""
    made = sum(storage.memory.nbytes() for storage in pass_.storages.values() if storage.writes)
    copied = sum(
        write.before.nbytes
        for storage in pass_.storages.values()
        for write in storage.writes
        if write.before is not None
    )
    return made + copied


@torch.no_grad()
def gpt2_124m(numbers: int) -> None:
    torch.manual_seed(0)
    network = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval()
    token_ids = torch.randint(50257, (1, TOKENS))
    network(token_ids)
    plain, recorded = [], []
    pass_ = None
    for _ in range(9):
        del pass_
        plain.append(seconds(lambda: network(token_ids))[0])
        taken, pass_ = seconds(lambda: record(network, token_ids))
        recorded.append(taken)
    ratio = statistics.median(recorded) / statistics.median(plain)
    print(f"\nGPT-2, {sum(p.numel() for p in network.parameters()):,} parameters, {TOKENS} tokens\n")
    print("| | measured | wanted |\n|---|---|---|")
    print(f"| a plain pass | {statistics.median(plain):.3f} s | |")
    print(f"| a recorded pass | {statistics.median(recorded):.3f} s, {ratio:.2f} × | at most 1.5 × |")
    print(f"| kept, a token | {kept_bytes(pass_) / TOKENS / 2**20:.2f} MiB | at most 3 MiB |", flush=True)
    taken, verdict = seconds(lambda: pass_.verify(numbers))
    print(
        f"| {numbers:,} random numbers | {verdict.unexplained} unexplained, {verdict.wrong} wrong, worst "
        f"{verdict.worst:.1e}, {taken:.1f} s | 0, 0, 1e-5 |",
        flush=True,
    )
    print(f"| naming everything, once | {seconds(pass_.list)[0]:.2f} s | |")
    print(f"| one explanation | {one_explanation(pass_) * 1e3:.2f} ms | at most 1 ms |")
    print(f"| its text | {one_explanation(pass_, text=True) * 1e3:.2f} ms | |")
    print(f"| a sum of 50,000 terms | {long_sum() * 1e3:.1f} ms | at most 10 ms |")
    prediction = pass_.prediction()
    taken, residual = seconds(prediction.residual, 3)
    print(
        f"| through the residual stream | {taken:.2f} s, {len(residual.contributions)} contributions, difference "
        f"{residual.difference:.1e} | at most 1 s |"
    )
    number = pass_["transformer.h.5.mlp.c_fc"][0, 30, 1000]
    print(f"| replaying from the middle | {seconds(lambda: pass_.replay({number: 1.0}))[0]:.2f} s | |", flush=True)


def one_explanation(pass_: Record, *, text: bool = False) -> float:
    """Value, recomputed value, difference and the largest twenty terms of a random number of a random tensor."""
    chosen = random.Random(1)
    tensors = [tensor for tensor in pass_.list() if tensor.what not in ("weight", "input") and all(tensor.shape)]
    taken = []
    for _ in range(200 if text else 1000):
        tensor = chosen.choice(tensors)
        number = tensor[tuple(chosen.randrange(size) for size in tensor.shape)]
        if text:
            taken.append(seconds(lambda number=number: str(number.explain()))[0])
        else:
            taken.append(seconds(lambda number=number: (number.recomputed, number.difference, number.terms[:20]))[0])
    return statistics.median(taken)


class Sum(torch.nn.Module):
    """One number that is a sum of 50,000 products."""

    def forward(self, x: torch.Tensor, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"sum": x @ weight}


def long_sum() -> float:
    pass_ = record(Sum(), torch.randn(1, 50_000), torch.randn(50_000, 1))

    def explain() -> Any:
        number = pass_["sum"][0, 0]
        return number.recomputed, number.terms[:20], number.terms.values[20:].sum()

    return seconds(explain, 20)[0]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--numbers", type=int, default=100_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    small_instances()
    gpt2_124m(options.numbers)


if __name__ == "__main__":
    main()
