"""How well does a translator translate after so many minutes? The encoder-decoder beside one tower with a separator.

    python benchmarks/translation.py [--minutes 20] [--recipes transformer separator] [--beam 5] [--keep FOLDER]

Multi30k, German to English: 29,000 pairs to train on, 1,014 to measure on while training, and test_2016_flickr, 1,000
sentences, to translate at the end, once: nothing is chosen by them. Each recipe has the same minutes, start-up
included, in a process of its own, and is scored by `everysum evaluate --pairs`: BLEU and chrF of sacrebleu, cased and
detokenized. What a sentence costs is the time of translating all of them, divided; and, counted from the sizes, the
additions and multiplications of one sentence's greedy translation of average length.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RECIPES = ("transformer", "separator")
EVERYSUM = Path(sys.executable).with_name("everysum")


def run(*command: str | Path, cache: Path) -> tuple[str, float]:
    """What a command prints, and the seconds from its start to its end."""
    began = time.monotonic()
    environment = {**os.environ, "EVERYSUM_CACHE": str(cache)}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout, time.monotonic() - began


def pair(data: Path, name: str) -> tuple[Path, Path]:
    return data / f"{name}.de", data / f"{name}.en"


def operations_a_sentence(network: dict[str, Any], vocabulary_size: int, source: float, target: float) -> float:
    """Additions and multiplications for a greedy translation with caches, of so many tokens on each side.

    Two for each weight that a token passes; what attention adds at such lengths is less than a twentieth.
    """
    width, inner = network["width"], network["inner_width"]
    head = vocabulary_size * width
    if network["kind"] == "transformer":
        encoder = network["encoder_layers"] * (4 * width**2 + 2 * width * inner)
        decoder = network["decoder_layers"] * (6 * width**2 + 2 * width * inner)
        memory = network["decoder_layers"] * 2 * width**2
        return 2 * (source * (encoder + memory) + target * (decoder + head))
    matrices = 3 if network["kind"] == "llama" else 2
    tower = network["layers"] * (4 * width**2 + matrices * width * inner)
    return 2 * ((source + target) * tower + target * head)


def measured(recipe: str, minutes: float, beam: int, data: Path, folder: Path) -> dict[str, Any]:
    """Train from nothing, translate the test sentences, score."""
    out, cache = folder / f"{recipe}-{minutes:g}", folder / f"cache-{recipe}-{minutes:g}"
    given = ("--pairs", *pair(data, "train"), "--valid", *pair(data, "val"), "--minutes", f"{minutes:g}")
    _, took = run(EVERYSUM, "train", *given, "--recipe", recipe, "--out", out, "--json", cache=cache)
    test = ("--pairs", *pair(data, "test_2016_flickr"), "--beam", str(beam))
    scored, _ = run(EVERYSUM, "evaluate", out, *test, "--json", cache=cache)
    values, found = json.loads((out / "recipe.json").read_text()), json.loads(scored)
    vocabulary_size = json.loads((out / "config.json").read_text())["vocab_size"]
    target = found["target_tokens"] / found["pairs"]
    cost = operations_a_sentence(values["network"], vocabulary_size, target, target)
    return {**found, "took": took, "recipe": values, "operations": cost}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, nargs="+", default=[20.0])
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES)
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="keep the runs in this folder")
    options = parser.parse_args()
    data = os.environ.get("EVERYSUM_TEST_DATA")
    if not data or not Path(data).is_dir():
        print("translation: SKIPPED, no test material (EVERYSUM_TEST_DATA)")
        return
    multi30k = Path(data) / "parallel" / "multi30k"
    columns = (
        "recipe",
        "network",
        "minutes",
        "learned from",
        "loss",
        "BLEU",
        "chrF",
        "ms a sentence",
        "sums a sentence",
    )
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|", flush=True)
    signatures: set[str] = set()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        for minutes in options.minutes:
            for name in options.recipes:
                found = measured(name, minutes, options.beam, multi30k, folder)
                network, schedule = found["recipe"]["network"], found["recipe"]["schedule"]
                layers = network.get("layers") or f"{network['encoder_layers']} + {network['decoder_layers']}"
                tokens = schedule["steps"] * schedule["batch_size"]
                row = (
                    name,
                    f"{layers} × {network['width']}",
                    f"{found['took'] / 60:.1f}",
                    f"{tokens:,} tokens",
                    f"{found['loss']:.3f}",
                    f"{found['bleu']['score']:.2f}",
                    f"{found['chrf']['score']:.2f}",
                    f"{1000 / found['sentences_per_second']:.1f}",
                    f"{found['operations'] / 1e6:.0f} million",
                )
                print("| " + " | ".join(row) + " |", flush=True)
                signatures |= {found["bleu"]["signature"], found["chrf"]["signature"]}
    print(f"\nbeam {options.beam}; " + "; ".join(sorted(signatures)))


if __name__ == "__main__":
    main()
