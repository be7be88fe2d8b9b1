"""Recomputing numbers of a pass from their explanations, and counting where that fails."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from everysum.errors import UsageError
from everysum.explain.asked import Pair
from everysum.explain.opening import opened
from everysum.explain.operations import Operation
from everysum.explain.record import Record
from everysum.explain.recorded import drawn
from everysum.explain.results import computed
from everysum.explain.rules import UNFILLED
from everysum.explain.storage import Integers, View
from everysum.explain.tolerance import tolerance_of


@dataclass
class Verdict:
    """What recomputing numbers in float64 from the recorded inputs of their formulas gave."""

    numbers: int = 0
    """How many were recomputed or found to have no explanation; random draws are not among them."""
    unexplained: int = 0
    wrong: int = 0
    """Farther from the recorded value than the tolerance of the narrowest type in their making."""
    worst: float = 0.0
    """The largest difference, as a share of the sum of the absolute terms."""
    drawn: int = 0
    """Random draws: nothing made them."""
    opaque: Counter[str] = field(default_factory=Counter)
    """How many numbers of which operation have no explanation."""
    mistaken: Counter[str] = field(default_factory=Counter)
    """How many numbers of which operation are wrong."""

    def as_json(self) -> dict[str, Any]:
        return {
            "numbers": self.numbers,
            "unexplained": self.unexplained,
            "wrong": self.wrong,
            "worst_relative_error": self.worst,
            "drawn": self.drawn,
            "opaque": dict(self.opaque),
            "mistaken": dict(self.mistaken),
        }

    def __str__(self) -> str:
        lines = [
            f"{self.numbers:,} numbers recomputed from their explanations: {self.unexplained:,} unexplained, "
            f"{self.wrong:,} wrong, worst relative error {self.worst:.1e}"
        ]
        lines += [f"  no explanation: {count:,} of {name}" for name, count in self.opaque.most_common()]
        lines += [f"  wrong: {count:,} of {name}" for name, count in self.mistaken.most_common()]
        return "\n".join(lines)


Results = list[tuple[Record, Operation, int, View]]


def results_of(record: Record) -> Results:
    """Every result that an operation of a pass made, also those of the fused operations opened so far."""
    found: Results = []
    for operation in record.operations:
        if operation.makes and operation.facts.packet.partition(".")[2] not in UNFILLED:
            for number, view in enumerate(operation.outputs):
                if view is not None and made(operation, view):
                    found.append((record, operation, number, view))
    return found


def made(operation: Operation, view: View) -> bool:
    """Whether an output is the operation's own work, and no view of something older."""
    return view.count > 0 and any(write.operation is operation for write in view.storage.writes)


def verified(record: Record, count: int | None, seed: int) -> Verdict:
    """Recompute `count` numbers, chosen at random from all that were made; without a count every one of them."""
    if count is not None and count < 1:
        raise UsageError("this many numbers cannot be recomputed", wanted="1 or more", came=str(count))
    record.check()
    verdict, results = Verdict(), results_of(record)
    if count is None:
        for inside, operation, output, view in results:
            verify_elements(verdict, inside, operation, output, view, view.all_coordinates())
        for inner in [inner for inner in record.nested.values() if inner is not None]:
            add(verdict, verified(inner, None, seed))
        return verdict
    ends = np.cumsum([view.count for *_, view in results])
    if not len(ends):
        return verdict
    chosen = np.sort(np.random.default_rng(seed).integers(0, ends[-1], count))
    owners = np.searchsorted(ends, chosen, side="right")
    for number in np.unique(owners):
        inside, operation, output, view = results[int(number)]
        places = chosen[owners == number] - (ends[number] - view.count)
        coordinates: list[Integers] = list(np.unravel_index(places, view.size)) if view.size else []
        verify_elements(verdict, inside, operation, output, view, coordinates)
    return verdict


def add(verdict: Verdict, other: Verdict) -> None:
    verdict.numbers += other.numbers
    verdict.unexplained += other.unexplained
    verdict.wrong += other.wrong
    verdict.drawn += other.drawn
    verdict.worst = max(verdict.worst, other.worst)
    verdict.opaque += other.opaque
    verdict.mistaken += other.mistaken


def verify_elements(
    verdict: Verdict, record: Record, operation: Operation, number: int, view: View, coordinates: list[Integers]
) -> None:
    """Recompute these elements of a result."""
    count = len(coordinates[0]) if coordinates else 1
    if drawn(operation, number):
        verdict.drawn += count
        return
    verdict.numbers += count
    pair = recomputed(record, operation, number, coordinates)
    if pair is None:
        verdict.unexplained += count
        verdict.opaque[operation.facts.name] += count
        return
    value, magnitude = pair
    recorded = np.atleast_1d(view.storage.values(view.offsets(coordinates), operation.time + 1, view.dtype))
    tolerance = tolerance_of(operation, view)
    wrong = int((~tolerance.allows(recorded, value, magnitude)).sum())
    verdict.wrong += wrong
    if wrong:
        verdict.mistaken[operation.facts.name] += wrong
    with np.errstate(all="ignore"):
        scale = np.maximum(np.where(np.isfinite(magnitude), magnitude, 0), np.abs(recorded))
        share = np.abs(recorded - value) / np.maximum(scale, tolerance.smallest or 1e-300)
    share = share[np.isfinite(share) & (recorded != value)]
    verdict.worst = max(verdict.worst, float(share.max(initial=0.0)))


def recomputed(record: Record, operation: Operation, number: int, coordinates: list[Integers]) -> Pair | None:
    """Elements of a result by its rule, or by the rules of what the operation stands for."""
    pair = computed(record, operation, number, coordinates)
    if pair is not None:
        return pair
    inner = opened(record, operation)
    if inner is None or number >= len(inner.outputs):
        return None
    view = inner.outputs[number][1]
    offsets = np.broadcast_to(view.offsets(coordinates), (len(coordinates[0]) if coordinates else 1,))
    for write in reversed(view.storage.writes):
        covered, places = write.view.coordinates_of(offsets)
        if covered.all():
            return recomputed(inner, write.operation, write.output, places)
    return None
