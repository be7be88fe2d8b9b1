"""Language models you can see every sum of.

    import everysum as es

    es.train("my_book.txt", out="runs/book", minutes=5)
    model = es.load("runs/book")
    print(model.generate("Once upon"))
    record = model.record("Once upon")
    print(record["logits"][-1, "a"].explain())

Everything is imported when it is first used, so that `everysum --help` does not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from everysum.version import __version__

if TYPE_CHECKING:
    from everysum.api import evaluate as evaluate
    from everysum.api import train as train
    from everysum.explain.record import record as record
    from everysum.model import Model as Model
    from everysum.model import load as load

_HOMES = {
    "load": "everysum.model",
    "Model": "everysum.model",
    "train": "everysum.api",
    "evaluate": "everysum.api",
    "record": "everysum.explain.record",
}

__all__ = ["Model", "__version__", "evaluate", "load", "record", "train"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'everysum' has no attribute {name!r}")
