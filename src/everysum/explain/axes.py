"""What the axes of tensors count: batch, position, heads, width, … followed from the inputs through every operation.

An axis is made of atoms: after `reshape` has laid batch and position together, both are still known, and come apart
again later. A position knows which input's tokens it stands for, and where in them it starts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from everysum.explain.atoms import Atom, Axes, Axis, blank, fitted, named, permutation, regrouped, unknown
from everysum.explain.indices import axes_of
from everysum.explain.operations import Operation
from everysum.explain.results import statement_of
from everysum.explain.storage import View
from everysum.explain.templates import Node

if TYPE_CHECKING:
    from everysum.explain.record import Origin, Record


Key = tuple[int, int, tuple[int, ...], tuple[int, ...]]

PERMUTING = {"transpose", "swapaxes", "swapdims", "permute", "t", "numpy_T", "movedim", "mT"}
RESHAPING = {
    "view",
    "reshape",
    "_unsafe_view",
    "_reshape_alias",
    "flatten",
    "unflatten",
    "view_as",
    "clone",
    "_to_copy",
}


class AxisNames:
    """The axes of every tensor that a record's operations touched."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.known: dict[Key, Axes] = {}
        self.outer: dict[int, Axes] = {}
        origins = [origin for found in record.origins.values() for origin in found]
        self.vocabulary, self.width = vocabulary_of(origins), width_of(origins)
        for origin in origins:
            self.put(origin.view, self.of_origin(origin))
        for operation in record.operations:
            for output, view in enumerate(operation.outputs):
                if view is not None:
                    self.put(view, self.followed(operation, output, view))

    def put(self, view: View, axes: Axes) -> None:
        self.known[key_of(view)] = axes

    def of(self, view: View) -> Axes:
        found = self.known.get(key_of(view))
        if found is None and self.record.outer is not None and view.storage.outer is not None:
            around = view.storage.outer[0]
            found = self.record.outer[0].names.axes.known.get((around.number, *key_of(view)[1:]))
        return blank(view) if found is None else found

    def of_origin(self, origin: Origin) -> Axes:
        """What is known of weights and inputs before anything is computed."""
        size = origin.view.size
        if origin.kind == "input":
            floating = origin.view.dtype.is_floating_point
            names = {
                2: ("batch", "features" if floating else "position"),
                3: ("batch", "position", "width") if floating else (),
            }.get(len(size), ())
            tokens = origin.name if len(size) == 2 else ""
            return tuple(
                (Atom(name, length, tokens if name == "position" else ""),)
                for name, length in zip(names or ("",) * len(size), size, strict=True)
            )
        axes = [unknown(length) for length in size]
        if is_table(origin):
            axes = [(Atom("entry" if is_of_positions(origin) else "vocabulary", size[0]),), (Atom("width", size[1]),)]
        elif origin.kind == "weight" and size:
            axes = [(Atom(self.feature(length), length),) for length in size]
            inside_block = re.search(r"\.\d+\.", f".{origin.name}.")
            if len(size) in (1, 2) and size[0] == self.vocabulary and not inside_block:
                axes[0] = (Atom("vocabulary", size[0]),)
        return tuple(axes)

    def feature(self, size: int) -> str:
        return "width" if size == self.width else "features"

    # --- following an operation --------------------------------------------------------------------------------------

    def followed(self, operation: Operation, output: int, view: View) -> Axes:
        name = operation.facts.packet.partition(".")[2]
        inputs = operation.inputs()
        if name == "dot_product" or not inputs:
            return blank(view)
        first = inputs[0][1]
        axes = self.of(first)
        if not operation.makes or name in ("_unsafe_view",):
            return self.looked_at(name, operation, axes, first, view)
        statement = statement_of(operation, output)
        found = self.by_rule(operation, statement, view) if statement is not None else blank(view)
        return tuple(
            axis if axis[0].name or len(axis) > 1 else self.from_same_shape(inputs, view, place)
            for place, axis in enumerate(found)
        )

    def from_same_shape(self, inputs: Sequence[tuple[str, View]], view: View, place: int) -> Axis:
        """An operation whose rule says nothing of an axis most likely keeps it, where the whole shape is the same."""
        for _, other in inputs:
            if other.size == view.size and self.of(other)[place][0].name:
                return self.of(other)[place]
        # attention's fused kernels give back the query's axes, and one number for each query
        query = inputs[0][1]
        same = (
            len(query.size) in (len(view.size), len(view.size) + 1)
            and query.size[: place + 1] == view.size[: place + 1]
        )
        return self.of(query)[place] if same and len(query.size) > 2 else unknown(view.size[place])

    def looked_at(self, name: str, operation: Operation, axes: Axes, before: View, view: View) -> Axes:  # noqa: PLR0911
        """The axes of another look at the same numbers."""
        arguments, rank = operation.arguments, len(before.size)
        if view.size == before.size and name not in PERMUTING:
            return axes
        if name in PERMUTING:
            order = permutation(name, arguments, rank)
            return tuple(axes[place] for place in order) if len(order) == len(view.size) else blank(view)
        if name == "unsqueeze":
            place = int(arguments["dim"]) % (rank + 1)
            return (*axes[:place], unknown(1), *axes[place:])
        if name in ("squeeze", "select", "unbind"):
            gone = axes_of(arguments.get("dim", 0 if name == "unbind" else None), rank)
            keep = [p for p in range(rank) if not (p in gone and (name != "squeeze" or before.size[p] == 1))]
            return tuple(axes[p] for p in keep) if len(keep) == len(view.size) else blank(view)
        if name in (
            "slice",
            "split",
            "split_with_sizes",
            "chunk",
            "narrow",
            "tensor_split",
            "unsafe_split",
            "unsafe_chunk",
        ):
            place = int(arguments.get("dim") or 0) % max(rank, 1)
            stride = before.stride[place]
            start = (view.offset - before.offset) // stride if stride else 0
            axis = axes[place]
            cut = (
                (replace(axis[0], size=view.size[place], start=axis[0].start + start),)
                if len(axis) == 1
                else unknown(view.size[place])
            )
            return (*axes[:place], cut, *axes[place + 1 :])
        if name == "expand":
            more = len(view.size) - rank
            kept = [
                axes[p] if before.size[p] == view.size[p + more] else unknown(view.size[p + more]) for p in range(rank)
            ]
            return (*(unknown(size) for size in view.size[:more]), *kept)
        return regrouped(axes, view.size) if math.prod(view.size) == math.prod(before.size) else blank(view)

    def by_rule(self, operation: Operation, statement: Node, view: View) -> Axes:
        """A variable of the rule's pattern counts what the axis counts at which an input is read with it."""
        rank = len(view.size)
        variables = [item.get("variable") for item in statement["index"]]
        spread = rank - sum(name is not None for name in variables)
        pattern: list[Any] = []
        for name in variables:
            pattern += [name] if name is not None else [("", place) for place in range(spread)]
        found: list[Axis] = [unknown(size) for size in view.size]
        for node in reads_of(statement["value"]):
            source = operation.arguments.get(node["read"])
            for view_read in (
                [source] if isinstance(source, View) else list(source or ())[:1] if "piece" in node else []
            ):
                for place, axis in self.matched(operation, node, view_read, pattern):
                    if place < rank and not named(found[place]) and (named(axis) or not found[place][0].name):
                        found[place] = fitted(axis, view.size[place])
        return tuple(found)

    def matched(self, operation: Operation, node: Node, source: View, pattern: list[Any]) -> list[tuple[int, Axis]]:
        """Pairs of a place in the result and the axis of an input that it runs along."""
        axes, pairs, place = self.of(source), [], 0
        rank, items = len(pattern), node["at"]
        if all("variable" in item for item in items):
            place = len(axes) - len(items)  # broadcast: aligned on the right
        for position, item in enumerate(items):
            after = len(items) - 1 - position
            if "all" in item or item.get("indices") in ("replaced", "tail", "flipped"):
                count = min(len(axes) - place - after, rank)
                pairs += [
                    (rank - after - count + n if after == 0 else n, axes[place + n]) for n in range(max(count, 0))
                ]
                place += max(count, 0)
            elif "captured" in item:
                own = [n for n, name in enumerate(pattern) if isinstance(name, tuple)]
                pairs += [(n, axes[place + k]) for k, n in enumerate(own) if place + k < len(axes)]
                place += len(own)
            elif item.get("indices") in ("over", "chosen"):
                pairs += over_pairs(operation, axes, source)
                place = len(axes)
            elif item.get("indices") == "without":
                dim = int(operation.arguments["dim"]) % rank
                pairs += [(n + (n >= dim), axis) for n, axis in enumerate(axes)]
                place = len(axes)
            elif "variable" in item and item["variable"] in pattern and 0 <= place < len(axes):
                pairs.append((pattern.index(item["variable"]), axes[place]))
                place += 1
            else:
                place += 1
        return [(at, axis) for at, axis in pairs if at >= 0]


def key_of(view: View) -> Key:
    return view.storage.number, view.offset, view.size, view.stride


def reads_of(node: Any) -> list[Node]:
    """Every read in a formula: those of whole tensors first, those inside of an index last."""
    if isinstance(node, list):
        return [found for item in node for found in reads_of(item)]
    if not isinstance(node, dict):
        return []
    own = [node] if "read" in node else []
    return own + [found for value in node.values() for found in reads_of(value)]


def over_pairs(operation: Operation, axes: Axes, source: View) -> list[tuple[int, Axis]]:
    reduced = axes_of(operation.arguments.get("dim"), len(source.size))
    if operation.arguments.get("keepdim"):
        return [(n, axis) for n, axis in enumerate(axes) if n not in reduced]
    kept = [axis for n, axis in enumerate(axes) if n not in reduced]
    return list(enumerate(kept))


def is_table(origin: Origin) -> bool:
    """Whether tokens or positions are looked up in it."""
    return origin.module.endswith(("Embedding", "FixedPositions")) and len(origin.view.size) == 2


def is_of_positions(origin: Origin) -> bool:
    return any(word in origin.name for word in ("position", "wpe", "type"))


def vocabulary_of(origins: Sequence[Origin]) -> int:
    """How many tokens there are: the rows of the first table that is not one of positions."""
    for origin in origins:
        if is_table(origin) and not is_of_positions(origin):
            return origin.view.size[0]
    return 0


def width_of(origins: Sequence[Origin]) -> int:
    """How many numbers flow between the blocks: the row of a table, or of what the module was given."""
    for origin in origins:
        if is_table(origin):
            return origin.view.size[1]
    for origin in origins:
        if origin.kind == "input" and origin.view.dtype.is_floating_point and origin.view.size:
            return origin.view.size[-1]
    return 0
