"""A recorded pass, ready to be asked about any of its numbers."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from everysum.errors import InputError, UsageError
from everysum.explain.operations import Operation, tensors_in
from everysum.explain.recorder import Recorder, Tape, Watch, busy, watched
from everysum.explain.refusals import refuse_unrecordable
from everysum.explain.storage import Storage, Values, View

if TYPE_CHECKING:
    from everysum.explain.gradient import Gradient
    from everysum.explain.names import Names
    from everysum.explain.number import Number
    from everysum.explain.prediction import Prediction
    from everysum.explain.replay import Replay
    from everysum.explain.residual import Residual
    from everysum.explain.tensors import NamedTensor
    from everysum.explain.verify import Verdict

SAMPLED = 64


@dataclass(frozen=True)
class Origin:
    """What a tensor is that no operation of the pass made."""

    kind: str
    """"weight", "buffer", "input" or "constant"."""
    name: str
    view: View
    module: str = ""
    """The class of the module that it belongs to."""


@dataclass
class Guard:
    """How a tensor looked when the pass ended, to notice when somebody changes it."""

    name: str
    tensor: Tensor
    version: int | None
    sample: Tensor

    def changed(self, *, thoroughly: bool) -> bool:
        if self.version is not None and self.tensor._version != self.version:
            return True
        return thoroughly and not torch.equal(sample_of(self.tensor), self.sample)


def sample_of(tensor: Tensor) -> Tensor:
    """Some numbers of a tensor, evenly spread over it, as bytes: so that "not a number" equals itself."""
    flat = torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(tensor.untyped_storage())
    width, count = tensor.element_size(), tensor.untyped_storage().nbytes() // tensor.element_size()
    return flat[: count * width].view(-1, width)[:: max(1, count // SAMPLED)].clone()


class Record(Tape):
    """One forward pass of a module: every number in it, and how each was made.

    `record["name"]` is a tensor of the pass, and `record["name"][0, -1, 5]` a number of it; `list()` shows the names.
    `error` is what the module raised, if it did not come to its end: the record holds what happened until then.
    """

    def __init__(self, module: nn.Module | None) -> None:
        super().__init__()
        self.module = module
        self.inputs: dict[str, Tensor] = {}
        self.outputs: list[tuple[str, View]] = []
        self.result: Any = None
        self.error: BaseException | None = None
        self.guards: dict[int, Guard] = {}
        self.origins: dict[int, list[Origin]] = {}
        self.token_texts: dict[str, list[list[str]]] = {}
        self.token_text: Callable[[int], str] | None = None
        self.outer: tuple[Record, Operation] | None = None
        self.nested: dict[int, Record | None] = {}
        self.magnitudes: dict[tuple[int, int], Values] = {}
        """In a re-run: how large the numbers were that those of each block are sums and products of."""
        self.few_magnitudes: dict[tuple[int, int], dict[int, float]] = {}
        """The same of single numbers by their offset, for blocks that were asked for no more."""

    @property
    def rerun(self) -> bool:
        """Whether this is no part of the pass, but a fused operation carried out once more in smaller ones."""
        return self.outer is not None

    @property
    def top(self) -> Record:
        """The record of the pass itself."""
        return self if self.outer is None else self.outer[0].top

    # --- questions ---------------------------------------------------------------------------------------------------

    @cached_property
    def names(self) -> Names:
        from everysum.explain.names import Names

        return Names(self)

    def __getitem__(self, name: str) -> NamedTensor:
        """The tensor of this name; refuses an unknown one with those that are near."""
        return self.names.find(name)

    def list(self) -> list[NamedTensor]:
        """Every named tensor in the order in which it was made: weights and inputs first."""
        return self.names.all()

    def number(self, where: str) -> Number:
        """The number that a text such as 'logits[-1, "y"]' says."""
        return self.names.number(where)

    def replay(self, changes: Mapping[Number, float], *, watch: Watch | None = None) -> Replay:
        """The same pass with these numbers changed: what differs, where, and by how much.

        `watch` is called before each operation, and may raise to end it.
        """
        from everysum.explain.replay import replayed

        return replayed(self, changes, watch)

    def verify(self, count: int | None = None, *, seed: int = 0) -> Verdict:
        """Recompute `count` random numbers of the pass from their explanations; without a count all of them."""
        from everysum.explain.verify import verified

        return verified(self, count, seed)

    def gradient(self, target: str | Number, *, of: Number) -> Gradient:
        """How fast `target` grows with the number `of`: by formula and by nudging, side by side."""
        from everysum.explain.gradient import slope

        return slope(self, target, of)

    def prediction(
        self, position: int | str = -1, *, row: int = 0, count: int = 5, logits: str = "logits"
    ) -> Prediction:
        """What comes behind a position: the likeliest tokens, and three views of where their logits come from."""
        from everysum.explain.prediction import prediction_of

        return prediction_of(self, position, row, count, logits)

    def residual(self, number: Number) -> Residual:
        """A logit as the sum of what every part of the network added to the residual stream."""
        from everysum.explain.stream import residual_of

        return residual_of(self, number)

    def label(
        self, texts: Mapping[str, Sequence[Sequence[str]]], token_text: Callable[[int], str] | None = None
    ) -> Record:
        """Say which texts the token ids of an input stand for; `token_text` gives that of any token."""
        self.token_texts.update({name: [[*row] for row in rows] for name, rows in texts.items()})
        self.token_text = token_text or self.token_text
        return self

    @property
    def chain_breaks(self) -> tuple[str, ...]:
        """Where numbers left PyTorch and became the program's own (`.item()`, `if tensor:`): what the program makes of
        them is not seen, and comes back as a constant."""
        return tuple(f"{self.names.sources[found.time].place or '?'} ({module_of(found)})" for found in self.breaks)

    # --- honesty -----------------------------------------------------------------------------------------------------

    def check(self, storages: Sequence[Storage] | None = None) -> None:
        """Refuse when weights or inputs are no longer what they were; those in `storages` are looked at thoroughly."""
        if self.outer is not None:
            self.outer[0].check(None if storages is None else [s.outer[0] for s in storages if s.outer is not None])
            return
        numbers = None if storages is None else {storage.number for storage in storages}
        for number, guard in self.guards.items():
            if guard.changed(thoroughly=numbers is None or number in numbers):
                raise InputError(
                    f"{guard.name} has changed since this pass was recorded: its numbers are no longer those summed",
                    advice="record the pass again; or explain before training on",
                )

    def guard(self) -> None:
        """Remember how everything looks that lives on outside of the record."""
        held = self.held()
        for storage in self.storages.values():
            name, tensor = held.get(storage.memory._cdata, ("a constant", None))
            if (storage.writes and tensor is None) or not storage.memory.nbytes():
                continue
            if tensor is None:  # nobody's that we know: looked at through a tensor of our own
                tensor = torch.empty(0, dtype=torch.uint8, device=storage.memory.device).set_(storage.memory)
            tensor = tensor.detach()  # shares the count of changes with the original, but not its graph
            version = None if tensor.is_inference() else tensor._version
            self.guards[storage.number] = Guard(name, tensor, version, sample_of(tensor))

    def held(self) -> dict[int, tuple[str, Tensor]]:
        """The tensors that the pass was given or returned, by their storage."""
        found: dict[int, tuple[str, Tensor]] = {}
        given = [*self.inputs.items(), *((f"the output {way}", tensor) for way, tensor in tensors_in(self.result))]
        if self.module is not None:
            given += [*self.module.named_parameters(), *self.module.named_buffers()]
        for name, tensor in given:
            if tensor.layout == torch.strided:
                found[tensor.untyped_storage()._cdata] = (name, tensor)
        return found

    def name_origins(self) -> None:
        """Say of every storage that no operation made what it is: a weight, an input or a constant."""
        for name, tensor in self.inputs.items():
            self.add_origin("input", name, tensor, "")
        if self.module is not None:
            for path, part in self.module.named_modules():
                for kind, tensors in (("weight", part._parameters), ("buffer", part._buffers)):
                    for name, tensor in tensors.items():
                        if tensor is not None:
                            self.add_origin(kind, f"{path}.{name}" if path else name, tensor, type(part).__name__)

    def add_origin(self, kind: str, name: str, tensor: Tensor, module: str) -> None:
        if tensor.layout == torch.strided and tensor.untyped_storage()._cdata in self.storages:
            view = self.view_of(tensor)
            known = self.origins.setdefault(view.storage.number, [])
            if all(origin.name != name for origin in known):
                known.append(Origin(kind, name, view, module))


def module_of(operation: Operation) -> str:
    call = operation.module
    return "outside of the modules" if call is None else call.name or call.kind


def record(module: nn.Module, *args: Any, **kwargs: Any) -> Record:
    """Call a module, and record everything that PyTorch computes in it.

    Raises UsageError for a compiled or quantized module, and while another pass is being recorded. A module that raises
    half-way leaves a record up to there, with a warning and its `error` set.
    """
    refuse_unrecordable(module)
    return recorded(module, lambda: module(*args, **kwargs), named_inputs(module, args, kwargs))


def recorded(
    module: nn.Module | None, call: Callable[[], Any], inputs: Mapping[str, Tensor], watch: Watch | None = None
) -> Record:
    """Record what a function computes with a module; `inputs` are the tensors that it is given, by name.

    `watch` is called before each operation. An Exception that it raises ends the pass half-way, as one of the module's
    does; to give the pass up, it raises what is none, such as KeyboardInterrupt.
    """
    if not busy.acquire(blocking=False):
        raise UsageError(
            "another pass is being recorded: two records at once would each see the other's operations",
            advice="record one after the other, and not inside of a forward",
        )
    try:
        pass_ = Record(module)
        pass_.inputs = dict(inputs)
        recorder = Recorder(pass_, watch)
        try:
            with watched(recorder, module):
                pass_.result = call()
        except Exception as problem:
            pass_.error = problem
            where = "" if recorder.failed is None else recorder.failed.path
            warnings.warn(
                f"the pass ended half-way{f' in {where}' if where else ''}, and is recorded up to there: "
                f"{type(problem).__name__}: {problem}",
                stacklevel=3,
            )
        pass_.outputs = [
            (way, pass_.view_of(tensor))
            for way, tensor in tensors_in(pass_.result)
            if tensor.layout == torch.strided and tensor.untyped_storage()._cdata in pass_.storages
        ]
        pass_.name_origins()
        pass_.guard()
        return pass_
    finally:
        busy.release()


def named_inputs(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors that a module is called with, by the names of its `forward`'s arguments."""
    try:
        bound: Mapping[str, Any] = inspect.signature(module.forward).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):  # the call will fail, and say better why
        bound = {**{f"input.{place}": value for place, value in enumerate(args)}, **kwargs}
    found = {}
    for name, value in bound.items():
        own = "" if name in ("args", "kwargs") else name
        for way, tensor in tensors_in(value):
            found[".".join(filter(None, (own, way)))] = tensor
    return found
