"""What a lesson is made of: text, sums, tables, curves, maps, comparisons. Terminal and page show the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar

from everysum.plain.number import Number
from everysum.plain.vector import Matrix
from everysum.plain.writing import figure, written


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Heading:
    """What the next blocks are about."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Diagram:
    """A drawing in characters."""

    kind: ClassVar[str] = "diagram"
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Worked:
    """A number and how it was made: `figure` = `terms` added up; `parts` are the numbers that went in, worked out too.

    A number that was given, or whose making is not shown, has no terms and no parts.
    """

    value: float
    figure: str
    operation: str
    terms: tuple[str, ...]
    parts: tuple[Worked, ...]


@dataclass(frozen=True)
class Sum:
    """A number with a name, and the sum that it is."""

    name: str
    number: Worked


@dataclass(frozen=True)
class Sums:
    """Numbers that belong together, each with its sum."""

    kind: ClassVar[str] = "sums"
    sums: tuple[Sum, ...]


@dataclass(frozen=True)
class Row:
    """A row of a table: figures as they are shown, and as numbers where they are numbers."""

    name: str
    cells: tuple[str, ...]
    values: tuple[float | None, ...]
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """Rows and columns; `bars` is the column that is drawn as bars as well, whose numbers are shares of 1.

    `alike`: all its numbers are of one kind, so that each may be seen beside all others, as colors of one scale.
    """

    kind: ClassVar[str] = "table"
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    bars: int | None = None
    alike: bool = False


@dataclass(frozen=True)
class Curve:
    """Numbers in a row, such as the loss at each step; `every`: so many steps lie before each of them."""

    kind: ClassVar[str] = "curve"
    what: str
    steps: str
    values: tuple[float, ...]
    every: int = 1


@dataclass(frozen=True)
class Map:
    """Points that training moves: where each named one lies before the first step and after every one.

    `places` holds for each of these moments a pair of numbers for each name; `losses` the loss at each of them.
    """

    kind: ClassVar[str] = "map"
    what: str
    steps: str
    axes: tuple[str, str]
    names: tuple[str, ...]
    places: tuple[tuple[tuple[float, float], ...], ...]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """The same computed by a library, torch nearly always: its code, both results, how far they are apart at most."""

    kind: ClassVar[str] = "comparison"
    what: str
    library: str
    code: str
    plain: tuple[float, ...]
    other: tuple[float, ...]
    largest_difference: float
    agrees: bool


@dataclass(frozen=True)
class Try:
    """Something worth trying: what to set, and what will be seen."""

    kind: ClassVar[str] = "try"
    assignments: tuple[str, ...]
    shows: str


Block = Text | Heading | Diagram | Sums | Table | Curve | Map | Comparison | Try
Progress = Callable[[int, int, float], None]
"""Called during long work: how many steps are done, of how many, and the loss."""


def worked(number: Number, depth: int = 1, value: float | None = None) -> Worked:
    """A number with its sum, and with those of the numbers in it, `depth` steps back.

    `value` is what it was when the sum was made that it is shown in: training may have moved it since.
    """
    value = number.value if value is None else value
    shown = bool(number.parents) and depth > 0
    parts = list(zip(number.parents, number.parts, strict=True)) if shown else []
    return Worked(
        value,
        written(number, value),
        number.operation.name,
        tuple(number.operation.terms([written(parent, part) for parent, part in parts])) if shown else (),
        tuple(worked(parent, depth - 1, part) for parent, part in parts),
    )


def sums(numbers: Mapping[str, Number], depth: int = 1) -> Sums:
    """Each of these numbers with its sum."""
    return Sums(tuple(Sum(name, worked(number, depth)) for name, number in numbers.items()))


def sums_of(name: str, vector: Sequence[Number], depth: int = 1) -> Sums:
    """The numbers of a vector, numbered from 1: x₁, x₂, …"""
    return sums({numbered(name, place): number for place, number in enumerate(vector, 1)}, depth)


def subscript(place: int) -> str:
    return str(place).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


Cell = Number | float | str


def row(name: str, cells: Iterable[Cell], *, strong: bool = False) -> Row:
    """A row of figures: numbers to five significant digits, words as they are."""
    cells = list(cells)
    return Row(name, tuple(shown(cell) for cell in cells), tuple(valued(cell) for cell in cells), strong)


def table(columns: str | Sequence[str], rows: Iterable[Row], *, bars: int | None = None, alike: bool = False) -> Table:
    """`columns` may be one text, its names parted by spaces."""
    return Table(tuple(columns.split() if isinstance(columns, str) else columns), tuple(rows), bars, alike)


def matrix_table(name: str, matrix: Matrix, columns: Sequence[str] = ()) -> Table:
    """A matrix with its rows numbered."""
    heads = columns or ["" for _ in matrix[0]]
    return table(heads, [row(numbered(name, place), numbers) for place, numbers in enumerate(matrix, 1)], alike=True)


def numbered(name: str, place: int) -> str:
    """x₁ of the name x, but row 1 of the name row."""
    return f"{name} {place}" if len(name) > 1 else f"{name}{subscript(place)}"


def shown(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return written(cell, cell.value) if isinstance(cell, Number) else figure(cell)


def valued(cell: Cell) -> float | None:
    return None if isinstance(cell, str) else float(cell)


def as_data(part: Any) -> Any:
    """Any block as dictionaries, lists, texts and numbers, for JSON; a block says its `kind` first."""
    if is_dataclass(part):
        said = {field.name: as_data(getattr(part, field.name)) for field in fields(part)}
        return {"kind": part.kind} | said if hasattr(part, "kind") else said
    if isinstance(part, tuple | list):
        return [as_data(each) for each in part]
    return part
