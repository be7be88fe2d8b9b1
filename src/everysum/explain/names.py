"""The names of a pass's tensors: the module's path, and the variable, the output or the operation.

blocks.0.attention.attention_weights     a variable or a helper function in a module's `forward`
blocks.0.feed_forward.up                 what a module returned
blocks.0.feed_forward.up.weight          a weight
logits                                   what the whole pass returned
encoder.embed_tokens#2                   the second call of a module
h.0.attn.attn_weights@1                  what a variable held first; without @ what it held last
"""

from __future__ import annotations

import ast
import difflib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from everysum.errors import InputError
from everysum.explain.atoms import Axes, annotated
from everysum.explain.axes import AxisNames
from everysum.explain.number import Number
from everysum.explain.opening import opened
from everysum.explain.operations import ModuleCall, Operation
from everysum.explain.recorded import RecordedNumber, explainable
from everysum.explain.results import statement_of
from everysum.explain.rules import UNFILLED
from everysum.explain.sources import Source, source_of
from everysum.explain.storage import Storage, View
from everysum.explain.tensors import NamedTensor

if TYPE_CHECKING:
    from everysum.explain.record import Record

SUGGESTED = 5


class Names:
    """Every named tensor of a record, and the best name for any number in it."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.axes = AxisNames(record)
        self.tensors: dict[str, NamedTensor] = {}
        self.best: dict[tuple[int, int], NamedTensor] = {}
        """For each write, by storage and time, the tensor that people know it by."""
        self.given: dict[int, NamedTensor] = {}
        """For each storage that is no weight and no input, and that nothing made, what it is known by."""
        self.generators: dict[int, int] = defaultdict(int)
        self.sources = [self.source(number) for number in range(len(record.operations))]
        self.prefix = "" if record.outer is None else call_name(record.outer[1].module)
        self.collect()

    # --- finding -----------------------------------------------------------------------------------------------------

    def find(self, name: str) -> NamedTensor:
        """The tensor of this name, also one inside a fused operation."""
        found = self.tensors.get(name) or self.opened.get(name)
        if found is not None:
            return found
        names = [*self.tensors, *self.opened]
        last = name.rpartition(".")[2]
        near = difflib.get_close_matches(name, names, SUGGESTED, cutoff=0.5)
        near += [other for other in names if other.rpartition(".")[2] == last and other not in near]
        if self.record.error is not None:
            problem = self.record.error
            raise InputError(
                f"{name} was not made: the pass ended half-way ({type(problem).__name__}: {problem})",
                advice=f"there is: {', '.join((near or names[-SUGGESTED:])[:SUGGESTED])}",
            )
        raise InputError(
            f"there is no tensor {name} in this pass",
            wanted="a name of record.list()" if not near else f"one like {', '.join(near[:SUGGESTED])}",
            advice="record.list() shows all of them",
        )

    def all(self) -> list[NamedTensor]:
        """Weights, inputs and then what was made, in order; behind a fused operation what is in it."""
        inner = sorted(self.opened.values(), key=lambda tensor: tensor.record.outer[1].time)  # type: ignore[index]
        found = sorted(self.tensors.values(), key=lambda tensor: tensor.time)
        return sorted([*found, *inner], key=place_of)

    @cached_property
    def opened(self) -> dict[str, NamedTensor]:
        """The tensors inside of fused operations, which are carried out once more to see them."""
        found: dict[str, NamedTensor] = {}
        if self.record.error is not None and not self.record.operations:
            return found
        for operation in self.record.operations:
            if operation.makes and statement_of(operation, 0) is None and explainable(operation, 0):
                inner = opened(self.record, operation)
                for name, tensor in ({} if inner is None else inner.names.tensors).items():
                    if tensor.view.storage.writes:
                        free = name
                        count = 1
                        while free in self.tensors or free in found:
                            count += 1
                            free = f"{name}#{count}"
                        tensor.name = free
                        found[free] = tensor
        return found

    def number(self, where: str) -> Number:
        """The number that a text such as 'logits[-1, "y"]' names."""
        name, _, rest = where.strip().partition("[")
        tensor = self.find(name.strip())
        try:
            index = ast.literal_eval(f"({rest.rstrip().removesuffix(']')},)") if rest.strip(" ]") else ()
        except (SyntaxError, ValueError):
            raise InputError("this is no place in a tensor", wanted='for example logits[-1, "y"]', came=where) from None
        found = tensor[index]
        if not isinstance(found, Number):
            axes = ", ".join(f"{name} {size}" for name, size in zip(found.axes, found.shape, strict=True))
            raise InputError(
                f"{where} names {found.view.count} numbers, not one",
                wanted=f"a place on each axis that is left: {axes}",
                advice=f"for example {tensor.name}[{', '.join(['0'] * (len(tensor.shape) - 1) + ['-1'])}]",
            )
        return found

    # --- naming numbers ----------------------------------------------------------------------------------------------

    def of_number(self, storage: Storage, offset: int, time: int) -> str:
        """What a number is called: the best name of its tensor, and its place in that."""
        found = storage.last_write(offset, time)
        if found is not None:
            tensor = self.best.get((storage.number, found[0].time))
            index = None if tensor is None else tensor.view.index_of(offset)
            if tensor is not None and index is not None:
                return placed(tensor.name, index)
            operation = found[0].operation
            return placed(f"{call_name(operation.module) or 'pass'}.{operation.name}", found[1])
        for origin in self.record.origins.get(storage.number, ()):
            index = origin.view.index_of(offset)
            if index is not None:
                return placed(origin.name, index)
        tensor = self.given.get(storage.number)
        index = None if tensor is None else tensor.view.index_of(offset)
        return f"constant {storage.number}[{offset}]" if tensor is None or index is None else placed(tensor.name, index)

    def of_view(self, view: View, time: int) -> str:
        """What a tensor is called."""
        name = self.of_number(view.storage, view.offset, time)
        return name.partition("[")[0]

    def tensor_of(self, number: RecordedNumber) -> NamedTensor | None:
        """The tensor by which people know a number."""
        found = number.storage.last_write(number.offset, number.time)
        if found is not None:
            return self.best.get((number.storage.number, found[0].time))
        origin = number.origin
        return None if origin is None else self.tensors.get(origin.name)

    # --- collecting --------------------------------------------------------------------------------------------------

    def source(self, number: int) -> Source:
        """Where an operation stands in the program. Of several that one call stands for, the last has its variable."""
        operations = self.record.operations
        places = operations[number].places
        found = source_of(places)
        later = operations[number + 1].places if number + 1 < len(operations) else ()
        return replace(found, variables=()) if places and later[:1] == places[:1] else found

    def collect(self) -> None:
        """Give every tensor its name: outputs first, so that the best name of a number is the best known one."""
        for name, view in self.record.outputs if self.record.outer is None else ():
            self.add(name or "output", view, len(self.record.operations), what="output", best=True)
        for found in self.record.origins.values():
            for origin in found:
                self.tensors[origin.name] = NamedTensor(
                    self.record,
                    origin.name,
                    origin.view,
                    0,
                    self.axes.of(origin.view),
                    what=origin.kind,
                    module=origin.module,
                )
        for call in self.record.calls:
            self.add_outputs(call)
        entries: dict[str, list[tuple[Operation, View, str]]] = defaultdict(list)
        for operation, source in zip(self.record.operations, self.sources, strict=True):
            for name, view in self.named_outputs(operation, source):
                entries[name].append((operation, view, source.place))
        for name, values in entries.items():
            for number, (operation, view, place) in enumerate(values, 1):
                free = name if number == len(values) and name not in self.tensors else f"{name}@{number}"
                what = operation.name if operation.makes else "view"
                self.add(free, view, operation.time + 1, what=what, call=operation.module, place=place)
        self.add_constants()

    def add_constants(self) -> None:
        """Tensors that the program holds outside of its weights, by the module that reads them first."""
        known = self.record.origins.keys() | self.given.keys()
        count: dict[str, int] = defaultdict(int)
        for operation, source in zip(self.record.operations, self.sources, strict=True):
            for _, view in operation.inputs():
                storage = view.storage
                if storage.writes or storage.outer is not None or storage.number in known:
                    continue
                path = call_name(operation.module)
                name = f"{path}.constant" if path else "constant"
                count[name] += 1
                name = name if count[name] == 1 else f"{name}#{count[name]}"
                self.add(name, view, operation.time, what="constant", call=operation.module, place=source.place)
                known = known | {storage.number}

    def named_outputs(self, operation: Operation, source: Source) -> Iterator[tuple[str, View]]:
        """The names of an operation's results; another look at a tensor has one only if it has a variable."""
        if operation.facts.packet.partition(".")[2] in UNFILLED or (
            not explainable(operation, 0) and not source.variables
        ):
            return
        path = self.prefix or call_name(operation.module)
        variables = source.variables
        if source.each and variables:
            self.generators[source.each] += 1
            variables = (variables[(self.generators[source.each] - 1) % len(variables)],)
        for output, view in enumerate(operation.outputs):
            if view is None:
                continue
            variable = variables[output] if output < len(variables) else None
            known = (view.storage.number, operation.time) in self.best
            if variable is None and (known or not operation.makes):
                continue
            name = variable or (operation.name if output == 0 else f"{operation.name}.{result_name(operation, output)}")
            yield f"{path}.{name}" if path else name, view

    def add_outputs(self, call: ModuleCall) -> None:
        if not call.path:
            return
        for place, (way, view, time) in enumerate(call.outputs):
            name = call.name if place == 0 else f"{call.name}.{way}"
            self.add(name, view, time, what=f"output of {call.kind}", call=call, annotation=call.annotation)

    def add(
        self,
        name: str,
        view: View,
        time: int,
        *,
        what: str,
        call: ModuleCall | None = None,
        place: str = "",
        annotation: str = "",
        best: bool = False,
    ) -> None:
        if name in self.tensors:
            return
        axes: Axes = self.axes.of(view)
        tensor = NamedTensor(
            self.record, name, view, time, axes, what=what, module="" if call is None else call.kind, place=place
        )
        tensor.own_axes = annotated(annotation, len(view.size))
        self.tensors[name] = tensor
        if not view.storage.writes and view.storage.number not in self.record.origins and view.storage.outer is None:
            self.given.setdefault(view.storage.number, tensor)
        write = next((write for write in reversed(view.storage.writes) if write.time < time), None)
        if write is not None and (write.view.count == view.count or best):
            self.best.setdefault((view.storage.number, write.time), tensor)


def call_name(call: ModuleCall | None) -> str:
    return "" if call is None else call.name


def result_name(operation: Operation, output: int) -> str:
    """What the rule of an operation calls one of its results."""
    statement = statement_of(operation, output)
    return str(output) if statement is None else str(statement["result"])


def placed(name: str, index: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def place_of(tensor: NamedTensor) -> tuple[int, int]:
    """When a tensor was made: one inside of a fused operation, when that was."""
    outer = tensor.record.outer
    return (tensor.time, 0) if outer is None else (outer[1].time + 1, 1 + tensor.time)
