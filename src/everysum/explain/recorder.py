"""Watching one pass: every operation that PyTorch carries out, in which module, and from which line of the program."""

from __future__ import annotations

import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from everysum.explain.operations import COMPOSITE, ModuleCall, Operation, Place, facts_of, mapped, tensors_in
from everysum.explain.storage import Storage, View, Write

PLACES_KEPT = 6
HERE, TORCH = str(Path(__file__).parent), str(Path(torch.__file__).parent)
PYTHON = sysconfig.get_paths()["stdlib"]
DECOMPOSED = {str(Path(HERE) / "decompositions.py"), str(Path(TORCH) / "_decomp" / "decompositions.py")}
BEGINNINGS = {str(Path(HERE) / name) for name in ("record.py", "opening.py")}
MODULES = str(Path(TORCH) / "nn" / "modules")
MACHINERY = {str(Path(MODULES) / "module.py"), str(Path(MODULES) / "container.py")}
TELLING = {"multi_head_attention_forward", "_in_projection_packed", "_in_projection"}
"""Functions of PyTorch that are written like a model's own: their variables name things."""
UNFILLED = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted"}

Watch = Callable[[], None]
"""Called before each operation of a pass, to see whether anybody still waits for it; what it raises ends the pass."""

busy = threading.Lock()


class Tape:
    """The operations of a pass in their order, and the storages that they used."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.storages: dict[int, Storage] = {}
        self.breaks: list[Operation] = []
        """Where a number left PyTorch (`.item()`, `if tensor:`): what is computed from it there is not seen."""
        self.calls: list[ModuleCall] = []

    def storage_of(self, tensor: Tensor) -> tuple[Storage, bool]:
        """The storage of a tensor, and whether it was already known."""
        memory = tensor.untyped_storage()
        known = self.storages.get(memory._cdata)
        if known is not None:
            return known, True
        storage = self.storages[memory._cdata] = Storage(len(self.storages), memory)
        return storage, False

    def view_of(self, tensor: Tensor) -> View:
        storage, _ = self.storage_of(tensor)
        return View(storage, int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride(), tensor.dtype)


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes a tape while it is the active mode."""

    def __init__(self, tape: Tape, watch: Watch | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tape, self.watch = tape, watch
        self.module: ModuleCall | None = None
        self.failed: ModuleCall | None = None
        """The module in which something was raised."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.watch is not None:
            self.watch()
        named = kwargs or {}
        facts = facts_of(function)
        if facts.opens and torch.is_inference_mode_enabled():
            # composite operations come through here only in inference mode; outside of it PyTorch has opened them
            with self:
                return function._op_dk(COMPOSITE, *args, **named)
        positional = mapped(args, Tensor, self.tape.view_of)
        keywords = {name: mapped(value, Tensor, self.tape.view_of) for name, value in named.items()}
        before = self.kept(facts.arguments, facts.written, positional, keywords, args, named) if facts.written else {}
        result = function(*args, **named)
        self.note(function, positional, keywords, result, before)
        return result

    def kept(self, names: Any, written: Any, positional: Any, keywords: Any, args: Any, named: Any) -> dict[int, Any]:
        """What an operation in place is about to overwrite, by storage."""
        values = {**dict(zip(names, zip(args, positional, strict=True), strict=False))}
        values.update({name: (named[name], keywords[name]) for name in named})
        before = {}
        for name in written:
            tensor, view = values.get(name, (None, None))
            if isinstance(tensor, Tensor) and isinstance(view, View):
                if view.storage.outer is not None:
                    raise RuntimeError("a re-run must not write to what the pass itself recorded")
                writes = view.storage.writes
                unfilled = writes and writes[-1].operation.facts.packet.partition(".")[2] in UNFILLED
                before[view.storage.number] = (view, None if unfilled else tensor.detach().clone())
        return before

    def note(self, function: Any, positional: Any, keywords: Any, result: Any, before: dict[int, Any]) -> None:
        """Put an operation that has just been carried out on the tape."""
        tape = self.tape
        returned = result if isinstance(result, (list, tuple)) else (result,)
        known: list[bool] = []
        views: list[View | None] = []
        for item in returned:
            if isinstance(item, Tensor):
                known.append(tape.storage_of(item)[1])
                views.append(tape.view_of(item))
            else:
                known.append(True)
                views.append(None)
        missing = [
            view for view, _ in before.values() if all(v is None or v.storage is not view.storage for v in views)
        ]
        views, known = views + missing, known + [True] * len(missing)
        makes = bool(before) or not all(known)
        operation = Operation(
            len(tape.operations),
            function,
            positional,
            keywords,
            tuple(views),
            makes,
            self.module,
            places(sys._getframe(2)),
        )
        tape.operations.append(operation)
        for output, (view, was_known) in enumerate(zip(views, known, strict=True)):
            if view is not None and (not was_known or view.storage.number in before):
                overwritten = before.get(view.storage.number, (None, None))[1]
                view.storage.writes.append(Write(operation.time, view, operation, output, overwritten))
        if function is torch.ops.aten._local_scalar_dense.default:
            tape.breaks.append(operation)


told: dict[str, bool] = {}


def tells(code: CodeType) -> bool:
    """Whether a function's variables name what a model computes: not PyTorch's machinery, and not this package's."""
    known = told.get(code.co_filename)
    if known is None:
        file = code.co_filename
        packages = "site-packages" in file
        inside = file.startswith((TORCH, HERE, "<")) or "/jaxtyping/" in file or "/beartype/" in file
        inside |= file.startswith(PYTHON) and not packages
        modules = file.startswith(MODULES) and file not in MACHINERY
        known = told[code.co_filename] = not inside or modules or file in DECOMPOSED
    return known or code.co_name in TELLING


def places(frame: FrameType | None) -> tuple[Place, ...]:
    """The telling functions that are running, from the innermost out to a module's `forward`."""
    found: list[Place] = []
    while frame is not None and len(found) < PLACES_KEPT:
        code = frame.f_code
        if tells(code):
            found.append((code, frame.f_lasti, id(frame)))
            if code.co_name == "forward":
                break
        elif code.co_filename in BEGINNINGS:
            break
        frame = frame.f_back
    return tuple(found)


class Stack:
    """Which module is running: told by hooks that every module calls."""

    def __init__(self, recorder: Recorder, root: nn.Module | None) -> None:
        self.recorder, self.thread = recorder, threading.get_ident()
        self.paths = {} if root is None else {id(module): path for path, module in root.named_modules()}
        self.counts: dict[str, int] = {}

    def enter(self, module: nn.Module, _: Any) -> None:
        if threading.get_ident() != self.thread:
            return
        around = self.recorder.module
        kind = type(module).__name__
        path = self.paths.get(id(module))
        if path is None:  # made in the pass itself
            path = f"{around.path}.{kind}" if around is not None and around.path else kind
        number = self.counts[path] = self.counts.get(path, 0) + 1
        annotation = getattr(type(module).forward, "__annotations__", {}).get("return", "")
        annotation = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        self.recorder.module = ModuleCall(path, kind, number, around, annotation)

    def leave(self, _: nn.Module, __: Any, result: Any) -> None:
        call = self.recorder.module
        if threading.get_ident() != self.thread or call is None:
            return
        if result is None and sys.exc_info()[0] is not None and self.recorder.failed is None:
            self.recorder.failed = call
        tape = self.recorder.tape
        with torch._C._DisableTorchDispatch():
            for way, tensor in tensors_in(result):
                if tensor.layout == torch.strided:
                    call.outputs.append((way, tape.view_of(tensor), len(tape.operations)))
        tape.calls.append(call)  # when it ends: the innermost of those that return the same tensor comes first
        self.recorder.module = call.parent


@contextmanager
def watched(recorder: Recorder, root: nn.Module | None) -> Iterator[None]:
    """While this lasts, the recorder sees every operation; PyTorch's fast path for its own transformer is off."""
    stack = Stack(recorder, root)
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as ending:
        torch.backends.mha.set_fastpath_enabled(False)
        ending.callback(torch.backends.mha.set_fastpath_enabled, fast)
        for handle in (
            module_hooks.register_module_forward_pre_hook(stack.enter),
            module_hooks.register_module_forward_hook(stack.leave, always_call=True),
        ):
            ending.callback(handle.remove)
        ending.enter_context(recorder)
        yield
