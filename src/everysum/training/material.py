"""What a run learns from: its texts or pairs found, read once, a vocabulary learned from them, and cut into tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from everysum.data.held_out import split_texts
from everysum.data.pair_files import PairFiles, prepare_pairs
from everysum.data.sentence_pairs import PairSurvey, Sides, find_sides, split_pairs, survey_pairs
from everysum.data.text import TextSurvey, find_texts, survey
from everysum.data.token_files import TokenFiles, prepare_tokens
from everysum.errors import UsageError
from everysum.files import cache_folder
from everysum.tokenizers import train_tokenizer
from everysum.tokenizers.tokenizer import Tokenizer
from everysum.training.pair_task import PairTask
from everysum.training.recipe import Recipe
from everysum.training.task import Task
from everysum.training.text_task import TextTask
from everysum.training.wishes import merged

SIDES = ("paths", "target_paths", "held_out_paths", "held_out_target_paths")
"""Where a recipe's text names files."""
TINY_TRANSLATOR_FILES = ("training.de", "training.en", "held_out.de", "held_out.en")
"""Pairs of our own, kept with the run that learns from them."""


def with_paths(wishes: Mapping[str, Any], asked: Sequence[Sequence[Path]]) -> dict[str, Any]:
    """The wishes, with the paths of all `SIDES` spelled out; those asked for take the place of a recipe's."""
    said = [[Path(path) for path in wishes.get("text", {}).get(key, ())] for key in SIDES]
    training, measuring = ((asked if asked[place] else said)[place : place + 2] for place in (0, 2))
    texts, targets, held_out, held_out_targets = (find_texts(paths) for paths in (*training, *measuring))
    if not texts:
        raise UsageError("there is no text to train on", wanted="a file or folder, or - for standard input")
    if held_out and bool(targets) != bool(held_out_targets):
        raise UsageError("what is held out has to be of the same kind", wanted="texts with texts, pairs with pairs")
    found = zip(SIDES, (texts, targets, held_out, held_out_targets), strict=True)
    return merged(wishes, {"text": {key: [str(path.resolve()) for path in paths] for key, paths in found}})


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
