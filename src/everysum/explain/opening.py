"""Opening a fused operation: what it stands for, carried out once more in smaller steps under a record of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from everysum.explain.decompositions import decomposition_of
from everysum.explain.operations import Operation, mapped
from everysum.explain.record import Record
from everysum.explain.recorder import Recorder
from everysum.explain.storage import Storage, View


def tensor_at(view: View, time: int) -> Tensor:
    """A tensor as an operation at this time saw it."""
    return view.storage.at(time, view.dtype).as_strided(view.size, view.stride, view.offset)


def opened(record: Record, operation: Operation) -> Record | None:
    """The record of an operation's decomposition, made when first asked for; None where there is none.

    Its `outputs` are the operation's results, in order; its inputs are storages of the record around it.
    """
    if operation.time not in record.nested:
        record.nested[operation.time] = open_anew(record, operation)
    return record.nested[operation.time]


def open_anew(record: Record, operation: Operation) -> Record | None:
    decomposition = decomposition_of(operation.function, operation.facts.packet)
    if decomposition is None or operation.facts.written:
        return None
    inner = Record(None)
    inner.outer = (record, operation)

    def tensor(view: View) -> Tensor:
        found = tensor_at(view, operation.time)
        memory = found.untyped_storage()
        inner.storages.setdefault(
            memory._cdata, Storage(len(inner.storages), memory, outer=(view.storage, operation.time))
        )
        return found

    arguments = mapped(operation.positional, View, tensor)
    named = {name: mapped(value, View, tensor) for name, value in operation.named.items()}
    try:
        with torch.no_grad(), Recorder(inner):
            # kernels for 16 bits hold what lies between in 32
            result = decomposition(*mapped(arguments, Tensor, widened), **mapped_values(named, widened))
            result = mapped(result, Tensor, lambda item: narrowed(item, operation))
    except Exception:  # a decomposition that does not fit these arguments is as good as none
        return None
    inner.outputs = outputs_of(inner, operation, result)
    return inner if inner.outputs else None


def widened(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def mapped_values(named: dict[str, Any], change: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    return {name: mapped(value, Tensor, change) for name, value in named.items()}


def narrowed(result: Tensor, operation: Operation) -> Tensor:
    """A result in the type in which the operation gave the one of this shape."""
    for view in operation.outputs:
        if view is not None and view.size == tuple(result.shape) and result.is_floating_point():
            return result.to(view.dtype)
    return result


def outputs_of(inner: Record, operation: Operation, result: Any) -> list[tuple[str, View]]:
    """The results of a decomposition, where they are of the operation's shapes."""
    results = result if isinstance(result, (list, tuple)) else (result,)
    found = []
    for number, (view, item) in enumerate(zip(operation.outputs, results, strict=False)):
        if view is None or not isinstance(item, Tensor) or tuple(item.shape) != view.size:
            break
        found.append((str(number), inner.view_of(item)))
    return found
