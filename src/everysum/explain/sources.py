"""Which variable of the program an operation's result was given to: read from the source at the place that was running.

Python knows for every instruction which piece of the source it belongs to. An operation that is the whole right-hand
side of an assignment is what the variable holds; one that is the whole of a `return` belongs to the calling line.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType

from everysum.explain.operations import Place

Span = tuple[int, int, int, int]
NAMELESS = {"forward", "__call__", "<lambda>", "<genexpr>", "<listcomp>", "<module>", "call", "wrapper", "inner"}

UNCHANGING = {"to", "type", "type_as", "contiguous", "float", "double", "half", "bfloat16", "cpu", "cuda"}


@dataclass(frozen=True)
class Source:
    """Where in a program a result was made, and the variables that it was given to: several for several results."""

    variables: tuple[str | None, ...] = ()
    each: int = 0
    """For the variables that a generator fills one after the other: which run of it; otherwise 0."""
    file: str = ""
    line: int = 0
    text: str = ""

    @property
    def place(self) -> str:
        return f"{Path(self.file).name}:{self.line}" if self.file else ""


@dataclass(frozen=True)
class Found:
    """What the source around an instruction says: variables, or that the value is returned to the caller."""

    variables: tuple[str | None, ...] = ()
    returned: bool = False
    each: bool = False


@cache
def parsed(file: str) -> tuple[dict[Span, ast.AST], dict[ast.AST, ast.AST]]:
    """Every piece of a source file by its place, and the piece around each."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return {}, {}
    spans: dict[Span, ast.AST] = {}
    parents: dict[ast.AST, ast.AST] = {}
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            parents[child] = node
        if isinstance(node, (ast.expr, ast.AugAssign)):
            end = node.end_lineno or node.lineno, node.end_col_offset or 0
            spans.setdefault((node.lineno, end[0], node.col_offset, end[1]), node)
    return spans, parents


@cache
def found_at(code: CodeType, instruction: int) -> tuple[Found, int, str]:
    """What the source says of the instruction's piece, its line, and the piece itself."""
    positions = list(code.co_positions())
    line, end_line, column, end_column = positions[instruction // 2]
    if line is None or end_line is None or column is None or end_column is None:
        return Found(), line or 0, ""
    spans, parents = parsed(code.co_filename)
    node = spans.get((line, end_line, column, end_column))
    if node is None:
        return Found(), line, ""
    text = ast.unparse(node)
    return looked_at(node, parents), line, text if len(text) <= 120 else text[:117] + "…"


def looked_at(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Found:  # noqa: PLR0911
    """Whether a piece is what an assignment assigns, or what a function returns."""
    if isinstance(node, ast.AugAssign):
        return Found((base_of(node.target),))
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        return Found((base_of(node),))  # x[…] = value writes into x
    around = parents.get(node)
    while (call := unchanging(node, around, parents)) is not None:
        node, around = call, parents.get(call)
    match around:
        case ast.NamedExpr(target=target):
            return Found((name_of(target),))
        case ast.Return() | ast.Lambda():
            return Found(returned=True)
        case ast.Assign(targets=[target]) | ast.AnnAssign(target=target):
            return Found(names_of(target))
        case ast.Tuple(elts=items):
            place = items.index(node)  # type: ignore[arg-type]
            match parents.get(around):
                case ast.Assign(targets=[ast.Tuple(elts=targets)]) if len(targets) == len(items):
                    return Found((name_of(targets[place]),))
        case ast.GeneratorExp():
            match parents.get(around):
                case ast.Assign(targets=[ast.Tuple() as target]):
                    return Found(names_of(target), each=True)
    return Found()


def unchanging(node: ast.AST, around: ast.AST | None, parents: dict[ast.AST, ast.AST]) -> ast.AST | None:
    """The call around `x.to(…)` and the like, which often gives x itself; where it does not, it is recorded as well."""
    if isinstance(around, ast.Attribute) and around.value is node and around.attr in UNCHANGING:
        call = parents.get(around)
        return call if isinstance(call, ast.Call) and call.func is around else None
    return None


def names_of(target: ast.expr) -> tuple[str | None, ...]:
    return tuple(map(name_of, target.elts)) if isinstance(target, ast.Tuple) else (name_of(target),)


def base_of(target: ast.expr) -> str | None:
    """The variable that a part is written into."""
    return base_of(target.value) if isinstance(target, ast.Subscript) else name_of(target)


def name_of(target: ast.expr) -> str | None:
    """A variable's name: `x`, `self.x` and `made["x"]` are all called x; `_` and a part of a tensor have none."""
    if isinstance(target, ast.Subscript):
        key = target.slice.value if isinstance(target.slice, ast.Constant) else None
        return key if isinstance(key, str) and key.isidentifier() else None
    name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else None
    return None if name == "_" else name


def source_of(places: Sequence[Place]) -> Source:
    """The variables of the innermost assignment that receives the result, going out through `return`s."""
    returned_from = None
    first: tuple[str, int, str] = ("", 0, "")
    for code, instruction, frame in places:
        found, line, text = found_at(code, instruction)
        if not first[0]:
            first = (code.co_filename, line, text)
        if found.variables:
            return Source(found.variables, frame if found.each else 0, *first)
        if not found.returned:
            break
        returned_from = code.co_name if code.co_name not in NAMELESS else returned_from
        if code.co_name == "forward":
            return Source((), 0, *first)
    return Source((returned_from,) if returned_from else (), 0, *first)
