"""Evaluating rules: for one element of a result or for many at once, in float64 from what the pass recorded.

Every array has one axis for the elements that are asked for, and one more for each reduction that a formula is in: the
reduction at depth d runs along axis d. Beside each value goes its magnitude: the same formula with every term taken
without its sign, which says how large a rounding error may be.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from everysum.explain.asked import Asked, Pair
from everysum.explain.functions import applied, needs_magnitudes
from everysum.explain.lookups import INDEX_FUNCTIONS, SIZE_FUNCTIONS
from everysum.explain.reach import in_common
from everysum.explain.storage import Values, View
from everysum.explain.templates import Node


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
