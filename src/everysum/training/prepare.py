"""Before the first step: from a request to texts, tokenizer, token files and a recipe in a folder of the run's own."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from everysum import machine
from everysum.data.pair_files import PairFiles
from everysum.data.token_files import TokenFiles
from everysum.errors import InputError, OutputError, TrainingError, UsageError
from everysum.files import make_folder, sweep_temporary, write_json
from everysum.parallel import use_cores
from everysum.tokenizers import load_tokenizer
from everysum.tokenizers.tokenizer import Tokenizer
from everysum.training import pace, plan
from everysum.training.base import RECIPE, recipe_of_run, refuse_too_large_to_train, with_base
from everysum.training.build import build_network, design
from everysum.training.loop import Batches, NotFinite, Trainer
from everysum.training.material import (
    TINY_TRANSLATOR_FILES,
    all_paths,
    digest_of,
    learned_tokenizer,
    notes_of,
    surveyed,
    task_of,
    token_files,
    with_paths,
)
from everysum.training.progress import Progress
from everysum.training.recipe import Recipe
from everysum.training.task import Task
from everysum.training.wishes import check_wishes, merged, validated

SHORTEST_TEXT = 1000
"""Bytes below which there is nothing to learn a language from."""
MEASURING_SHARE = 0.03
"""How much of the time given goes into measuring the speed of a step, and at most so many seconds."""
MEASURING_SECONDS = 4.0


@dataclass(frozen=True)
class Request:
    """What was asked for; `wishes` are the values of a recipe that are not to be chosen.

    With `targets` the texts are the sources of sentence pairs, and so is what is held out with `held_out_targets`.
    """

    texts: Sequence[Path]
    out: Path
    held_out: Sequence[Path] = ()
    minutes: float | None = None
    wishes: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"
    seconds_before: float = 0.0
    """How long the command had been running: it counts as part of its minutes."""
    targets: Sequence[Path] = ()
    held_out_targets: Sequence[Path] = ()
    base: Path | str | None = None
    """The model to go on from, instead of a new network: a folder, or a name on the hub."""


@dataclass(frozen=True)
class Prepared:
    """All that a run works on."""

    folder: Path
    recipe: Recipe
    tokenizer: Tokenizer
    tokens: TokenFiles | PairFiles

    @property
    def task(self) -> Task:
        return task_of(self.tokens, self.tokenizer)

    def batches(self) -> Batches:
        return self.task.batches(self.recipe)


def prepare(request: Request, progress: Progress) -> Prepared:
    """Resolve a request into a recipe and write it; the folder must be new or empty."""
    began = time.monotonic() - request.seconds_before
    said = {} if request.minutes is None else {"minutes": request.minutes}
    check_wishes(merged(request.wishes, said), pairs=bool(request.targets))
    refuse_taken(request.out)
    minutes = request.minutes or request.wishes.get("minutes") or plan.DEFAULT_MINUTES
    progress.stage("reading the text")
    sides = (request.texts, request.targets, request.held_out, request.held_out_targets)
    wishes = with_base(with_paths(request.wishes, sides), request.base)
    size = surveyed(wishes["text"])
    refuse_short(size.bytes, wishes["text"]["paths"])
    for note in notes_of(size):
        progress.warned(note)
    device = machine.choose_device(wishes.get("engine", {}).get("device", request.device))
    left = 60 * minutes - (time.monotonic() - began)
    digest = digest_of(wishes["text"]) if wishes["text"]["held_out_paths"] else size.sha256
    wishes = merged(wishes, {"minutes": minutes, "engine": {"device": device}, "text": {"sha256": digest}})
    pairs = bool(wishes["text"]["target_paths"])
    refuse_without_pairs(wishes, pairs)
    recipe = plan.draft(plan.Situation(size.bytes, left, device, pairs), wishes)
    refuse_impossible(recipe)
    if recipe.base is not None:
        refuse_too_large_to_train(recipe)
    use_cores(recipe.engine.threads // recipe.engine.workers)

    if recipe.base is None:
        progress.stage("learning the vocabulary")
        tokenizer = learned_tokenizer(recipe)
    else:
        tokenizer = load_tokenizer(Path(recipe.base.folder))
    progress.stage("cutting the text into tokens")
    tokens = token_files(recipe, tokenizer)
    task = task_of(tokens, tokenizer)
    recipe = fitted(recipe, task.longest_context, wishes)
    for note in task.notes(recipe):
        progress.warned(note)
    progress.stage("measuring this machine")
    machine.keep_freed_memory()
    recipe = planned(recipe, wishes, task, tokenizer, 60 * minutes - (time.monotonic() - began), progress)
    tokenizer.save(request.out)
    write_json(request.out / RECIPE, recipe.model_dump())
    return Prepared(request.out, recipe, tokenizer, tokens)


def reopened(folder: Path, progress: Progress) -> Prepared:
    """The run of an existing folder, from its recipe; its text must be what it was."""
    recipe = recipe_of_run(folder)
    progress.stage("reading the text")
    if digest_of(recipe.text.model_dump()) != recipe.text.sha256:
        raise InputError(
            "the text is no longer the one that this run began with",
            wanted=f"the same {', '.join(map(str, all_paths(recipe.text.model_dump())))}",
            advice="put the old text back to go on, or start a new run on the new one",
        )
    machine.choose_device(recipe.engine.device)
    tokenizer = load_tokenizer(folder)
    return Prepared(folder, recipe, tokenizer, token_files(recipe, tokenizer))


def fitted(recipe: Recipe, longest: int, wishes: Mapping[str, Any]) -> Recipe:
    """A shorter context where the text is too short for the one chosen; one that was wished for is refused instead."""
    if "context_length" in wishes.get("network", {}) or recipe.network.context_length <= longest:
        return recipe
    return validated(merged(recipe.model_dump(), {"network": {"context_length": longest}}))


def planned(
    recipe: Recipe,
    wishes: Mapping[str, Any],
    task: Task,
    tokenizer: Tokenizer,
    seconds_left: float,
    progress: Progress,
) -> Recipe:
    """The recipe with its engine and steps, from measuring; what was wished for is not measured."""
    batches, began = task.batches(recipe), time.monotonic()
    wished = wishes.get("engine", {})
    if "attention" not in wished:
        recipe = with_engine(recipe, attention=pace.faster_attention(recipe))
    if "steps" in wishes.get("schedule", {}):
        return plan.with_steps(recipe, wishes, recipe.schedule.steps)

    def measured(candidate: Recipe) -> float:
        # at the very beginning of a long run, where the rate is small: nothing is to be learned here
        candidate = validated(merged(candidate.model_dump(), {"schedule": {"steps": 1_000_000}}))
        trainer = Trainer(build_network(candidate, tokenizer.vocabulary_size), candidate, batches)
        try:
            return pace.seconds_per_step(trainer, min(MEASURING_SECONDS, MEASURING_SHARE * seconds_left))
        except NotFinite as problem:
            raise TrainingError(
                "the loss is not a finite number from the first steps on",
                came=str(problem),
                advice="lower optimizer.matrix_rate and the other rates, or --set engine.dtype=float32",
            ) from None

    seconds = measured(recipe)
    if "compiled" not in wished and pace.may_pay_to_compile(recipe, seconds_left):
        compiled = with_engine(recipe, compiled=True, workers=1)
        if (compiled_seconds := measured(compiled)) < seconds:
            recipe, seconds = compiled, compiled_seconds

    def fitting_steps() -> int:
        left = seconds_left - (time.monotonic() - began) - task.seconds_to_finish(recipe, seconds)
        return pace.fitting_steps(left, seconds)

    fitting, useful = fitting_steps(), task.useful_steps(recipe)
    # the draft only guessed how often the text would be seen
    epochs = plan.most_epochs(recipe) * min(1.0, fitting / useful)
    if (dropping := plan.with_dropout(recipe, wishes, epochs)) is not recipe:
        recipe, seconds = dropping, measured(dropping)
        fitting = fitting_steps()
    if useful < fitting:
        progress.warned(
            f"after {plan.most_epochs(recipe)} passes over this text a network would only learn it by heart, so the "
            f"run ends after {useful} steps, in about {useful * seconds / 60:.1f} minutes; "
            f"--set schedule.steps={fitting} would fill the time"
        )
    return plan.with_steps(recipe, wishes, min(fitting, useful))


def with_engine(recipe: Recipe, **engine: object) -> Recipe:
    """The recipe, with this engine."""
    return validated(merged(recipe.model_dump(), {"engine": engine}))


def refuse_taken(folder: Path) -> None:
    """A run never writes over another: its folder must be new, empty, or hold what a run killed early left."""
    make_folder(folder)
    sweep_temporary(folder)
    ours = {"tokenizer.json", "tokenizer_config.json", "stdin.txt", *TINY_TRANSLATOR_FILES}
    if found := sorted({path.name for path in folder.iterdir()} - ours):
        going_on = f", or go on with that run: everysum train --resume --out {folder}"
        raise OutputError(
            f"{folder} exists already and holds {found[0]}" + (f" and {len(found) - 1} more" if len(found) > 1 else ""),
            wanted="a new or empty folder",
            advice="give another --out" + (going_on if (folder / RECIPE).is_file() else ""),
        )


def refuse_impossible(recipe: Recipe) -> None:
    """Sizes that do not go together are refused by the network itself, laid out here without memory."""
    with torch.device("meta"):
        design(recipe.network, recipe.tokenizer.vocabulary_size, recipe.engine.attention)
    rows, accumulation, engine = recipe.schedule.batch_size, recipe.schedule.accumulation, recipe.engine
    if rows % accumulation:
        raise UsageError(
            f"a batch of {rows} cannot be computed in {accumulation} equal parts",
            wanted="schedule.accumulation to divide schedule.batch_size",
        )
    if recipe.text.target_paths:
        refuse_impossible_for_pairs(recipe)
    elif rows // accumulation % engine.workers or engine.threads < engine.workers:
        raise UsageError(
            f"{rows // accumulation} windows cannot be shared out evenly to {engine.workers} workers "
            f"of {engine.threads} threads",
            wanted="engine.workers to divide the windows that are computed at once, and no more workers than threads",
        )


def refuse_without_pairs(wishes: Mapping[str, Any], pairs: bool) -> None:
    """An encoder-decoder cannot go on with a text."""
    if wishes.get("network", {}).get("kind") == "transformer" and not pairs:
        raise UsageError(
            "a transformer translates, so it learns from pairs of sentences",
            wanted="everysum train --pairs train.de train.en",
            advice="for one text, leave network.kind out or take gpt or llama",
        )


def refuse_impossible_for_pairs(recipe: Recipe) -> None:
    """What can be for texts, but not for pairs, or only with another network."""
    if recipe.engine.compiled:
        raise UsageError("a run on pairs cannot be compiled", wanted="engine.compiled=false", came="true")
    if recipe.engine.threads < recipe.engine.workers:
        raise UsageError("there are more workers than threads", wanted="engine.workers of at most engine.threads")
    network = recipe.network
    if network.kind == "transformer" and network.wiring == "pre_norm" and not network.shared:
        raise UsageError(
            "no published family has two embeddings and pre-norm, so it could not be saved",
            wanted="network.shared=true, or network.wiring=post_norm",
        )


def refuse_short(size: int, paths: Sequence[str]) -> None:
    if size < SHORTEST_TEXT:
        raise InputError(
            "the text is too short to train on",
            wanted=f"at least {SHORTEST_TEXT:,} bytes; from 100,000 on it begins to be worth while",
            came=f"{size:,} bytes in {', '.join(paths)}",
        )
