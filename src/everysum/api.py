"""The two verbs of the public face that take paths: `train` and `evaluate`. (`load` is in `everysum.model`.)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from everysum.model import Model, load
from everysum.recipes import named_or_file
from everysum.training.evaluation import Measurement
from everysum.training.prepare import Request
from everysum.training.progress import Progress
from everysum.training.recipe import merged
from everysum.training.run import resume as resume_run
from everysum.training.run import train as train_run

Paths = str | Path | Sequence[str | Path]


def train(
    texts: Paths = (),
    *,
    out: str | Path,
    held_out: Paths = (),
    minutes: float | None = None,
    recipe: str | Path | Mapping[str, Any] = "default",
    device: str = "auto",
    base: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Model:
    """Train a model on texts (files or folders) and return it; the folder `out` holds the run, and then the model.

    `minutes` is wall time; `recipe` a name, a file, or values such as {"network": {"layers": 6}}: the rest is chosen.
    `base` is a model to go on from instead of beginning with a new network: a run, a model folder or a name on the hub.
    `resume` goes on with the run in `out`. `progress` listens to what happens.
    """
    listener = progress or Progress()
    if resume:
        resume_run(Path(out), listener)
    else:
        wishes = dict(recipe) if isinstance(recipe, Mapping) else named_or_file(recipe)
        request = Request(
            as_paths(texts), Path(out), as_paths(held_out), minutes, merged({}, wishes), device, base=base
        )
        train_run(request, listener)
    return load(out, device=device)


def evaluate(model: Model | str | Path, texts: Paths, *, stride: int | None = None) -> Measurement:
    """How well a model (or the one in a folder) predicts texts: loss, perplexity, bits per byte."""
    opened = model if isinstance(model, Model) else load(model)
    return opened.evaluate(*as_paths(texts), stride=stride)


def as_paths(paths: Paths) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
