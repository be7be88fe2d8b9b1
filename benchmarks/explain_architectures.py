"""Explaining networks that nobody prepared for: ten more architectures of transformers, tiny and random
(those of tests/foreign_networks.py).

    python benchmarks/explain_architectures.py

Every element of every recorded tensor; wanted: at least 99 % explained, and rightly, on eight of the ten. What is
missing is named operation by operation.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import transformers

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from foreign_networks import ARCHITECTURES

from everysum.explain import record


def main() -> None:
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    reached = 0
    print("| architecture | numbers | explained and right | worst relative error | missing or wrong |")
    print("|---|---|---|---|---|", flush=True)
    for name, build in ARCHITECTURES.items():
        case = build()
        with torch.no_grad():
            verdict = record(case.network, **case.named).verify()
        share = 1 - (verdict.unexplained + verdict.wrong) / verdict.numbers
        reached += share >= 0.99
        missing = ", ".join(f"{count:,} of {name}" for name, count in (verdict.opaque + verdict.mistaken).most_common())
        print(
            f"| {name} | {verdict.numbers:,} | {share:.2%} | {verdict.worst:.1e} | {missing or 'nothing'} |", flush=True
        )
    print(f"\n99 % on {reached} of {len(ARCHITECTURES)} architectures; wanted: 8")


if __name__ == "__main__":
    main()
