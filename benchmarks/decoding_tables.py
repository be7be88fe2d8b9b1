"""What benchmarks/decoding.py prints: tables of medians, and what was wanted of their ratios."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Comparison = tuple[str, str, float | None]
"""Ours, the peer, and how many times as fast ours should be."""


def llama_cpp(wanted: float | None) -> list[Comparison]:
    """With each of its forms of as many bits, as it is and with huge pages."""
    forms = {"bf16": ("BF16",), "int8": ("Q8_0",), "int4": ("Q4_0", "Q4_0 pure")}
    return [
        (f"everysum {ours}", f"llama.cpp {form}{pages}", wanted)
        for ours, theirs in forms.items()
        for form in theirs
        for pages in ("", ", huge pages")
    ]


def transformers(wanted: float | None) -> list[Comparison]:
    """Each form of its own, and the one that a person would choose against its default."""
    return [
        ("everysum float32", "transformers float32", None),
        ("everysum bf16", "transformers bf16", None),
        ("everysum bf16", "transformers float32", wanted),
    ]


WANTED: Mapping[str, Sequence[Comparison]] = {
    "decoding": [*transformers(5.0), *llama_cpp(1.0)],
    "prefill": [*transformers(None), *llama_cpp(1.0)],
    "batch": [*transformers(3.0), *llama_cpp(None)],
    "translation": [*transformers(None), ("everysum int8", "transformers float32", None)],
}
"""Who is compared with whom in each part."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print("\n| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def print_ratios(part: str, speeds: Mapping[str, float]) -> None:
    """Of those that took part: how many times as fast one is as another, by their medians."""
    pairs = [(ours, peer, wanted) for ours, peer, wanted in WANTED[part] if ours in speeds and peer in speeds]
    if pairs:
        print_table(
            (f"{part}: ratio", "measured", "wanted"),
            (
                (f"{ours} ÷ {peer}", f"{speeds[ours] / speeds[peer]:.2f}", "" if wanted is None else f"{wanted:g}")
                for ours, peer, wanted in pairs
            ),
        )


def medians(runs: Mapping[str, Sequence[Any]], key: str | None = None) -> dict[str, float]:
    """Each contestant's median, of a value in its answers if they have several."""
    return {
        name: statistics.median(answer if key is None else answer[key] for answer in answers)
        for name, answers in runs.items()
    }


def print_decoding(
    shape: str, runs: Mapping[str, Sequence[Any]], weights: Mapping[str, tuple[int, int]], bytes_a_second: float
) -> None:
    """Time to the first token, tokens a second after it, and their share of what memory allows."""
    first, rates = medians(runs, "first"), medians(runs, "rate")
    rows = []
    for name, rate in rates.items():
        size, numbers = weights[name]
        limit = bytes_a_second / size
        rows.append(
            (
                name,
                f"{first[name] * 1e3:.1f} ms",
                f"{rate:,.1f}",
                f"{8 * size / numbers:.2f}",
                f"{size / 1e6:,.1f} MB",
                f"{limit:,.0f}",
                f"{rate / limit:.0%}",
            )
        )
    columns = ("to the first token", "tokens/s after it", "bits a weight", "read a token", "limit, tokens/s", "share")
    print_table((f"decoding, {shape}", *columns), rows)
    print_ratios("decoding", rates)


def print_by_memory(runs: Mapping[str, Sequence[Any]], around: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Tokens a second of the turns in which memory was slow, and of those in which it was fast, and their ratios.

    A turn between a slow and a fast reading is neither. Where nine tenths of the readings lie within a third of each
    other, memory had one speed.
    """
    readings = [reading for pairs in around.values() for pair in pairs for reading in pair]
    slowest, *_, fastest = statistics.quantiles(readings, n=20, method="inclusive")
    middle = (slowest + fastest) / 2
    if fastest < 4 / 3 * slowest:
        return
    for name_of_speed, belongs in (
        ("slow", lambda reading: reading < middle),
        ("fast", lambda reading: reading > middle),
    ):
        rates = {
            name: [
                answer["rate"] for answer, pair in zip(answers, around[name], strict=True) if all(map(belongs, pair))
            ]
            for name, answers in runs.items()
        }
        found = {name: statistics.median(some) for name, some in rates.items() if some}
        given = statistics.median(reading for reading in readings if belongs(reading)) / 1e9
        print_table(
            (f"decoding while memory is {name_of_speed}, {given:.0f} GB/s", "turns", "tokens/s"),
            ((name, str(len(rates[name])), f"{rate:,.1f}") for name, rate in found.items()),
        )
        print_ratios("decoding", found)


def print_speeds(part: str, shape: str, seconds: Mapping[str, float], count: int, unit: str = "tokens/s") -> None:
    """So many tokens, or whatever `unit` counts, in a median time."""
    speeds = {name: count / median for name, median in seconds.items()}
    print_table(
        (f"{part}, {shape}", "seconds", unit),
        ((name, f"{seconds[name]:.3f}", f"{speed:,.1f}") for name, speed in speeds.items()),
    )
    print_ratios(part, speeds)
