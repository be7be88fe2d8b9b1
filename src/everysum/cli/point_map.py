"""Points that training moves, drawn in characters: where they lay at the start, and beside it, at the end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

Point = tuple[float, float]

HEIGHT = 13
GAP = 3


def draw_map(block: dict[str, Any], width: int) -> list[str]:
    """Lines of at most `width` characters for a lesson's map; both halves have one scale, each point is its name."""
    places, losses = block["places"], block["losses"]
    reach = max(abs(number) for number in chain.from_iterable(chain.from_iterable(places))) or 1.0
    half = (width - GAP) // 2
    halves = [
        [f"{said}, loss {losses[at]:.5g}"[:half], *draw_points(block["names"], places[at], reach, half)]
        for at, said in ((0, "at the start"), (-1, f"after {block['steps']} {len(places) - 1}"))
    ]
    return [f"{left:<{half + GAP}}{right}".rstrip() for left, right in zip(*halves, strict=True)]


def draw_points(names: Sequence[str], points: Sequence[Point], reach: float, width: int) -> list[str]:
    """A square from −`reach` to `reach` with its middle lines; where two points meet, the later is seen."""
    cells = [["│" if column == width // 2 else " " for column in range(width)] for _ in range(HEIGHT)]
    cells[HEIGHT // 2] = ["┼" if column == width // 2 else "─" for column in range(width)]
    for name, (x, y) in zip(names, points, strict=True):
        column = width // 2 + round(x / reach * (width // 2 - 1))
        row = HEIGHT // 2 - round(y / reach * (HEIGHT // 2))
        cells[row][column] = name[0]
    return ["".join(row) for row in cells]
