"""The loss curve in characters."""

from __future__ import annotations

from everysum.cli.curve import DISC, draw_curve, smoothed


def dots(line: str) -> str:
    return "".join(character for character in line if "\u2801" <= character <= "\u28ff")


def test_a_falling_loss_goes_from_the_upper_left_to_the_lower_right() -> None:
    train = [(step, 6.0 - step / 20) for step in range(1, 101)]
    lines = draw_curve(train, [(50, 3.0)], width=60, height=8)
    rows = lines[:8]
    assert rows[0].startswith("5.9")
    assert rows[0].index(dots(rows[0])[0]) == 7  # directly behind the axis
    assert len(rows[7]) == 60
    starts = [row.index(dots(row)[0]) for row in rows]
    assert starts == sorted(starts)
    assert [DISC in row for row in rows].count(True) == 1


def test_the_axes_say_losses_and_steps() -> None:
    lines = draw_curve([(1, 4.0), (2, 3.0), (1001, 2.0)], [], width=40, height=7)
    assert [line[:4].strip() for line in lines[:7]] == ["4.00", "", "", "3.00", "", "", "2.00"]
    assert lines[-1].split() == ["1", "501", "1,001"]
    assert max(map(len, lines)) <= 40


def test_every_column_has_a_dot() -> None:
    losses = [(1, 5.0), (40, 1.0), (80, 4.0), (120, 2.0)]
    rows = draw_curve(losses, [], width=60, height=8)[:8]
    columns = [{row[place] for row in rows if len(row) > place} - {" "} for place in range(7, 60)]
    assert all(columns)


def test_a_loss_that_does_not_change_is_a_straight_line() -> None:
    rows = draw_curve([(1, 2.0), (9, 2.0)], [(9, 2.0)], width=40, height=4)[:4]
    assert [bool(dots(row)) for row in rows].count(True) == 1


def test_smoothing_keeps_the_mean_of_each_stretch() -> None:
    points = [(step, float(step % 2)) for step in range(1000)]
    means = smoothed(points, 20)
    assert len(means) == 20
    assert all(0.45 < loss < 0.55 for _, loss in means[1:-1])
    assert (means[0][0], means[-1][0]) == (0, 999)
