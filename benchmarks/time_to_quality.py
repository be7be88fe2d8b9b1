"""How long until a model predicts text well? everysum's default recipe beside nanoGPT's recipe in transformers.

    python benchmarks/time_to_quality.py [--repeats 3] [--texts shakespeare looking_glass multi30k]

Of each text the first 90 % of the bytes are trained on and the last 10 % held out. The peer (see `peer_gpt2`) and
everysum run one after the other, each in a process of its own, as often as asked for. everysum is given a share of the
time that the peer has just taken, start-up included on both sides, and is scored by `everysum evaluate`: every held-out
byte once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHARES = {"shakespeare": (1 / 8, 3 / 4), "looking_glass": (1 / 3,), "multi30k": (1 / 3,)}
"""The peer's time × these; nanoGPT itself takes about 3/4 of the time that its recipe takes in transformers."""
FILES = {
    "shakespeare": "text/tinyshakespeare.txt",
    "looking_glass": "text/gutenberg/looking_glass_12-0.txt",
    "multi30k": "parallel/multi30k/train.de",
}
HERE = Path(__file__).parent
EVERYSUM = Path(sys.executable).with_name("everysum")


@dataclass(frozen=True)
class Split:
    train: Path
    held_out: Path


def split(text: Path, folder: Path) -> Split:
    """The first 90 % of the bytes and the rest, cut between two characters."""
    content = text.read_bytes()
    cut = len(content) * 9 // 10
    while content[cut] & 0xC0 == 0x80:
        cut += 1
    parts = Split(folder / f"{text.stem}-train.txt", folder / f"{text.stem}-held-out.txt")
    parts.train.write_bytes(content[:cut])
    parts.held_out.write_bytes(content[cut:])
    return parts


def run(*command: str | Path, cache: Path) -> tuple[str, float]:
    """What a command prints, and the seconds from its start to its end."""
    began = time.monotonic()
    environment = {**os.environ, "EVERYSUM_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout, time.monotonic() - began


def everysum(parts: Split, seconds: float, folder: Path) -> dict[str, Any]:
    """Train with the default recipe for so many seconds, from nothing, and score."""
    out, cache = folder / "run", folder / "cache"
    for used in (out, cache):
        shutil.rmtree(used, ignore_errors=True)
    minutes = ("--minutes", f"{seconds / 60:.4f}")
    _, took = run(
        EVERYSUM, "train", parts.train, "--valid", parts.held_out, *minutes, "--out", out, "--json", cache=cache
    )
    scored, _ = run(EVERYSUM, "evaluate", out, parts.held_out, "--json", cache=cache)
    network = json.loads((out / "recipe.json").read_text())["network"]
    return {
        **json.loads(scored),
        "seconds": took,
        "given": seconds,
        "width": network["width"],
        "layers": network["layers"],
    }


def median(values: list[dict[str, Any]], key: str) -> float:
    return statistics.median(value[key] for value in values)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--texts", nargs="*", default=list(FILES), choices=list(FILES))
    options = parser.parse_args()
    data = os.environ.get("EVERYSUM_TEST_DATA")
    if not data or not Path(data).is_dir():
        print("time_to_quality: SKIPPED, no test material (EVERYSUM_TEST_DATA)")
        return
    print("| text | | bits per byte | seconds | share of the peer's time |\n|---|---|---|---|---|", flush=True)
    for name in options.texts:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            parts = split(Path(data) / FILES[name], folder)
            peers: list[dict[str, Any]] = []
            ours: dict[float, list[dict[str, Any]]] = {share: [] for share in SHARES[name]}
            for _ in range(options.repeats):
                peer = json.loads(
                    run(sys.executable, HERE / "peer_gpt2.py", parts.train, parts.held_out, cache=folder)[0]
                )
                peers.append(peer)
                for share, results in ours.items():
                    results.append(everysum(parts, share * peer["seconds"], folder))
            time_of_peer = median(peers, "seconds")
            bits = median(peers, "bits_per_byte")
            print(f"| {name} | GPT2LMHeadModel | {bits:.3f} | {time_of_peer:.1f} | 1 |", flush=True)
            for results in ours.values():
                took, bits = median(results, "seconds"), median(results, "bits_per_byte")
                print(f"| {name} | everysum | {bits:.3f} | {took:.1f} | {took / time_of_peer:.3f} |", flush=True)


if __name__ == "__main__":
    main()
