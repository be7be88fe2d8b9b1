"""The process in which chat templates run: Jinja's sandbox, with little memory, stopped when it takes too long.

A template is a program of other people's. Jinja's sandbox keeps it from everything but strings and numbers; but a
string can be made of any length and a loop can be as long as it likes, so it runs beside the program and not inside.
One line of JSON goes in for each chat and one comes out. What templates can use is what transformers gives to them.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.ext import loopcontrols as loop_controls
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

LARGEST_MEMORY = 2**30
LONGEST_TEXT = 2**23
"""Characters of a rendered chat; no model's context holds as many."""


class Refused(TemplateError):
    """The template itself says that it cannot render these messages."""


class Generation(Extension):
    """``{% generation %}`` marks an answer for training; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012  # what Jinja looks for

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class Dictionary:
    """``dict(...)`` for templates, without the type's other attributes."""

    def __call__(self, *values: Any, **named: Any) -> dict[Any, Any]:
        return dict(*values, **named)

    def fromkeys(self, *values: Any) -> dict[Any, Any]:
        return dict.fromkeys(*values)


class PlainNamespace(Namespace):
    """``namespace(...)`` for templates, which must not set names that begin with an underscore."""

    def __init__(*values: Any, **named: Any) -> None:
        Namespace.__init__(*values, **named)
        for name in dict(*values[1:], **named):
            refuse_underscore(name)

    def __setitem__(self, name: str, value: Any) -> None:
        refuse_underscore(name)
        super().__setitem__(name, value)


def refuse_underscore(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace has no attribute {name!r}")


def refuse(message: object) -> None:
    raise Refused(str(message))


def to_json(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loop_controls])
    made.filters["tojson"] = to_json
    made.globals["raise_exception"] = refuse
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    made.globals["dict"] = Dictionary()
    made.globals["namespace"] = PlainNamespace
    return made


def rendered(template: Any, variables: dict[str, Any]) -> str:
    text, length = [], 0
    for piece in template.generate(variables):
        length += len(piece)
        if length > LONGEST_TEXT:
            raise MemoryError
        text.append(piece)
    return "".join(text)


def answer(template: Any, variables: dict[str, Any]) -> dict[str, str]:
    try:
        return {"text": rendered(template, variables)}
    except Refused as reason:
        return {"refused": str(reason)}
    except (MemoryError, OverflowError, RecursionError):
        return {"broken": "it makes more than a chat can be"}
    except Exception as problem:
        return {"broken": f"{type(problem).__name__}: {problem}"[:500]}


def limit() -> None:
    """Little memory and no files to write; Windows has no such limits, there only the time is limited."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (LARGEST_MEMORY, LARGEST_MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """The first line is the template; each line after it is a chat."""
    limit()
    source = json.loads(sys.stdin.buffer.readline())
    template, broken = None, {"broken": ""}
    try:
        template = environment().from_string(source)
    except Exception as problem:
        broken = {"broken": f"{type(problem).__name__}: {problem}"[:500]}
    for line in sys.stdin.buffer:
        said = broken if template is None else answer(template, json.loads(line))
        sys.stdout.buffer.write(json.dumps(said).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
