"""Walking back through a pass from a logit to everything that was added to the residual stream."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from everysum.errors import InputError
from everysum.explain.number import Number
from everysum.explain.operations import Operation
from everysum.explain.record import Record
from everysum.explain.recorded import RecordedNumber, recorded_only
from everysum.explain.residual import Contribution, Kind, Residual
from everysum.explain.storage import Integers, Storage, Values, View

PASSING = {"_to_copy", "clone", "copy", "alias_copy", "contiguous"}
PRODUCTS = {"mm", "addmm", "bmm", "baddbmm"}


@dataclass(frozen=True)
class Row:
    """Some numbers of a storage at a time: one position's vector, with a weight for each."""

    storage: Storage
    offsets: Integers
    time: int
    dtype: torch.dtype
    weights: Values

    @property
    def values(self) -> Values:
        return self.storage.values(self.offsets, self.time, self.dtype)

    @property
    def sum(self) -> float:
        return float(np.sum(self.values * self.weights))


class Walk:
    """From the logit back to what was added to the stream."""

    def __init__(self, record: Record, number: RecordedNumber) -> None:
        self.record = record
        self.result = Residual(number)

    def start(self) -> Residual:
        number = self.result.number
        row = Row(number.storage, np.array([number.offset]), number.time, number.dtype, np.ones(1))
        self.follow(row)
        self.result.contributions = merged(self.result.contributions)[::-1]
        return self.result

    def add(self, kind: Kind, name: str, value: float) -> None:
        if value != 0.0:
            self.result.contributions.append(Contribution(kind, name, value))

    def follow(self, row: Row) -> None:  # noqa: PLR0911
        """Pass the weights of a vector on to what it was made of, or count it as a contribution."""
        write, index = self.write_of(row)
        if write is None:
            self.add("bias", self.origin_name(row), row.sum)
            return None
        operation = write.operation
        name = operation.facts.packet.partition(".")[2]
        arguments = operation.arguments
        if name in PASSING:
            source = arguments["src" if name == "copy" else "self"]
            return self.follow(self.row(source, operation, index, row.weights))
        if name in ("add", "sub"):
            return self.addition(operation, name, index, row)
        if name == "native_layer_norm" and write.output == 0:
            return self.layer_norm(operation, index, row)
        if name in ("mul", "div") and self.scaling(operation, name, index, row):
            return None
        if name == "native_dropout" and write.output == 0:
            return self.dropout(operation, index, row)
        if name in PRODUCTS and len(row.offsets) == 1:
            return self.head(operation, name, index, row)
        return self.contribute(operation, name, index, row)

    def write_of(self, row: Row) -> tuple[Any, list[Integers]]:
        for write in reversed(row.storage.writes):
            if write.time < row.time:
                covered, index = write.view.coordinates_of(row.offsets)
                if covered.all():
                    return write, index
        return None, []

    def row(self, source: View, operation: Operation, index: list[Integers], weights: Values) -> Row:
        """The elements of an input at a result's index: broadcast, with what falls together added up by its weights."""
        rank = len(source.size)
        aligned = index[len(index) - rank :] if rank else []
        spots = [np.zeros_like(place) if size == 1 else place for place, size in zip(aligned, source.size, strict=True)]
        offsets = np.broadcast_to(source.offsets(spots), weights.shape)
        return Row(source.storage, offsets, operation.time, source.dtype, weights)

    # --- the operations that pass weights on -------------------------------------------------------------------------

    def addition(self, operation: Operation, name: str, index: list[Integers], row: Row) -> None:
        arguments = operation.arguments
        factor = float(arguments.get("alpha", 1) or 0) * (-1.0 if name == "sub" else 1.0)
        for source, scale in ((arguments["self"], 1.0), (arguments["other"], factor)):
            if isinstance(source, View):
                self.follow(self.row(source, operation, index, row.weights * scale))
            else:
                self.add("other", "a constant", float(source) * scale * float(row.weights.sum()))

    def layer_norm(self, operation: Operation, index: list[Integers], row: Row) -> None:
        """(x − mean) · scale · weight + bias, with the scale as it was."""
        arguments = operation.arguments
        source, width = arguments["input"], int(np.prod(arguments["normalized_shape"]))
        if len(row.offsets) != width:
            return self.contribute(operation, "native_layer_norm", index, row)
        x = self.row(source, operation, index, row.weights)
        values = x.values
        scale = 1.0 / np.sqrt(values.var() + float(arguments["eps"]))
        weights = row.weights
        if isinstance(arguments["bias"], View):
            self.add("bias", self.path(operation), self.row(arguments["bias"], operation, index, weights).sum)
        if isinstance(arguments["weight"], View):
            weights = weights * self.row(arguments["weight"], operation, index, weights).values
        self.result.held.append(self.path(operation))
        return self.follow(self.row(source, operation, index, (weights - weights.mean()) * scale))

    def scaling(self, operation: Operation, name: str, index: list[Integers], row: Row) -> bool:
        """A product with a number, a weight, a norm's scale or a dropout's mask; false where it is something else."""
        first, second = operation.arguments["self"], operation.arguments["other"]
        if not isinstance(second, View):
            factor = float(second)
            self.follow(
                self.row(first, operation, index, row.weights * factor if name == "mul" else row.weights / factor)
            )
            return True
        for moving, held in ((first, second), (second, first))[: 2 if name == "mul" else 1]:
            if not isinstance(moving, View) or not isinstance(held, View):
                continue
            what = self.held_factor(held, moving, row)
            if what is None:
                continue
            if what:
                self.result.held.append(self.path(operation))
            values = self.row(held, operation, index, row.weights).values
            self.follow(
                self.row(moving, operation, index, row.weights * values if name == "mul" else row.weights / values)
            )
            return True
        return False

    def held_factor(self, held: View, moving: View, row: Row) -> bool | None:
        """Whether a factor is one for the whole vector that was computed from it; None where it must not be held."""
        if len(row.offsets) == 1 and held.count > 1:
            return None
        if held.count == 1 or (len(held.size) == 1 and held.size[0] == len(row.offsets)):
            return False
        if held.size and held.size[-1] == 1 != moving.size[-1]:
            return True
        writes = held.storage.writes
        return False if any("bernoulli" in write.operation.facts.packet for write in writes) else None

    def dropout(self, operation: Operation, index: list[Integers], row: Row) -> None:
        mask = operation.outputs[1]
        assert mask is not None
        kept = mask.storage.values(mask.offsets(index), operation.time + 1, mask.dtype)
        scale = kept / (1 - operation.arguments["p"]) if operation.arguments["train"] else 1.0
        self.follow(self.row(operation.arguments["input"], operation, index, row.weights * scale))

    def head(self, operation: Operation, name: str, index: list[Integers], row: Row) -> None:
        """The last product: a logit is a weighted sum of hidden numbers."""
        vector, weights, bias = self.product(operation, name, index, row.weights)
        if bias is not None:
            self.add("bias", f"{self.path(operation) or 'head'}", bias)
        self.follow(Row(vector.storage, vector.offsets, vector.time, vector.dtype, weights))

    # --- contributions -----------------------------------------------------------------------------------------------

    def product(
        self, operation: Operation, name: str, index: list[Integers], weights: Values
    ) -> tuple[Row, Values, float | None]:
        """Of one row of a matrix product: the vector that goes in, the weight of each of its numbers, and the bias."""
        arguments = operation.arguments
        left, right = {
            "mm": ("self", "mat2"),
            "addmm": ("mat1", "mat2"),
            "bmm": ("self", "mat2"),
            "baddbmm": ("batch1", "batch2"),
        }[name]
        first, second = arguments[left], arguments[right]
        inner = np.arange(first.size[-1])
        offsets = first.offsets([*(np.full_like(inner, place[0]) for place in index[:-1]), inner])
        columns = [*(np.full((1, 1), place[0]) for place in index[:-2]), inner[:, None], index[-1][None, :]]
        matrix = second.storage.values(second.offsets(columns), operation.time, second.dtype)
        alpha = float(arguments.get("alpha", 1))
        bias = None
        if name in ("addmm", "baddbmm"):
            bias = self.row(arguments["self"], operation, index, weights).sum * float(arguments.get("beta", 1))
        passed = (matrix @ weights) * alpha
        return Row(first.storage, offsets, operation.time, first.dtype, passed), passed, bias

    def contribute(self, operation: Operation, name: str, index: list[Integers], row: Row) -> None:
        """A vector that was added to the stream: of an attention layer each head's share, and its bias."""
        path = self.path(operation)
        if name == "embedding":
            self.add("embedding", path or self.embedding_name(operation), row.sum)
            return
        one_row = name in PRODUCTS and all((place == place[0]).all() for place in index[:-1])
        if not one_row:
            self.add("other", path or operation.name, row.sum)
            return
        vector, weights, bias = self.product(operation, name, index, row.weights)
        if bias is not None:
            self.add("bias", path, bias)
        shares = vector.values * weights
        heads = self.heads(operation, name, len(shares))
        if heads is None:
            self.add("feed-forward", path, float(shares.sum()))
            return
        for head, share in reversed(list(enumerate(shares.reshape(heads, -1).sum(axis=1)))):
            self.add("attention", f"{path}, head {head}", float(share))

    def heads(self, operation: Operation, name: str, size: int) -> int | None:
        """How many heads lie side by side in what a product reads; None where it reads no heads."""
        view = operation.arguments["mat1" if name == "addmm" else "batch1" if name == "baddbmm" else "self"]
        label = self.record.names.axes.of(view)[-1]
        if len(label) == 2 and label[0].size * label[1].size == size and label[0].name.endswith("heads"):
            return label[0].size
        return None

    def path(self, operation: Operation) -> str:
        """The part of the network that an operation belongs to: a block's attention, feed-forward layer or norm."""
        path = "" if operation.module is None else operation.module.path
        found = re.match(r"(.*?\.\d+\.[^.]+)", path)
        return found[1] if found else path

    def origin_name(self, row: Row) -> str:
        return self.record.names.of_number(row.storage, int(row.offsets[0]), row.time).partition("[")[0]

    def embedding_name(self, operation: Operation) -> str:
        table = operation.arguments["weight"]
        return self.record.names.of_view(table, operation.time)


def merged(parts: list[Contribution]) -> list[Contribution]:
    """One contribution for each part of the network, whatever ways it took."""
    found: dict[tuple[str, str], Contribution] = {}
    for part in parts:
        key = (part.kind, part.name)
        before = found.get(key)
        found[key] = Contribution(part.kind, part.name, part.value + (0.0 if before is None else before.value))
    return list(found.values())


def residual_of(record: Record, number: Number) -> Residual:
    """A logit through the residual stream.

    Raises InputError for a number that is no weighted sum of a hidden vector, as every logit is.
    """
    logit = recorded_only(number)
    operation = logit.operation
    while operation is not None and operation.facts.packet.partition(".")[2] in PASSING:
        logit = recorded_only(logit.terms[0])
        operation = logit.operation
    if operation is None or operation.facts.packet.partition(".")[2] not in PRODUCTS | {
        "add",
        "mul",
        "div",
        "_to_copy",
    }:
        raise InputError(
            f"{number.name} is no logit: it is not a weighted sum of a hidden vector",
            wanted="a number that the model's head made, such as record['logits'][0, -1, 5]",
        )
    record.check()
    return Walk(record, logit).start()
