"""`--print-recipe`: every key that `--set` can change, with its value and what it can be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from everysum.training.recipe import Recipe, Section

COLUMN = 34
HEAD = """\
# The whole recipe. Each line can be given to --set, such as: --set schedule.steps=500
# As a file for --recipe: --print-recipe --json > my_recipe.json
"""


def recipe_text(recipe: Recipe) -> str:
    """The recipe as lines `key=value  # what it can be`, and below them the keys of the other kind of network."""
    return "\n".join([HEAD, *lines_of(recipe, ""), *other_network(recipe)])


def lines_of(section: Section, prefix: str) -> Iterator[str]:
    """A line for each value of a section, then its sections, each behind an empty line and what it is."""
    from everysum.training.recipe import Section

    values = {name: getattr(section, name) for name in type(section).model_fields}
    for name, value in values.items():
        if not isinstance(value, Section):
            said = json.dumps(section.model_dump(mode="json")[name], ensure_ascii=False).strip('"')
            yield from commented(f"{prefix}{name}={said}", explained(type(section), name))
    for name, value in values.items():
        if isinstance(value, Section):
            yield f"\n# {' '.join((type(value).__doc__ or '').split())}"
            yield from lines_of(value, f"{prefix}{name}.")


def other_network(recipe: Recipe) -> Iterator[str]:
    """The keys of the network that was not chosen."""
    from everysum.training.recipe import GPTChoice, LlamaChoice

    chosen = type(recipe.network)
    other: type[Section] = GPTChoice if chosen is LlamaChoice else LlamaChoice
    kind = other.model_fields["kind"].default
    yield f"\n# Only with network.kind={kind}: {' '.join((other.__doc__ or '').split())}"
    for name in other.model_fields:
        if name not in chosen.model_fields:
            yield from commented(f"# network.{name}", explained(other, name))


def commented(line: str, comment: str) -> Iterator[str]:
    """The line with a comment behind it, or before it where the line is long."""
    if len(line) <= COLUMN:
        yield f"{line:<{COLUMN}}  # {comment}".rstrip(" #")
    else:
        yield f"# {comment}"
        yield line


def explained(section: type[Section], name: str) -> str:
    """What a key means and what it can be."""
    schema = section.model_json_schema()["properties"][name]
    parts = (can_be(schema), " ".join((section.model_fields[name].description or "").split()))
    return "; ".join(part.rstrip(".") for part in parts if part)


def can_be(schema: dict[str, Any]) -> str:
    """In words, the values that a JSON schema allows."""
    if "anyOf" in schema:
        return " or ".join(can_be(option) for option in schema["anyOf"])
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return " or ".join(schema["enum"])
    kinds = {"boolean": "true or false", "integer": "a whole number", "number": "a number", "null": "null"}
    kinds |= {"string": "a word", "array": "a list"}
    bounds = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}"}
    limits = [text.format(f"{schema[key]:g}") for key, text in bounds.items() if key in schema]
    return " ".join([kinds[schema["type"]], *limits])
