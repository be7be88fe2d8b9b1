"""Results of operations computed anew by their rules: which rule holds, for how many elements at once, how exactly.

What a rule's formula comes to is said by `evaluate`; here are the elements of a whole result, and the magnitudes of
numbers in a re-run, down to what the fused operation read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from everysum.explain.asked import Asked, Pair, ask
from everysum.explain.evaluate import evaluate
from everysum.explain.operations import Operation
from everysum.explain.rules import rule_of
from everysum.explain.storage import Integers, Storage, Values, View, Write
from everysum.explain.templates import Node, compiled

if TYPE_CHECKING:
    from everysum.explain.record import Record

LIMITS = {
    "aten.convolution": "out[...] = not transposed",
    "aten.nll_loss_forward": "out[...] = rank(self) == 2",
    "aten.histc": "out[...] = min < max",
    "aten.topk": "out[...] = sorted",
}
"""What must hold for a rule to say the truth."""

WITHOUT_RULE = {"aten.scatter.reduce", "aten.scatter.value_reduce"}
"""Overloads of operations with a rule that compute something else."""

ELEMENTS_AT_ONCE = 4_000_000
FEW = 8
"""A share of a block: magnitudes of fewer numbers than one in so many are computed without the others."""


def statement_of(operation: Operation, output_number: int) -> Node | None:
    """The rule's line for one result of an operation, or None where there is no rule that holds."""
    facts = operation.facts
    if facts.name in WITHOUT_RULE:
        return None
    statements = rule_of(facts.name, facts.packet)
    if statements is None or output_number >= len(statements):
        return None
    return statements[output_number]


def holds(record: Record, operation: Operation) -> bool:
    """Whether the condition under which an operation's rule is true is met."""
    text = LIMITS.get(operation.facts.packet)
    if text is None:
        return True
    return bool(evaluate(compiled(text)[0]["value"], ask(record, operation, 0, [], 0))[0])


def bind(asked: Asked, statement: Node) -> Asked:
    """Give the names in a rule's pattern, such as `out[*batch, i, j]`, their meaning."""
    pattern, index = statement["index"], list(asked.index)
    names = rule_of(asked.operation.facts.name, asked.operation.facts.packet) or ()
    asked.results = {line["result"]: number for number, line in enumerate(names)}
    fixed = sum("variable" in item for item in pattern)
    while pattern:
        item, pattern = pattern[0], pattern[1:]
        if "captured" in item:
            count = len(index) - sum("variable" in later for later in pattern)
            asked.captured[item["captured"]] = index[:count]
            index = index[count:]
        elif "variable" in item and fixed:
            asked.variables[item["variable"]] = index.pop(0)
    return asked


def computed(record: Record, operation: Operation, output_number: int, coordinates: list[Integers]) -> Pair | None:
    """Value and magnitude of many elements of a result by its rule; None where it has no rule."""
    statement = statement_of(operation, output_number)
    if statement is None or not holds(record, operation):
        return None
    node = statement["value"]
    depth = statement["depth"]
    count = len(coordinates[0]) if coordinates else 1
    parts, done = [], 0
    while done < count:
        here = [c[done : done + at_once(operation, statement)] for c in coordinates]
        asked = bind(ask(record, operation, output_number, here, depth), statement)
        with np.errstate(all="ignore"):
            value, size = evaluate(node, asked)
        parts.append((spread(value, asked.shape), spread(size, asked.shape)))
        done += asked.shape[0]
    if not parts:
        return np.zeros(0), np.zeros(0)
    return np.concatenate([value for value, _ in parts]), np.concatenate([size for _, size in parts])


def spread(values: Any, shape: tuple[int, ...]) -> Values:
    return np.broadcast_to(values, shape).reshape(-1)


def at_once(operation: Operation, statement: Node) -> int:
    """How many elements to compute together, so that their terms fit into the processor's near memory."""
    together = statement["together"]
    if together == 0:
        return ELEMENTS_AT_ONCE
    largest = max([view.count for _, view in operation.inputs()] + [1])
    widest = max([max(view.size, default=1) for _, view in operation.inputs()] + [1])
    terms = int(min(largest, widest**together))
    return max(1, ELEMENTS_AT_ONCE // (8 * max(terms, 1)))


def magnitudes(record: Record, storage: Storage, offsets: Integers, time: int) -> Values:
    """The magnitudes of numbers in a block of a re-run, down to what the fused operation read.

    A few are computed by themselves, so that a question about one number costs no more than its own sum; where many are
    wanted, those of the whole block are. Either are remembered.
    """
    writes = [write for write in storage.writes if write.time < time]
    key, extent = (storage.number, len(writes)), extent_of(writes[-1].view)
    if key not in record.magnitudes and offsets.size * FEW < extent:
        known = record.few_magnitudes.setdefault(key, {})
        missing = [offset for offset in set(offsets.reshape(-1).tolist()) if offset not in known]
        if missing:
            known.update(zip(missing, magnitudes_of(record, writes, np.array(missing)).tolist(), strict=True))
        return np.array([known[offset] for offset in offsets.reshape(-1).tolist()]).reshape(offsets.shape)
    if key not in record.magnitudes:
        record.magnitudes[key] = magnitudes_of(record, writes, np.arange(extent))
    return record.magnitudes[key][offsets]


def magnitudes_of(record: Record, writes: list[Write], offsets: Integers) -> Values:
    """The magnitudes of the numbers at these offsets as the last of these writes left them."""
    last, found = writes[-1], np.zeros(len(offsets))
    covered, coordinates = last.view.coordinates_of(offsets)
    coordinates = [each[covered] for each in coordinates]
    pair = computed(record, last.operation, last.output, coordinates)
    own = last.view.storage.values(offsets[covered], last.time + 1, last.view.dtype)
    found[covered] = np.abs(own) if pair is None else pair[1]
    if len(writes) > 1 and not covered.all():
        found[~covered] = magnitudes(record, last.view.storage, offsets[~covered], last.time)
    return found


def extent_of(view: View) -> int:
    """How many numbers a view's storage holds."""
    return int(view.storage.memory.nbytes()) // view.dtype.itemsize
