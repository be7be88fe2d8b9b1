"""The loss curve of a run, drawn in characters: a line of Braille dots, a disc for each held-out measurement."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

Point = tuple[int, float]
"""A step and its loss."""

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""What each dot of a character's two columns and four rows adds to U+2800."""
DISC = "●"
TICKS_EVERY = 3


def draw_curve(train: Sequence[Point], held_out: Sequence[Point], *, width: int = 72, height: int = 10) -> list[str]:
    """Lines of `width` characters: losses up, steps to the right. The training loss is smoothed over a fiftieth."""
    label = max(len(f"{max(loss for _, loss in [*train, *held_out]):.2f}"), 4)
    columns = width - label - 3
    curve = smoothed(train, columns * 2)
    losses = [loss for _, loss in [*curve, *held_out]]
    low, high = min(losses), max(losses)
    high = high if high > low else low + 1.0
    first, last = train[0][0], max(train[-1][0], train[0][0] + 1)

    def place(point: Point) -> tuple[int, int]:
        right = (point[0] - first) / (last - first) * (2 * columns - 1)
        return round(right), round((high - point[1]) / (high - low) * (4 * height - 1))

    cells = [[0] * columns for _ in range(height)]
    places = [place(point) for point in curve]
    for before, after in pairwise([places[0], *places]):
        for x, y in line_between(before, after):
            cells[y // 4][x // 2] |= DOTS[x % 2][y % 4]
    rows = [[chr(0x2800 + dots) if dots else " " for dots in row] for row in cells]
    for point in held_out:
        x, y = place(point)
        rows[y // 4][x // 2] = DISC
    return [*labelled(rows, low, high, label), *step_axis(first, last, columns, label)]


def smoothed(points: Sequence[Point], most: int) -> list[Point]:
    """At most so many points, each the mean of the losses around it."""
    reach, count = len(points) // 100, len(points)
    sums = [0.0, *accumulate(loss for _, loss in points)]
    chosen = sorted({round(place * (count - 1) / max(1, most - 1)) for place in range(most)})
    means = []
    for place in chosen:
        start, end = max(0, place - reach), min(count, place + reach + 1)
        means.append((points[place][0], (sums[end] - sums[start]) / (end - start)))
    return means


def line_between(before: tuple[int, int], after: tuple[int, int]) -> list[tuple[int, int]]:
    """The dots from one place to another."""
    (x0, y0), (x1, y1) = before, after
    count = max(abs(x1 - x0), abs(y1 - y0), 1)
    return [(round(x0 + (x1 - x0) * i / count), round(y0 + (y1 - y0) * i / count)) for i in range(count + 1)]


def labelled(rows: Sequence[Sequence[str]], low: float, high: float, label: int) -> list[str]:
    """The rows behind their axis, a loss beside every third."""
    lines = []
    for number, row in enumerate(rows):
        ticked = number % TICKS_EVERY == 0
        loss = f"{high - (high - low) * number / max(1, len(rows) - 1):.2f}" if ticked else ""
        lines.append(f"{loss:>{label}} {'┤' if ticked else '│'} {''.join(row)}".rstrip())
    return lines


def step_axis(first: int, last: int, columns: int, label: int) -> list[str]:
    """The axis of steps with its first, middle and last."""
    left, middle, right = (f"{step:,}" for step in (first, (first + last) // 2, last))
    gap = (columns - len(middle)) // 2 - len(left)
    rest = columns - len(left) - gap - len(middle) - len(right)
    axis = "─" * columns
    return [f"{'':>{label}} └─{axis}", f"{'':>{label}}   {left}{' ' * gap}{middle}{' ' * rest}{right}"]
