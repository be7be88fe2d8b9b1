"""Before the first step: from a request to texts, tokenizer, token files and a recipe in a folder of the run's own."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from everysum import machine
from everysum.data.batches import Batches
from everysum.data.held_out import split_texts
from everysum.data.text import find_texts, survey
from everysum.data.token_files import TokenFiles, prepare_tokens
from everysum.errors import InputError, OutputError, TrainingError, UsageError
from everysum.files import make_folder, sweep_temporary, write_json
from everysum.parallel import use_cores
from everysum.tokenizers import load_tokenizer, train_tokenizer
from everysum.tokenizers.tokenizer import Tokenizer
from everysum.training import plan
from everysum.training.base import RECIPE, recipe_of_run, refuse_too_large_to_train, with_base
from everysum.training.build import build_network, design
from everysum.training.loop import NotFinite, Trainer
from everysum.training.progress import Progress
from everysum.training.recipe import Recipe, check_wishes, merged, validated

SHORTEST_TEXT = 1000
"""Bytes below which there is nothing to learn a language from."""
MEASURING_SHARE = 0.03
"""How much of the time given goes into measuring the speed of a step, and at most so many seconds."""
MEASURING_SECONDS = 4.0


@dataclass(frozen=True)
class Request:
    """What was asked for; `wishes` are the values of a recipe that are not to be chosen."""

    texts: Sequence[Path]
    out: Path
    held_out: Sequence[Path] = ()
    minutes: float | None = None
    wishes: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"
    seconds_before: float = 0.0
    """How long the command had been running: it counts as part of its minutes."""
    base: Path | str | None = None
    """The model to go on from, instead of a new network: a folder, or a name on the hub."""


@dataclass(frozen=True)
class Prepared:
    """All that a run works on."""

    folder: Path
    recipe: Recipe
    tokenizer: Tokenizer
    tokens: TokenFiles

    def batches(self) -> Batches:
        return batches_of(self.recipe, self.tokens)


def prepare(request: Request, progress: Progress) -> Prepared:
    """Resolve a request into a recipe and write it; the folder must be new or empty."""
    began = time.monotonic() - request.seconds_before
    check_wishes(request.wishes if request.minutes is None else merged(request.wishes, {"minutes": request.minutes}))
    refuse_taken(request.out)
    minutes = request.minutes or request.wishes.get("minutes") or plan.DEFAULT_MINUTES
    progress.stage("reading the text")
    wishes = with_base(with_texts(request), request.base)
    paths = tuple(Path(path) for path in wishes["text"]["paths"])
    size = survey(paths, errors=wishes["text"].get("errors", "strict"))
    refuse_short(size.bytes, paths)
    device = machine.choose_device(wishes.get("engine", {}).get("device", request.device))
    left = 60 * minutes - (time.monotonic() - began)
    digest = digest_of(wishes["text"]) if wishes["text"]["held_out_paths"] else size.sha256
    wishes = merged(wishes, {"minutes": minutes, "engine": {"device": device}, "text": {"sha256": digest}})
    recipe = plan.draft(plan.Situation(size.bytes, left, device), wishes)
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
    recipe = fitted(recipe, tokens, wishes)
    progress.stage("measuring this machine")
    machine.keep_freed_memory()
    recipe = planned(recipe, wishes, tokens, tokenizer, 60 * minutes - (time.monotonic() - began), progress)
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
            wanted=f"the same {', '.join((*recipe.text.paths, *recipe.text.held_out_paths))}",
            advice="put the old text back to go on, or start a new run on the new one",
        )
    machine.choose_device(recipe.engine.device)
    tokenizer = load_tokenizer(folder)
    return Prepared(folder, recipe, tokenizer, token_files(recipe, tokenizer))


def with_texts(request: Request) -> dict[str, Any]:
    """The wishes, with the paths of all texts spelled out; those of the request come before those of a recipe."""
    said = request.wishes.get("text", {})
    texts = find_texts(request.texts or [Path(path) for path in said.get("paths", ())])
    held_out = find_texts(request.held_out or [Path(path) for path in said.get("held_out_paths", ())])
    if not texts:
        raise UsageError("there is no text to train on", wanted="a file or folder, or - for standard input")
    paths = {
        "paths": [str(path.resolve()) for path in texts],
        "held_out_paths": [str(path.resolve()) for path in held_out],
    }
    return merged(request.wishes, {"text": paths})


def digest_of(text: Mapping[str, Any]) -> str:
    """What stands for all of a run's text, the held-out text included."""
    paths = [Path(path) for path in (*text["paths"], *text["held_out_paths"])]
    return survey(paths, errors=text.get("errors", "strict")).sha256


def learned_tokenizer(recipe: Recipe) -> Tokenizer:
    """A tokenizer learned from the training part of the text alone."""
    paths = [Path(path) for path in recipe.text.paths]
    share = 0.0 if recipe.text.held_out_paths else recipe.text.held_out_share
    training, _ = split_texts(paths, recipe.text.errors, share)
    choice = recipe.tokenizer
    return train_tokenizer(choice.kind, (piece.text for piece in training), choice.vocabulary_size, choice.pattern)


def token_files(recipe: Recipe, tokenizer: Tokenizer) -> TokenFiles:
    """The text as token files, made now or found in the cache."""
    text = recipe.text
    return prepare_tokens(
        [Path(path) for path in text.paths],
        [Path(path) for path in text.held_out_paths] or None,
        tokenizer,
        folder=cache_folder() / "tokens",
        held_out_fraction=text.held_out_share,
        errors=text.errors,
    )


def cache_folder() -> Path:
    """Where what can be made again is kept: $EVERYSUM_CACHE, or everysum's folder in the user's cache."""
    if said := os.environ.get("EVERYSUM_CACHE"):
        return Path(said)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "everysum"


def fitted(recipe: Recipe, tokens: TokenFiles, wishes: Mapping[str, Any]) -> Recipe:
    """A shorter context where the text is too short for the one chosen; one that was wished for is refused instead."""
    longest = min(len(tokens.train) - 1, max(1, len(tokens.train) // 8))
    if "context_length" in wishes.get("network", {}) or recipe.network.context_length <= longest:
        return recipe
    return validated(merged(recipe.model_dump(), {"network": {"context_length": longest}}))


def batches_of(recipe: Recipe, tokens: TokenFiles) -> Batches:
    """The training batches of a recipe."""
    return Batches(
        tokens.train,
        seed=recipe.seed,
        batch_size=recipe.schedule.batch_size // recipe.schedule.accumulation,
        context_length=recipe.network.context_length,
        accumulation=recipe.schedule.accumulation,
    )


def planned(
    recipe: Recipe,
    wishes: Mapping[str, Any],
    tokens: TokenFiles,
    tokenizer: Tokenizer,
    seconds_left: float,
    progress: Progress,
) -> Recipe:
    """The recipe with its engine and steps, from measuring; what was wished for is not measured."""
    batches, began = batches_of(recipe, tokens), time.monotonic()
    wished = wishes.get("engine", {})
    if "attention" not in wished:
        recipe = with_engine(recipe, attention=plan.faster_attention(recipe))
    if "steps" in wishes.get("schedule", {}):
        return plan.with_steps(recipe, wishes, recipe.schedule.steps)

    def measured(candidate: Recipe) -> float:
        # at the very beginning of a long run, where the rate is small: nothing is to be learned here
        candidate = validated(merged(candidate.model_dump(), {"schedule": {"steps": 1_000_000}}))
        trainer = Trainer(build_network(candidate, tokenizer.vocabulary_size), candidate, batches)
        try:
            return plan.seconds_per_step(trainer, min(MEASURING_SECONDS, MEASURING_SHARE * seconds_left))
        except NotFinite as problem:
            raise TrainingError(
                "the loss is not a finite number from the first steps on",
                came=str(problem),
                advice="lower optimizer.matrix_rate and the other rates, or --set engine.dtype=float32",
            ) from None

    seconds = measured(recipe)
    if "compiled" not in wished and plan.may_pay_to_compile(recipe, seconds_left):
        compiled = with_engine(recipe, compiled=True, workers=1)
        if (compiled_seconds := measured(compiled)) < seconds:
            recipe, seconds = compiled, compiled_seconds
    seconds_left -= time.monotonic() - began
    seconds_left -= plan.seconds_to_finish(recipe, tokens, seconds)
    fitting, useful = plan.fitting_steps(seconds_left, seconds), plan.useful_steps(recipe, tokens)
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
    ours = {"tokenizer.json", "tokenizer_config.json", "stdin.txt"}
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
    if rows // accumulation % engine.workers or engine.threads < engine.workers:
        raise UsageError(
            f"{rows // accumulation} windows cannot be shared out evenly to {engine.workers} workers "
            f"of {engine.threads} threads",
            wanted="engine.workers to divide the windows that are computed at once, and no more workers than threads",
        )


def refuse_short(size: int, paths: Sequence[Path]) -> None:
    if size < SHORTEST_TEXT:
        raise InputError(
            "the text is too short to train on",
            wanted=f"at least {SHORTEST_TEXT:,} bytes; from 100,000 on it begins to be worth while",
            came=f"{size:,} bytes in {', '.join(map(str, paths))}",
        )
