"""What a person feels before anything happens: `everysum --help` and `everysum doctor`, medians of 20 runs.

python benchmarks/start_up.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 20
LIMITS = {"--help": 0.3, "doctor": 3.0}
EVERYSUM = Path(sys.executable).with_name("everysum")


def seconds(argument: str) -> float:
    began = time.perf_counter()
    subprocess.run([EVERYSUM, argument], capture_output=True, check=True)
    return time.perf_counter() - began


def main() -> None:
    print("| command | median of 20, seconds | wanted |\n|---|---|---|")
    for argument, limit in LIMITS.items():
        median = statistics.median(seconds(argument) for _ in range(RUNS))
        print(f"| everysum {argument} | {median:.2f} | under {limit} |", flush=True)


if __name__ == "__main__":
    main()
