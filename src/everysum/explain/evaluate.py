"""Evaluating rules: for one element of a result or for many at once, in float64 from what the pass recorded.

Every array has one axis for the elements that are asked for, and one more for each reduction that a formula is in: the
reduction at depth d runs along axis d. Beside each value goes its magnitude: the same formula with every term taken
without its sign, which says how large a rounding error may be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from everysum.explain.asked import Asked, Pair, ask
from everysum.explain.functions import applied, needs_magnitudes
from everysum.explain.lookups import INDEX_FUNCTIONS, SIZE_FUNCTIONS
from everysum.explain.operations import Operation
from everysum.explain.reach import in_common
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


# --- the evaluator ---------------------------------------------------------------------------------------------------


def evaluate(node: Node, asked: Asked) -> Pair:
    """The value of a formula and its magnitude."""
    if "read" in node:
        return read(node, asked)
    if "constant" in node or "argument" in node or "variable" in node:
        value = np.asarray(raw(node, asked))
        return value, np.abs(value) if value.dtype.kind in "if" else value
    if "reduce" in node:
        return reduced(node, asked)
    if "name" in node:
        return evaluate(node["of"], asked)
    if "choose" in node:
        return choice(node, asked)
    return call(node, asked)


def raw(node: Node, asked: Asked) -> Any:
    """What an argument or a place is, as it stands: a tensor's view, a list, a text, a number."""
    if "constant" in node:
        return node["constant"]
    if "argument" in node:
        name = node["argument"]
        if name in asked.operation.arguments:
            return asked.operation.arguments[name]
        return {"nan": np.nan}.get(name)
    if "variable" in node:
        name = node["variable"]
        return asked.variables[name] if name in asked.variables else asked.operation.arguments.get(name)
    return evaluate(node, asked)[0]


def read(node: Node, asked: Asked) -> Pair:
    name = node["read"]
    arguments = asked.operation.arguments
    if name in arguments:
        source, time = arguments[name], asked.operation.time
    else:
        source, time = asked.operation.outputs[asked.results[name]], asked.operation.time + 1
    if not isinstance(source, (View, list, tuple)):
        value = np.asarray(source)
        return value, np.abs(value)
    if "piece" in node:
        return read_pieces(node, source, asked)
    assert isinstance(source, View)
    return asked.pair(source, indices(node["at"], asked), name, time)


def read_pieces(node: Node, sources: Any, asked: Asked) -> Pair:
    """Elements from a list of tensors: each from the one that `piece` says."""
    name, piece = node["read"], np.asarray(evaluate(node["piece"], asked)[0])
    coordinates = indices(node["at"], asked)
    numbers = np.unique(piece)
    if len(numbers) == 1:
        return asked.pair(sources[int(numbers[0])], coordinates, f"{name}.{int(numbers[0])}", asked.operation.time)
    inner, total = asked.within_branch(), (np.zeros(()), np.zeros(()))
    for number in numbers:
        pair = inner.pair(sources[int(number)], coordinates, f"{name}.{int(number)}", asked.operation.time)
        total = (np.where(piece == number, pair[0], total[0]), np.where(piece == number, pair[1], total[1]))
    return total


def indices(items: list[Node], asked: Asked) -> list[Any]:
    """The coordinates that the index of a read stands for."""
    found: list[Any] = []
    for item in items:
        if "all" in item:
            found += asked.index
        elif "captured" in item:
            found += asked.captured[item["captured"]]
        elif "indices" in item:
            found += INDEX_FUNCTIONS[item["indices"]](asked, *(raw(argument, asked) for argument in item["of"]))
        else:
            found.append(np.asarray(raw(item, asked)))
    return found


def reduced(node: Node, asked: Asked) -> Pair:
    """A sum, a maximum, … over a variable, along an axis of its own."""
    shared = in_common(node, asked)
    if shared is not None:
        few, kinds = shared
        value, size = reduced(node, few)
        return (value, size) if len(value) == 1 else (value[kinds], size[kinds])
    inner, inside = opened(node, asked)
    value, size = evaluate(node["of"], inner)
    axis, count = level(node, asked), inner.variables[node["over"]].size
    value, size = (lengthened(array, axis, count, len(asked.shape)) for array in (value, size))
    if inside is not None:
        nothing = NEUTRAL[node["reduce"]](value.dtype)
        value, size = np.where(inside, value, nothing), np.where(inside, size, 0)
    return reduce_along(node["reduce"], value, size, axis)


def level(node: Node, asked: Asked) -> int:
    """The axis along which a reduction runs: one for each reduction inside of it, counted from the last."""
    return len(asked.shape) - int(node["depth"])


def opened(node: Node, asked: Asked) -> tuple[Asked, Any]:
    """The elements with a reduction's variable running, and where it runs farther than for an element's own count."""
    count = np.asarray(evaluate(node["count"], asked)[0])
    most = int(count.max()) if count.size else 0
    form = [1] * len(asked.shape)
    form[level(node, asked)] = most
    running = np.arange(most, dtype=np.int64).reshape(form)
    inside = None if count.size <= 1 or (count == most).all() else running < count
    inner = asked.with_variable(node["over"], running)
    return (inner if inside is None else inner.within_branch()), inside


def lengthened(array: Any, axis: int, count: int, rank: int) -> Values:
    """A formula without the variable is the same for every place of it."""
    array = np.asarray(array)
    array = array.reshape((1,) * (rank - array.ndim) + array.shape)
    form = list(array.shape)
    form[axis] = count
    return np.broadcast_to(array, form)


NEUTRAL: dict[str, Any] = {
    "sum": lambda dtype: 0,
    "any": lambda dtype: 0,
    "prod": lambda dtype: 1,
    "all": lambda dtype: 1,
    "max": lambda dtype: -np.inf if dtype.kind == "f" else np.iinfo(np.int64).min,
    "min": lambda dtype: np.inf if dtype.kind == "f" else np.iinfo(np.int64).max,
}


def reduce_along(kind: str, value: Values, size: Values, axis: int) -> Pair:
    if kind == "sum":
        return value.sum(axis=axis, keepdims=True), size.sum(axis=axis, keepdims=True)
    if kind == "prod":
        return value.prod(axis=axis, keepdims=True), size.prod(axis=axis, keepdims=True)
    if kind in ("any", "all"):
        value = getattr(value != 0, kind)(axis=axis, keepdims=True).astype(np.int64)
        return value, value
    if value.shape[axis] == 0:
        value = np.full([1 if a == axis else n for a, n in enumerate(value.shape)], NEUTRAL[kind](value.dtype))
        return value, np.abs(value)
    taken = np.expand_dims(value.argmax(axis=axis) if kind == "max" else value.argmin(axis=axis), axis)
    return np.take_along_axis(value, taken, axis), np.take_along_axis(size, taken, axis)


def choice(node: Node, asked: Asked) -> Pair:
    """One of two formulas; where all elements take the same, the other is not evaluated."""
    condition = np.asarray(evaluate(node["choose"], asked)[0]) != 0
    if condition.size and condition.all():
        return evaluate(node["then"], asked)
    if not condition.any():
        return evaluate(node["else"], asked)
    inner = asked.within_branch()
    (first, first_size), (second, second_size) = evaluate(node["then"], inner), evaluate(node["else"], inner)
    return np.where(condition, first, second), np.where(condition, first_size, second_size)


def call(node: Node, asked: Asked) -> Pair:
    name = node["call"]
    if name in SIZE_FUNCTIONS:
        value = np.asarray(SIZE_FUNCTIONS[name](asked, *(raw(argument, asked) for argument in node["of"])))
        return value, np.abs(value)
    if name == "converted":
        return converted(*evaluate(node["of"][0], asked), asked)
    if name == "drawn":
        value = asked.own()
        return value, np.abs(value)
    sized = asked if needs_magnitudes(name) else asked.without_magnitudes()
    pairs = [evaluate(argument, sized) for argument in node["of"]]
    if (
        name == "bitwise_not"
        and asked.output.dtype.is_floating_point is False
        and str(asked.output.dtype) == "torch.bool"
    ):
        name = "not"
    return applied(name, [value for value, _ in pairs], [size for _, size in pairs])


def converted(value: Values, size: Values, asked: Asked) -> Pair:
    """A number as the result's type keeps it: whole numbers lose what is behind the point, truth is 1 or 0."""
    dtype = asked.output.dtype
    if dtype.is_floating_point or dtype.is_complex or (value.dtype.kind == "i" and str(dtype) != "torch.bool"):
        return value, size
    value = (value != 0).astype(np.int64) if str(dtype) == "torch.bool" else np.trunc(value).astype(np.int64)
    return value, np.abs(value)
