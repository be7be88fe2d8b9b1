"""The two verbs of the public face that take paths: `train` and `evaluate`. (`load` is in `everysum.model`.)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast, overload

from everysum.errors import UsageError
from everysum.generation.beam_search import Search
from everysum.model import Model, load
from everysum.recipes import named_or_file, refuse_without_pairs, shipped_pairs
from everysum.training.evaluation import Measurement
from everysum.training.prepare import Request
from everysum.training.progress import Progress
from everysum.training.run import resume as resume_run
from everysum.training.run import train as train_run
from everysum.training.translation_evaluation import TranslationMeasurement
from everysum.training.wishes import merged

Paths = str | Path | Sequence[str | Path]


def train(
    texts: Paths = (),
    *,
    out: str | Path,
    pairs: tuple[Paths, Paths] | None = None,
    held_out: Paths | tuple[Paths, Paths] = (),
    minutes: float | None = None,
    recipe: str | Path | Mapping[str, Any] = "default",
    device: str = "auto",
    base: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Model:
    """Train a model on texts (files or folders) and return it; the folder `out` holds the run, and then the model.

    `pairs`, instead of texts, are sources and targets whose lines go together, and `held_out` is a pair too: what is
    trained is then a translator. `minutes` is wall time; `recipe` a name, a file, or values such as
    {"network": {"layers": 6}}: the rest is chosen. `base` is a model to go on from instead of beginning with a new
    network: a run, a model folder or a name on the hub. `resume` goes on with the run in `out`. `progress` listens to
    what happens.
    """
    listener = progress or Progress()
    if resume:
        resume_run(Path(out), listener)
    else:
        wishes = dict(recipe) if isinstance(recipe, Mapping) else named_or_file(recipe)
        sources, targets, held_out_sources, held_out_targets = four_sides(texts, pairs, held_out, wishes, Path(out))
        request = Request(
            sources,
            Path(out),
            held_out_sources,
            minutes,
            merged({}, wishes),
            device,
            targets=targets,
            held_out_targets=held_out_targets,
            base=base,
        )
        train_run(request, listener)
    return load(out, device=device)


@overload
def evaluate(model: Model | str | Path, texts: Paths, *, stride: int | None = None) -> Measurement: ...


@overload
def evaluate(
    model: Model | str | Path,
    *,
    pairs: tuple[str | Path, str | Path],
    beams: int = 5,
    length_penalty: float = 1.0,
) -> TranslationMeasurement: ...


def evaluate(
    model: Model | str | Path,
    texts: Paths = (),
    *,
    stride: int | None = None,
    pairs: tuple[str | Path, str | Path] | None = None,
    beams: int = 5,
    length_penalty: float = 1.0,
) -> Measurement | TranslationMeasurement:
    """How well a model (or the one in a folder) predicts texts: loss, perplexity, bits per byte.

    With `pairs`, a file of sentences and one of their translations: how well it translates, in BLEU, chrF and loss.
    """
    opened = model if isinstance(model, Model) else load(model)
    if pairs is None:
        return opened.evaluate(*as_paths(texts), stride=stride)
    if as_paths(texts):
        raise UsageError(
            "texts and pairs do not go together", wanted="texts for a language model, pairs for a translator"
        )
    return opened.evaluate_pairs(*pairs, search=Search(beams, length_penalty))


def as_paths(paths: Paths) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]


def four_sides(
    texts: Paths,
    pairs: tuple[Paths, Paths] | None,
    held_out: Paths | tuple[Paths, Paths],
    wishes: Mapping[str, Any],
    out: Path,
) -> list[list[Path]]:
    """The files of texts or sources, of targets, and of what is held out of both; a recipe may bring pairs along."""
    if pairs is None:
        shipped = [] if as_paths(texts) else shipped_pairs(wishes, out)
        refuse_without_pairs(wishes, bool(shipped))
        return [[path] for path in shipped] or [as_paths(texts), [], as_paths(cast(Paths, held_out)), []]
    if as_paths(texts):
        raise UsageError("texts and pairs do not go together", wanted="one of them")
    if held_out and (isinstance(held_out, str | Path) or len(held_out) != 2):
        raise UsageError("what is held out has to be pairs too", wanted="held_out=(sources, targets)")
    others = cast(tuple[Paths, Paths], held_out or ((), ()))
    return [as_paths(side) for side in (*pairs, *others)]
