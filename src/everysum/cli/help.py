"""Help and refusals of the command line, in one voice with everything else that everysum says."""

from __future__ import annotations

import difflib
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from everysum.errors import UsageError

USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""click's UsageError; some versions of typer carry a click of their own, others use the real one."""


OTHERS = "Options"


class Group(TyperGroup):
    """All commands; one that does not exist is refused with the nearest that does."""

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)
        if option is not None:
            option.default = False  # from None, typer would import pydantic to make the same of it
        return option

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        names, wanted = self.list_commands(ctx), args[0]
        if wanted not in names and not wanted.startswith("-"):
            near = difflib.get_close_matches(wanted, names, 1, 0.5)
            raise UsageError(
                f"there is no command {wanted!r}",
                wanted=" or ".join(names),
                advice=f"did you mean `everysum {near[0]}`?" if near else "`everysum --help` shows all",
            )
        return super().resolve_command(ctx, args)


class Command(TyperCommand):
    """One command; its options come in the groups that they name, and `--chances` may stand without its number."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_optional_number(args, "--chances", "5"))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                is_argument = parameter.param_type_name == "argument"
                title = "Arguments" if is_argument else getattr(parameter, "rich_help_panel", None) or OTHERS
                panels.setdefault(title, []).append((parameter.metavar or "", record[1]) if is_argument else record)
        for title, records in sorted(panels.items(), key=lambda panel: panel[0] == OTHERS):
            with formatter.section(title):
                formatter.write_dl(records, col_max=24)


def with_optional_number(arguments: list[str], option: str, number: str) -> list[str]:
    """The arguments, with the number put behind the option wherever it stands without one."""
    written = []
    for place, argument in enumerate(arguments):
        written.append(argument)
        if argument == "--":
            return arguments[:0] + written + arguments[place + 1 :]
        following = arguments[place + 1 : place + 2]
        if argument == option and not (following and following[0].isdecimal()):
            written.append(number)
    return written


def in_our_words(problem: Exception) -> UsageError:
    """A usage error of click's as ours: what was wrong, how the command is used, and what may have been meant."""
    context = getattr(problem, "ctx", None)
    path = context.command_path if context else "everysum"
    advice = f"`{path} --help` explains everything"
    option = getattr(problem, "option_name", None)
    if option is not None and hasattr(problem, "possibilities"):
        known = [name for parameter in context.command.params for name in parameter.opts] if context else []
        near = difflib.get_close_matches(option, known, 1, 0.5)
        return UsageError(
            f"`{path}` has no option {option}", advice=f"did you mean {near[0]}? {advice}" if near else advice
        )
    text = problem.format_message().rstrip(".") if hasattr(problem, "format_message") else str(problem)
    text = text.replace("Value error, ", "")  # pydantic's, with which some versions of typer read values
    usage = context.get_usage().removeprefix("Usage: ") if context else None
    return UsageError(text[:1].lower() + text[1:], wanted=" ".join(usage.split()) if usage else None, advice=advice)
