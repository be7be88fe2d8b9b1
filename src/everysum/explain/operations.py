"""One step of a pass: an operation of PyTorch, what it read and made, and where in the program it was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from types import CodeType
from typing import Any

import torch
from torch import Tensor

from everysum.explain.storage import View

Place = tuple[CodeType, int, int]
"""A running function's code, the instruction that it is at, and which run of it this is."""

GEOMETRY_ONLY = {"detach_", "t_", "transpose_", "squeeze_", "unsqueeze_", "swapaxes_", "swapdims_", "as_strided_"}
"""Operations in place that write no number: only how the tensor looks at its numbers changes."""

UNDECLARED_WRITES = {"aten.native_batch_norm": ("running_mean", "running_var")}
"""What operations write to although their schemas do not say so."""

CONTAINERS = (list, tuple)
COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd


@dataclass(frozen=True)
class Facts:
    """What an operation's schema says of it."""

    name: str
    """Such as "aten.add.Tensor"."""
    packet: str
    """Such as "aten.add": without the overload, and without the underscore of an operation in place."""
    arguments: tuple[str, ...]
    defaults: dict[str, Any]
    written: tuple[str, ...]
    """Arguments that it writes to."""
    opens: bool
    """Whether PyTorch carries it out as smaller operations."""


@cache
def facts_of(function: Any) -> Facts:
    schema = function._schema
    short = function._overloadpacket.__name__
    in_place = short.endswith("_") and not short.endswith("__")
    writes = [a.name for a in schema.arguments if a.alias_info is not None and a.alias_info.is_write]
    packet = f"{function.namespace}.{short[:-1] if in_place else short}"
    writes += UNDECLARED_WRITES.get(packet, ())
    return Facts(
        name=str(function),
        packet=packet,
        arguments=tuple(argument.name for argument in schema.arguments),
        defaults={a.name: a.default_value for a in schema.arguments if a.has_default_value()},
        written=() if short in GEOMETRY_ONLY else tuple(writes),
        opens=torch._C._dispatch_has_kernel_for_dispatch_key(function.name(), COMPOSITE),
    )


@dataclass(eq=False, slots=True)
class ModuleCall:
    """One call of one module: where it stands in the network, and the how-manieth call of it this is."""

    path: str
    kind: str
    """The name of its class."""
    number: int
    parent: ModuleCall | None
    annotation: str = ""
    """What its `forward` says of the shape that it returns."""
    outputs: list[tuple[str, View, int]] = field(default_factory=list)
    """What it returned: "" or a field's name, the tensor, and the time."""

    @property
    def name(self) -> str:
        return f"{self.path}#{self.number}" if self.number > 1 else self.path

    def chain(self) -> list[ModuleCall]:
        """This call and those around it, the innermost first."""
        calls, call = [], self
        while True:
            calls.append(call)
            if call.parent is None:
                return calls
            call = call.parent


@dataclass(eq=False, slots=True)
class Operation:
    """One operation; its arguments are those of the call with a `View` for every tensor."""

    time: int
    function: Any
    positional: tuple[Any, ...]
    named: dict[str, Any]
    outputs: tuple[View | None, ...]
    makes: bool
    """Whether it made numbers; otherwise it only looked at some in another way."""
    module: ModuleCall | None
    places: tuple[Place, ...]
    """The functions of the program that asked for it, the innermost first."""
    bound: dict[str, Any] | None = None

    @property
    def facts(self) -> Facts:
        return facts_of(self.function)

    @property
    def name(self) -> str:
        """The operation's plain name, such as "softmax"."""
        return self.facts.packet.partition(".")[2].strip("_").removeprefix("native_")

    @property
    def arguments(self) -> dict[str, Any]:
        """Every argument by its name, also those that were not given."""
        if self.bound is None:
            self.bound = {**self.facts.defaults, **dict(zip(self.facts.arguments, self.positional, strict=False))}
            self.bound.update(self.named)
        return self.bound

    def inputs(self) -> list[tuple[str, View]]:
        """Every tensor that it read, with the argument's name; those of a list are numbered."""
        found: list[tuple[str, View]] = []
        for name, value in self.arguments.items():
            if isinstance(value, View):
                found.append((name, value))
            elif isinstance(value, CONTAINERS):
                found += [(f"{name}.{place}", item) for place, item in enumerate(value) if isinstance(item, View)]
        return found


def mapped(value: Any, kind: type, change: Any) -> Any:
    """The same arguments with `change` applied to everything of this kind, also inside of lists."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, CONTAINERS):
        return type(value)(mapped(item, kind, change) for item in value) if type(value) in CONTAINERS else value
    return value


def tensors_in(value: Any) -> list[tuple[str, Tensor]]:
    """Every tensor in what a module was given or returned, with the way to it: a field, a key or a number."""
    if isinstance(value, Tensor):
        return [("", value)]
    if isinstance(value, dict) or hasattr(value, "keys"):
        pairs = [(str(key), value[key]) for key in value.keys()]  # noqa: SIM118 (model outputs iterate over values)
    elif isinstance(value, CONTAINERS):
        pairs = [(str(place), item) for place, item in enumerate(value)]
    else:
        return []
    return [(".".join(filter(None, (way, more))), tensor) for way, item in pairs for more, tensor in tensors_in(item)]


def narrowest(operation: Operation, output: View) -> torch.dtype | None:
    """The floating type with the fewest digits that an operation reads or this result is of; None without any."""
    types = [view.dtype for _, view in operation.inputs()] + [output.dtype]
    floating = [dtype for dtype in types if dtype.is_floating_point or dtype.is_complex]
    return max(floating, key=lambda dtype: torch.finfo(dtype).eps, default=None)
