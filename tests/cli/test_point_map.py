"""Points on a map in characters: where they lay at the start, beside where they lie at the end."""

from __future__ import annotations

from everysum.cli.point_map import HEIGHT, draw_map, draw_points

MAP = {
    "what": "two letters",
    "steps": "round",
    "axes": ["across", "up"],
    "names": ["a", "␣"],
    "places": [[[0.0, 0.0], [0.1, 0.0]], [[-2.0, 1.0], [1.0, -1.0]], [[-1.0, 1.0], [2.0, -2.0]]],
    "losses": [3.0, 2.0, 0.123456],
}


def found(rows: list[str], name: str) -> tuple[int, int]:
    ((row, column),) = [(at, line.index(name)) for at, line in enumerate(rows) if name in line]
    return row, column


def test_a_point_lies_where_its_numbers_say() -> None:
    rows = draw_points(["a", "b", "c", "d"], [(0, 0), (2, 2), (-2, -2), (1, 0)], 2.0, 21)
    assert [len(row) for row in rows] == [21] * HEIGHT
    assert found(rows, "a") == (6, 10)
    assert found(rows, "b") == (0, 19)
    assert found(rows, "c") == (12, 1)
    assert rows[6] == "──────────a───d──────"


def test_start_and_end_stand_side_by_side_on_one_scale() -> None:
    lines = draw_map(MAP, 63)
    assert lines[0] == f"{'at the start, loss 3':<33}after round 2, loss 0.12346"
    assert max(map(len, lines)) <= 63
    left, right = [line[:30] for line in lines[1:]], [line[33:] for line in lines[1:]]
    assert found(left, "a") == (6, 15)
    assert found(right, "␣") == (12, 29)
    assert found(right, "a") == (3, 8)


def test_a_narrow_terminal_gets_a_narrow_map() -> None:
    lines = draw_map(MAP, 26)
    assert max(map(len, lines)) <= 26
    assert len(lines) == HEIGHT + 1


def test_points_that_do_not_move_from_the_middle_can_be_drawn() -> None:
    still = MAP | {"places": [[[0.0, 0.0], [0.0, 0.0]]] * 2, "losses": [1.0, 1.0]}
    assert any("␣" in line for line in draw_map(still, 40))
