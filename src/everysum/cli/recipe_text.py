"""`--print-recipe`: every key that `--set` can change, with its value and what it can be."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from everysum.training.recipe import Recipe, Section

COLUMN, WIDTH = 34, 80
HUGE = 2**53
"""From here on a bound is that of a number's type and says nothing."""
HEAD = """\
# The whole recipe. Each line can be given to --set: --set schedule.steps=500
# As a file for --recipe: everysum train … --print-recipe --json > mine.json"""
WITHOUT_TEXT = """\
# No text was given: sizes are those for a megabyte of it, and how many steps
# fit into the time is found out by measuring when there is one."""


def recipe_text(recipe: Recipe) -> str:
    """The recipe as lines `key=value  # what it can be`, and below them the keys of the other kinds of network."""
    head = [HEAD] if recipe.text.paths else [HEAD, WITHOUT_TEXT]
    return "\n".join([*head, "", *lines_of(recipe, ""), *other_networks(recipe)])


def lines_of(section: Section, prefix: str) -> Iterator[str]:
    """A line for each value of a section, then its sections, each behind an empty line and what it is."""
    from everysum.training.recipe import Section
    from everysum.training.wishes import sections_of

    values = {name: getattr(section, name) for name in type(section).model_fields}
    for name, value in values.items():
        if not isinstance(value, Section) and not sections_of(type(section).model_fields[name]):
            said = json.dumps(section.model_dump(mode="json")[name], ensure_ascii=False).strip('"')
            yield from commented(f"{prefix}{name}={said}", explained(type(section), name))
    for name, value in values.items():
        if isinstance(value, Section):
            yield f"\n{what_it_is(type(value))}"
            yield from lines_of(value, f"{prefix}{name}.")


def other_networks(recipe: Recipe) -> Iterator[str]:
    """The keys of the networks that were not chosen."""
    chosen = type(recipe.network)
    if recipe.base is not None:
        return
    for other in network_choices():
        if other is chosen:
            continue
        kind = other.model_fields["kind"].default
        yield f"\n# Only with network.kind={kind}.\n{what_it_is(other)}"
        for name in other.model_fields:
            if name not in chosen.model_fields:
                yield from commented(f"# network.{name}", explained(other, name))


def network_choices() -> tuple[type[Section], ...]:
    """Every kind of network."""
    from everysum.training.recipe import GPTChoice, LlamaChoice, TransformerChoice

    return GPTChoice, LlamaChoice, TransformerChoice


def what_it_is(section: type[Section]) -> str:
    """A section's own description as comments."""
    return "\n".join(f"# {line}" for line in textwrap.wrap(" ".join((section.__doc__ or "").split()), WIDTH - 2))


def commented(line: str, comments: Sequence[str]) -> Iterator[str]:
    """The line, and behind it its comments, one under the other."""
    wrapped = [part for comment in comments for part in textwrap.wrap(comment, WIDTH - COLUMN - 2)]
    if len(line) >= COLUMN:
        yield line
        line = ""
    for comment in wrapped or [""]:
        yield f"{line:<{COLUMN}}# {comment}".rstrip(" #")
        line = ""


def explained(section: type[Section], name: str) -> list[str]:
    """What a key can be, and what it means where its name does not say that."""
    if name == "kind" and section in network_choices():
        return [either([choice.model_fields["kind"].default for choice in network_choices()])]
    schema = section.model_json_schema()["properties"][name]
    return [can_be(schema), " ".join((section.model_fields[name].description or "").split())]


def can_be(schema: Mapping[str, Any]) -> str:
    """In words, the values that a JSON schema allows."""
    if "anyOf" in schema:
        return either([can_be(option) for option in schema["anyOf"]])
    if "enum" in schema:
        return either(schema["enum"])
    kinds = {"boolean": "true or false", "integer": "a whole number", "number": "a number", "null": "null"}
    kinds |= {"string": "a word", "array": "a list", "object": "an object"}
    bounds = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}"}
    limits = [text.format(f"{schema[key]:g}") for key, text in bounds.items() if abs(schema.get(key, HUGE)) < HUGE]
    return " ".join([kinds[schema["type"]], *limits])


def either(choices: Sequence[str]) -> str:
    """One of these: a, b or c."""
    return " or ".join([", ".join(choices[:-1]), choices[-1]] if len(choices) > 1 else choices)
