"""Decoding at the speed of memory: everysum beside transformers and llama.cpp, in 32, 16, 8 and 4 bits, in one run.

    python benchmarks/decoding.py [--repeats 5] [--parts decoding prefill batch lookup translation] [--json FILE]
        [--shapes GPT-2 Llama] [--model RUN] [--translator RUN] [--folder FOLDER] [--device cpu|cuda] [--quick]

GPT-2's shape and Llama's, 124 million random weights each (`decoding_models`), greedy, as many threads as cores;
nothing ends early. What the peers are and how each is at its best stands in `decoding_peers` and `llama_cpp_peer`;
those that are not installed are skipped aloud. Everybody computes in a process of its own and takes turns; medians, and
their ratios. A first turn of each, in which it gets warm, does not count.

* decoding: a prompt of 32 tokens, 128 more. Seconds to the first token (the prompt is read, a token chosen), and the
  tokens a second after it: the prompt does not count. A token reads all weights once, so memory sets a limit: the bytes
  that all cores read in a second (`reading_speed`, the best of readings between the turns), divided by the weights'.
  Where memory had two speeds during the run, a second table tells the turns at each from the other.
* prefill: a prompt of 512 tokens until the next is known.
* batch: 32 prompts of 32 tokens at once, 64 more each; prompts and tokens are timed together.
* lookup: a model trained on real text (--model) goes on with "The House That Jack Built" (or --text), with and without
  prompt look-up; both texts have to be the same.
* translation: 5 beams, Multi30k's test sentences (or --sentences), a model trained on pairs (--translator).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from decoding_models import FULL, QUICK, Sizes, make_folder, make_gguf
from decoding_tables import medians, print_by_memory, print_decoding, print_speeds
from decoding_texts import lookup, translation
from llama_cpp_peer import HUGE_PAGES, says_of_itself
from reading_speed import ReadingSpeed
from taking_turns import Entry, Missing, Round

from everysum import machine

PARTS = ("decoding", "prefill", "batch", "lookup", "translation")
SHAPES = ("GPT-2", "Llama")
FORMS = ("float32", "bf16", "int8", "int4")


def contestants(
    folder: Path, files: Mapping[str, Path], forms: Sequence[str], threads: int, device: str
) -> dict[str, Entry]:
    """Ours and theirs in turn; `files` are llama.cpp's, if it takes part."""
    entries: dict[str, Entry] = {}
    beside = {"float32": [], "bf16": ["BF16"], "int8": ["Q8_0"], "int4": ["Q4_0", "Q4_0 pure"]}
    for form in forms:
        entries[f"everysum {form}"] = Entry("decoding_ours", "Everysum", (folder, form, threads, device))
        if form in ("float32", "bf16"):
            dtype = {"float32": "float32", "bf16": "bfloat16"}[form]
            entries[f"transformers {form}"] = Entry("decoding_peers", "Transformers", (folder, dtype, threads, device))
        for their_form in beside[form] if files else []:
            given = (files[their_form], threads)
            entries[f"llama.cpp {their_form}"] = Entry("llama_cpp_peer", "LlamaCpp", given)
            name = f"llama.cpp {their_form}, huge pages"
            entries[name] = Entry("llama_cpp_peer", "LlamaCpp", (*given, False), HUGE_PAGES)
    return entries


def llama_cpp_takes_part(device: str) -> bool:
    """Whether it does, said aloud."""
    try:
        if device != "cpu":
            raise Missing("it computes on the CPU here")
        print(says_of_itself(), flush=True)
    except Missing as why:
        print(f"llama.cpp: SKIPPED, {why}", flush=True)
        return False
    return True


def random_ids(count: int, sizes: Sizes, seed: int = 0) -> list[int]:
    chosen = random.Random(seed)
    return [chosen.randrange(sizes.vocabulary) for _ in range(count)]


def networks(options: argparse.Namespace, sizes: Sizes, home: Path, reading: ReadingSpeed) -> list[dict[str, Any]]:
    """Decoding, prefill and batches with networks of random weights; the raw numbers."""
    raw: list[dict[str, Any]] = []
    with_llama_cpp = llama_cpp_takes_part(options.device)
    for shape in options.shapes:
        folder = make_folder(shape, sizes, home / shape.lower())
        files = make_gguf(folder) if with_llama_cpp else {}
        with Round(contestants(folder, files, options.forms, options.threads, options.device)) as table:
            weights = table.ask("weights")
            for part in options.parts:
                if part == "decoding":
                    given = ("decode", random_ids(sizes.prompt, sizes), sizes.tokens)
                    runs = table.play(options.repeats, *given, between=reading.measure)
                    print_decoding(shape, runs, weights, reading.best)
                    print_by_memory(runs, table.around)
                elif part == "prefill":
                    runs = table.play(options.repeats, "prefill", random_ids(sizes.prefill, sizes))
                    print_speeds(part, f"{shape}, {sizes.prefill} tokens", medians(runs), sizes.prefill)
                elif part == "batch":
                    prompts = [random_ids(sizes.prompt, sizes, row) for row in range(sizes.batch)]
                    runs = table.play(options.repeats, "batch", prompts, sizes.batch_tokens)
                    total = sizes.batch * sizes.batch_tokens
                    print_speeds(part, f"{shape}, {sizes.batch} prompts", medians(runs), total)
                else:
                    continue
                raw += [
                    {
                        "part": part,
                        "shape": shape,
                        "contestant": name,
                        "weights": weights[name],
                        "runs": answers,
                        "memory": table.around[name],
                    }
                    for name, answers in runs.items()
                ]
            raw += chosen_settings(table, shape)
    return raw


def chosen_settings(table: Round, shape: str) -> list[dict[str, Any]]:
    """Say what was the fastest way to compute for each of llama.cpp's files."""
    found = {name: seat.ask("settings") for name, seat in table.seats.items() if name.startswith("llama.cpp")}
    print()
    for name, settings in found.items():
        print(f"{name}: " + "; ".join(f"{part} with {way}" for part, way in settings.items()))
    return [{"shape": shape, "contestant": name, "settings": settings} for name, settings in found.items()]


def versions() -> dict[str, str]:
    """Of those that take part."""
    found = {}
    for name in ("everysum", "torch", "transformers", "llama-cpp-python"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=SHAPES)
    parser.add_argument("--forms", nargs="+", default=list(FORMS), choices=FORMS, help="of everysum's weights")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--model", type=Path, help="a trained language model, for lookup")
    parser.add_argument("--text", type=Path, help="what it goes on with")
    parser.add_argument("--translator", type=Path)
    parser.add_argument("--sentences", type=Path)
    parser.add_argument("--count", type=int, default=1000, help="of the sentences")
    parser.add_argument("--folder", type=Path, help="keep the networks of random weights here")
    parser.add_argument("--json", type=Path, help="write the raw numbers into this file")
    parser.add_argument("--quick", action="store_true", help="tiny networks: only to see that everything works")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    sizes = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory() as temporary:
        home = (options.folder or Path(temporary)) / ("quick" if options.quick else "full")
        reading = ReadingSpeed(options.threads, options.device)
        for _ in range(5):
            reading.measure()
        print("; ".join(f"{name} {version}" for name, version in versions().items()))
        print(
            f"{machine.processor_name()}, {options.threads} threads; memory is read at {reading.best / 1e9:.1f} GB/s",
            flush=True,
        )
        raw = networks(options, sizes, home, reading) if {"decoding", "prefill", "batch"} & {*options.parts} else []
        if "lookup" in options.parts:
            raw += lookup(options, home)
        if "translation" in options.parts:
            raw += translation(options)
        print(f"\nmemory was read at up to {reading.best / 1e9:.1f} GB/s in this run")
    if options.json is not None:
        document = {
            "quick": options.quick,
            "processor": machine.processor_name(),
            "versions": versions(),
            "threads": options.threads,
            "bytes_a_second": reading.best,
            "measured": raw,
        }
        options.json.write_text(json.dumps(document) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
