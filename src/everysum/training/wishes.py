"""Wishes: what a user says of a recipe, with `--set` or in a file, read, checked, and laid over one another.

A wish is a value of a recipe, nested as the recipe is; what nobody wishes for is chosen. A key that does not exist is
refused with the nearest that does.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from pydantic import BaseModel, ValidationError

from everysum.errors import InputError, UsageError
from everysum.files import read_json
from everysum.training.recipe import NETWORK_KINDS, Base, PublishedChoice, Recipe, Section

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails


def validated(values: Mapping[str, Any]) -> Recipe:
    """The recipe of these values; refuses, naming the key, what it was and the nearest that exists."""
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise refusal(error.errors()[0]) from error


def check_wishes(wishes: Mapping[str, Any], *, pairs: bool = False) -> None:
    """Refuse what no recipe can say, before the rest is chosen around it; `pairs`: for pairs of sentences."""
    text = wishes.get("text")
    pairs = pairs or (isinstance(text, Mapping) and bool(text.get("target_paths")))
    kind = "transformer" if pairs else "llama"
    try:
        Recipe.model_validate(merged({"network": {"kind": kind}}, wishes))
    except ValidationError as error:
        for problem in error.errors():
            if problem["type"] != "missing":
                raise refusal(problem) from error


def refusal(problem: ErrorDetails) -> UsageError:
    """What pydantic found, in our words: which key it is, what it was, and what it can be."""
    kind, came = problem["type"], problem["input"]
    path = ".".join(str(part) for part in problem["loc"] if part not in NETWORK_KINDS)
    if kind == "extra_forbidden":
        network = next((part for part in problem["loc"] if part in NETWORK_KINDS), None)
        return unknown_key(path, network)
    if kind.startswith("union_tag"):
        path, came = f"{path}.kind", came.get("kind") if isinstance(came, Mapping) else came
    return UsageError(
        f"the recipe lacks {path}" if kind == "missing" else f"the recipe's {path} cannot be {came!r}",
        wanted=" or ".join(NETWORK_KINDS) if kind.startswith("union_tag") else problem["msg"],
        advice="`everysum train --print-recipe` shows every key and what it can be",
    )


def unknown_key(path: str, network: object = None) -> UsageError:
    """Say that no recipe has this key, and which one may have been meant."""
    known = sorted(set(keys_of(Recipe)))
    if path.partition(".")[0] == "base" or path == "network.configuration":
        return UsageError(f"{path} comes with the model that a run goes on from", advice="name that with --from MODEL")
    if path in known:
        return UsageError(f"a network of kind {network} has no {path.rpartition('.')[2]}", advice=f"leave {path} out")
    leaf = {key.rsplit(".", 1)[-1]: key for key in reversed(known)}
    near = difflib.get_close_matches(path, known, 1, 0.6) or [
        leaf[name] for name in difflib.get_close_matches(path.rsplit(".", 1)[-1], leaf, 1, 0.5)
    ]
    return UsageError(
        f"no recipe has the key {path!r}",
        advice=(f"did you mean {near[0]!r}? " if near else "") + "`everysum train --print-recipe` shows every key",
    )


def keys_of(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key that `--set` may name: dotted, down to single values; those that come with a model it may not."""
    for name, field in section.model_fields.items():
        choices = sections_of(field)
        for choice in choices:
            if choice not in (Base, PublishedChoice):
                yield from keys_of(choice, f"{prefix}{name}.")
        if not choices:
            yield prefix + name


def sections_of(field: FieldInfo) -> list[type[Section]]:
    """The sections that a key can hold; none where it holds a single value."""
    return [part for part in (field.annotation, *getattr(field.annotation, "__args__", ())) if is_section(part)]


def is_section(annotation: object) -> TypeGuard[type[Section]]:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def overrides_from(assignments: list[str]) -> dict[str, Any]:
    """What `--set key=value` says, nested; a value is JSON where it can be, else a word."""
    overrides: dict[str, Any] = {}
    known = set(keys_of(Recipe))
    for assignment in assignments:
        key, equals, word = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment!r} sets nothing", wanted="key=value, such as schedule.steps=500")
        if key not in known:
            raise unknown_key(key)
        place = overrides
        *sections, last = key.split(".")
        for section in sections:
            place = place.setdefault(section, {})
        try:
            place[last] = json.loads(word)
        except json.JSONDecodeError:
            place[last] = word
    return overrides


def read_recipe(path: Path) -> dict[str, Any]:
    """The values of a recipe file: a whole recipe or any part of one."""
    values = read_json(path, InputError)
    if not isinstance(values, dict):
        raise InputError(f"{path} is not a recipe", wanted="a JSON object", came=type(values).__name__)
    return values


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with what `over` says instead, section by section."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result
