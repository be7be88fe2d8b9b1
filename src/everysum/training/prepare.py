"""Before the first step: from a request to texts, tokenizer, token files and a recipe in a folder of the run's own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from everysum import machine
from everysum.data.held_out import split_texts
from everysum.data.pair_files import PairFiles, prepare_pairs
from everysum.data.sentence_pairs import PairSurvey, Sides, find_sides, split_pairs, survey_pairs
from everysum.data.text import TextSurvey, find_texts, survey
from everysum.data.token_files import TokenFiles, prepare_tokens
from everysum.errors import InputError, OutputError, TrainingError, UsageError
from everysum.files import make_folder, sweep_temporary, write_json
from everysum.parallel import use_cores
from everysum.tokenizers import load_tokenizer, train_tokenizer
from everysum.tokenizers.tokenizer import Tokenizer
from everysum.training import plan
from everysum.training.base import RECIPE, recipe_of_run, refuse_too_large_to_train, with_base
from everysum.training.build import build_network, design
from everysum.training.loop import Batches, NotFinite, Trainer
from everysum.training.pair_task import PairTask
from everysum.training.progress import Progress
from everysum.training.recipe import Recipe, check_wishes, merged, validated
from everysum.training.task import Task
from everysum.training.text_task import TextTask

SIDES = ("paths", "target_paths", "held_out_paths", "held_out_target_paths")
"""Where a recipe's text names files."""
TINY_TRANSLATOR_FILES = ("training.de", "training.en", "held_out.de", "held_out.en")
"""Pairs of our own, kept with the run that learns from them."""
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
    wishes = with_base(with_texts(request), request.base)
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


def with_texts(request: Request) -> dict[str, Any]:
    """The wishes, with the paths of all texts spelled out; those of the request come before those of a recipe."""
    said = request.wishes.get("text", {})
    asked = (request.texts, request.targets, request.held_out, request.held_out_targets)
    texts, targets, held_out, held_out_targets = (
        find_texts(paths or [Path(path) for path in said.get(key, ())]) for paths, key in zip(asked, SIDES, strict=True)
    )
    if not texts:
        raise UsageError("there is no text to train on", wanted="a file or folder, or - for standard input")
    if held_out and bool(targets) != bool(held_out_targets):
        raise UsageError("what is held out has to be of the same kind", wanted="texts with texts, pairs with pairs")
    found = zip(SIDES, (texts, targets, held_out, held_out_targets), strict=True)
    return merged(request.wishes, {"text": {key: [str(path.resolve()) for path in paths] for key, paths in found}})


def all_paths(text: Mapping[str, Any]) -> list[Path]:
    """Every file of a run's text."""
    return [Path(path) for key in SIDES for path in text[key]]


def surveyed(text: Mapping[str, Any]) -> TextSurvey | PairSurvey:
    """What there is to train on."""
    if text["target_paths"]:
        return survey_pairs(sides_in(text))
    return survey([Path(path) for path in text["paths"]], errors=text.get("errors", "strict"))


def sides_in(text: Mapping[str, Any], held_out: bool = False) -> Sides:
    """The two sides of the pairs to train on, or of those that are held out."""
    prefix = "held_out_" if held_out else ""
    sources, targets = ([Path(path) for path in text[prefix + key]] for key in ("paths", "target_paths"))
    return find_sides(sources, targets, text.get("errors", "strict"))


def notes_of(size: TextSurvey | PairSurvey) -> list[str]:
    """What a person should know of a text before it is trained on."""
    if isinstance(size, TextSurvey) or not size.empty:
        return []
    return [f"{size.empty:,} pairs with an empty side are passed over, the first of them in {size.first_empty}"]


def digest_of(text: Mapping[str, Any]) -> str:
    """What stands for all of a run's text, the held-out text included."""
    return survey(all_paths(text), errors=text.get("errors", "strict")).sha256


def learned_tokenizer(recipe: Recipe) -> Tokenizer:
    """A tokenizer learned from the training part of the text alone; a joint one of both sides for pairs."""
    choice, text = recipe.tokenizer, recipe.text
    share = 0.0 if text.held_out_paths else text.held_out_share
    texts: Iterable[str]
    if text.target_paths:
        texts = (f"{side}\n" for pair in split_pairs(sides_in(text.model_dump()), share)[0] for side in pair)
    else:
        training, _ = split_texts([Path(path) for path in text.paths], text.errors, share)
        texts = (piece.text for piece in training)
    separated = recipe.task == "separator"
    tokenizer = train_tokenizer(choice.kind, texts, choice.vocabulary_size - separated, choice.pattern)
    tokenizer.ends_texts = recipe.task == "transformer"
    if separated:
        tokenizer.add_separator()
    return tokenizer


def token_files(recipe: Recipe, tokenizer: Tokenizer) -> TokenFiles | PairFiles:
    """The text as token files, made now or found in the cache."""
    text, folder = recipe.text, cache_folder() / "tokens"
    if text.target_paths:
        values = text.model_dump()
        held_out = sides_in(values, held_out=True) if text.held_out_paths else None
        return prepare_pairs(sides_in(values), held_out, tokenizer, folder=folder, held_out_share=text.held_out_share)
    return prepare_tokens(
        [Path(path) for path in text.paths],
        [Path(path) for path in text.held_out_paths] or None,
        tokenizer,
        folder=folder,
        held_out_fraction=text.held_out_share,
        errors=text.errors,
    )


def task_of(tokens: TokenFiles | PairFiles, tokenizer: Tokenizer) -> Task:
    """What is to be learned from these files."""
    return TextTask(tokens, tokenizer) if isinstance(tokens, TokenFiles) else PairTask(tokens, tokenizer)


def cache_folder() -> Path:
    """Where what can be made again is kept: $EVERYSUM_CACHE, or everysum's folder in the user's cache."""
    if said := os.environ.get("EVERYSUM_CACHE"):
        return Path(said)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "everysum"


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
    seconds_left -= task.seconds_to_finish(recipe, seconds)
    fitting, useful = plan.fitting_steps(seconds_left, seconds), task.useful_steps(recipe)
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
