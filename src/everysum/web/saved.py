"""A recorded pass as one file: the page's own modules, every number, and the rules, to be opened from disk.

The modules cannot find each other in a file opened from disk; so they go into the page as an import map of data, under
the names that they have on the server. Nothing is loaded from anywhere: the file's own policy forbids it.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from everysum.errors import InputError
from everysum.explain.operations import Operation
from everysum.explain.recorded import RecordedNumber
from everysum.explain.rerun import follows, stays
from everysum.explain.results import holds, statement_of
from everysum.explain.rules import rule_of
from everysum.explain.storage import Storage, View, Write
from everysum.explain.stream import residual_of
from everysum.explain.tolerance import tolerance_of
from everysum.files import write_atomically
from everysum.layers.attention import ENGINES, Attention
from everysum.server.answers import finite
from everysum.server.tensors import listed, tokens_of
from everysum.web.app import PAGE

if TYPE_CHECKING:
    from torch import Tensor

    from everysum.explain import NamedTensor, Record
    from everysum.model import Model

MOST_BYTES = 128 * 1024 * 1024
"""Of numbers in the file; a browser reads about twice that in text."""
LIKELIEST = 12
IMPORT = re.compile(r"""(\bfrom\s*|\bimport\s*\(\s*|\bimport\s+)(["'])(\.{1,2}/[^"']+)\2""")
POLICY = "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data:"


def save_page(model: Model, prompt: str, path: Path, title: str, *, target: str | None = None) -> None:
    """Record a pass as `Model.record` does and write it into one page; InputError where it is too large for that."""
    with written_out(model):
        began = perf_counter()
        record = model.record(prompt, target=target)
        seconds = perf_counter() - began
    write_atomically(path, page_of(saved(model, record, title, prompt, seconds), title))


@contextmanager
def written_out(model: Model) -> Iterator[None]:
    """Attention in its written-out form, whose every step is recorded; a fused one would keep its weights to itself."""
    parts = [part for part in model.network.modules() if isinstance(part, Attention)]
    before = [part.engine for part in parts]
    try:
        for part in parts:
            part.engine = ENGINES["written_out"]
        yield
    finally:
        for part, engine in zip(parts, before, strict=True):
            part.engine = engine


# --- the data --------------------------------------------------------------------------------------------------------


def saved(model: Model, record: Record, title: str, prompt: str, seconds: float) -> dict[str, Any]:
    """Everything that the page may be asked, as data."""
    refuse_too_large(record)
    network = type(model.network).__name__
    tensors = [tensor for tensor in record.list() if not tensor.rerun]
    lines = [line for line in listed(record) if not line["rerun"]]
    tokens = tokens_of(model, record)
    return {
        "model": title,
        "prompt": prompt,
        "pass": {"record": "saved", "seconds": seconds, **tokens, "network": network, "tensors": lines},
        "vocabulary": [model.token_text(token) for token in range(record["logits"].shape[-1])],
        "tensors": [line | located(tensor) for line, tensor in zip(lines, tensors, strict=True)],
        **tape_data(record),
        "residuals": residuals(record),
    }


def tape_data(record: Record) -> dict[str, Any]:
    """Every operation with its rule, and every number."""
    numbers = {id(operation): number for number, operation in enumerate(record.operations)}
    return {
        "operations": [operation_data(record, operation) for operation in record.operations],
        "rules": {name: list(rule_of(name, packet) or ()) for name, packet in rules_in(record)},
        "storages": [storage_data(record, storage, numbers) for storage in in_order(record)],
    }


def rules_in(record: Record) -> set[tuple[str, str]]:
    return {(operation.facts.name, operation.facts.packet) for operation in record.operations if operation.makes}


def in_order(record: Record) -> list[Storage]:
    """The storages by their numbers, without gaps."""
    return sorted(record.storages.values(), key=lambda storage: storage.number)


def refuse_too_large(record: Record) -> None:
    size = sum(storage.memory.nbytes() for storage in record.storages.values())
    if size > MOST_BYTES:
        raise InputError(
            "this pass is too large for one page",
            wanted=f"at most {MOST_BYTES // 2**20} MiB of numbers, weights included",
            came=f"{size / 2**20:,.0f} MiB",
            advice="look into it with everysum open",
        )


def located(tensor: NamedTensor) -> dict[str, Any]:
    labels: list[Any] = []
    for axis, name in enumerate(tensor.axes):
        texts = tensor.tokens(axis)
        labels.append("vocabulary" if name == "vocabulary" and texts is not None else texts)
    return {"view": view_data(tensor.view), "time": tensor.time, "labels": labels}


def view_data(view: View) -> dict[str, Any]:
    return {
        "storage": view.storage.number,
        "offset": view.offset,
        "size": list(view.size),
        "stride": list(view.stride),
    }


def operation_data(record: Record, operation: Operation) -> dict[str, Any]:
    """An operation with its arguments, and its rule where it has one that holds."""
    outputs = [view for view in operation.outputs if view is not None]
    makes = operation.makes and bool(outputs)
    ruled = makes and statement_of(operation, 0) is not None and holds(record, operation)
    given = operation.arguments if follows(operation) else {}
    tolerance = tolerance_of(operation, outputs[0]) if outputs else None
    return {
        "time": operation.time,
        "packet": operation.name,
        "name": operation.facts.name,
        "module": "" if operation.module is None else operation.module.path,
        "arguments": {name: argument_data(value) for name, value in given.items()},
        "outputs": [None if view is None else view_data(view) for view in operation.outputs],
        "rules": operation.facts.name if ruled else None,
        "held": stays(operation),
        "formulas": [formula_of(record, operation, view) for view in operation.outputs] if makes else [],
        "tolerance": {
            "relative": tolerance.relative if tolerance else 0.0,
            "type": tolerance.dtype if tolerance else "",
        },
    }


def argument_data(value: Any) -> Any:
    if isinstance(value, View):
        return view_data(value)
    if isinstance(value, list | tuple):
        return [argument_data(item) for item in value]
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)


def formula_of(record: Record, operation: Operation, view: View | None) -> str | None:
    """The formula of a result, as its first number tells it."""
    if view is None or not view.count:
        return None
    return RecordedNumber(record, view.storage, view.offset, operation.time + 1, view.dtype).formula


def storage_data(record: Record, storage: Storage, numbers: dict[int, int]) -> dict[str, Any]:
    """The bytes of a storage at each time at which they changed, what wrote them, and what it is if nothing did."""
    origins = record.origins.get(storage.number, ())
    views = [write.view for write in storage.writes] or [origin.view for origin in origins]
    dtype = views[0].dtype if views else torch.float32
    times = [0, *(write.time + 1 for write in storage.writes)] if storage.writes else [0]
    states: list[dict[str, Any]] = []
    for time in times:
        state = {"from": time, **encoded(storage.at(time, dtype))}
        if not states or state["data"] != states[-1]["data"]:
            states.append(state)
    return {
        "states": states,
        "type": type_name(dtype),
        "writes": [write_data(record, write, numbers) for write in storage.writes],
        "origins": [{"name": each.name, "kind": each.kind, "view": view_data(each.view)} for each in origins],
    }


def type_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def write_data(record: Record, write: Write, numbers: dict[int, int]) -> dict[str, Any]:
    named = record.names.best.get((write.view.storage.number, write.time))
    return {
        "view": view_data(write.view),
        "time": write.time,
        "operation": numbers[id(write.operation)],
        "output": write.output,
        "type": type_name(write.view.dtype),
        "name": None if named is None else named.name,
        "named": None if named is None else view_data(named.view),
    }


def encoded(flat: Tensor) -> dict[str, str]:
    """Numbers as text: float32 if nothing is lost by it, else float64; whole numbers in 32 bits where they fit."""
    numbers = flat.detach().cpu()
    if numbers.dtype == torch.bool:
        kind = "u1"
    elif numbers.dtype.is_floating_point:
        kind = "f8" if numbers.dtype == torch.float64 else "f4"
    else:
        fits = not numbers.numel() or bool(numbers.abs().max() < 2**31)
        kind = "i4" if fits else "f8"
    array = (numbers.float() if numbers.dtype.is_floating_point and kind == "f4" else numbers).numpy()
    return {"kind": kind, "data": base64.b64encode(array.astype(np.dtype(f"<{kind}")).tobytes()).decode("ascii")}


def residuals(record: Record) -> dict[str, Any]:
    """The residual-stream view of the likeliest tokens after the last position."""
    logits = record["logits"]
    position = logits.shape[1] - 1
    best = logits.tensor[0, -1].double().topk(min(LIKELIEST, logits.shape[-1])).indices.tolist()
    return {f"{position},{token}": residual_of(record, logits[0, position, token]).as_json() for token in best}


# --- the page --------------------------------------------------------------------------------------------------------


def page_of(data: dict[str, Any], title: str) -> str:
    """The HTML, with style, modules and data inside."""
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    style = (PAGE / "style.css").read_text(encoding="utf-8")
    icon = data_url("image/svg+xml", (PAGE / "icon.svg").read_text(encoding="utf-8"))
    modules = {f"everysum/{name}": data_url("text/javascript", text) for name, text in sources()}
    head = "\n".join(
        (
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f"<style>\n{style}</style>",
            f'<script type="importmap">{as_script({"imports": modules})}</script>',
            f'<script type="application/json" id="saved">{as_script(finite(data))}</script>',
            '<script type="module">import "everysum/main.js";</script>',
        )
    )
    html = html.replace('<link rel="stylesheet" href="style.css">', "")
    html = html.replace('<script type="module" src="main.js"></script>', head)
    html = html.replace('"icon.svg"', f'"{icon}"')
    return html.replace("<title>everysum</title>", f"<title>{escaped(title)} – everysum</title>")


def sources() -> Iterator[tuple[str, str]]:
    """Each module by its name, its imports by theirs."""
    for path in sorted(PAGE.rglob("*.js")):
        name = path.relative_to(PAGE).as_posix()
        folder = posixpath.dirname(name)

        def renamed(match: re.Match[str], folder: str = folder) -> str:
            return f'{match[1]}"everysum/{posixpath.normpath(posixpath.join(folder, match[3]))}"'

        yield name, IMPORT.sub(renamed, path.read_text(encoding="utf-8"))


def data_url(kind: str, text: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(text.encode()).decode('ascii')}"


def as_script(value: Any) -> str:
    """JSON that cannot end the script it stands in."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
