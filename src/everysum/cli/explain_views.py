"""What `everysum explain` shows: a prediction, numbers with their sums, tensors, and what a changed number moves."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from everysum.cli.terminal import bar, say, write, write_json

if TYPE_CHECKING:
    from everysum.explain.number import Number
    from everysum.explain.prediction import Prediction
    from everysum.explain.record import Record
    from everysum.explain.replay import Replay

MOST_PARTS = 20


def show_prediction(prediction: Prediction, shown: int, as_json: bool) -> None:
    """The likeliest tokens, and three views of the first one's logit."""
    from everysum.explain.writing import figure

    if as_json:
        write_json(prediction.as_json(shown=shown))
        return
    write(table_of(prediction))
    residual = prediction.residual()
    name = repr(prediction.candidates[0].text)
    write(f"\nWhat each part of the network added to the logit of {name}:")
    parts, rest = residual.by_size(), []
    if len(parts) > MOST_PARTS + 1:
        parts, rest = parts[:MOST_PARTS], parts[MOST_PARTS:]
    rows = [(part.value, part.name) for part in parts]
    if rest:
        rows.append((math.fsum(part.value for part in rest), f"{len(rest)} more parts, added up"))
    largest = max((abs(value) for value, _ in rows), default=1.0) or 1.0
    for value, part_name in rows:
        write(f"{figure(value):>12}  {bar(abs(value) / largest, 12):<12}  {part_name}".rstrip())
    off = f"{residual.difference:.1e}".replace("-", "−")
    write(f"{figure(residual.total):>12}  together; the recorded logit is {off} away")
    if held := list(dict.fromkeys(residual.held)):
        write(f"              with the scale of {', '.join(held)} held as it was")
    write("\nIts last sum:")
    for line in str(prediction.sum(shown=min(shown, 8))).split("\n"):
        write(folded(line))
    write("\nThe way back along the largest terms:")
    for number in prediction.path():
        write(f"{figure(number.value):>12}  {number.name}")
    say(f"--at '{prediction.candidates[0].logit.name}' --depth 2 goes on from there; --list shows all names")


def table_of(prediction: Prediction) -> str:
    """The likeliest tokens with their chances as bars."""
    from everysum.explain.writing import figure

    names = [f"token {each.token_id}" if each.text is None else repr(each.text) for each in prediction.candidates]
    width = max(map(len, names))
    return "\n".join(
        f"{name:<{width}}  {each.probability:7.2%}  {bar(each.probability):<20}  logit {figure(each.logit.value)}"
        for name, each in zip(names, prediction.candidates, strict=True)
    )


def show_numbers(numbers: list[Number], depth: int, shown: int, as_json: bool) -> None:
    """Numbers with the sums that made them."""
    explanations = [number.explain(depth, shown=shown) for number in numbers]
    if as_json:
        write_json({"numbers": [explanation.as_json() for explanation in explanations]})
        return
    for place, explanation in enumerate(explanations):
        for line in ["", *str(explanation).split("\n")] if place else str(explanation).split("\n"):
            write(folded(line))


def show_tensors(record: Record, as_json: bool) -> None:
    """Every named tensor in the order in which it was made."""
    found = record.list()
    if as_json:
        write_json({"tensors": [tensor.as_json() for tensor in found]})
        return
    for tensor in found:
        write(repr(tensor))
    say(f"{len(found):,} tensors; --at 'NAME[place, place, …]' explains a number of one")


def show_replay(record: Record, changes: dict[Number, float], count: int, as_json: bool) -> None:
    """What a changed number moves: tensors, and the likeliest tokens before and after."""
    replay = record.replay(changes)
    moved = [
        {"piece": each.text, "id": each.token_id, "before": before, "after": after}
        for each, before, after in chances_of(record, replay, count)
    ]
    if as_json:
        write_json(replay.as_json() | {"predictions": moved})
        return
    for line in moved_tensors(replay):
        write(line)
    write("\nThe likeliest next tokens, before → after")
    width = max(len(repr(each["piece"])) for each in moved)
    for each in moved:
        write(f"  {each['piece']!r:<{width}}  {each['before']:7.2%} → {each['after']:7.2%}")


def moved_tensors(replay: Replay) -> Iterator[str]:
    """What was changed, and for each part of the network that moved: how many numbers, and the largest change."""
    from everysum.explain.writing import figure

    for number, value in replay.changes.items():
        yield f"{number.name}: {figure(number.value)} → {figure(value)}"
    told = [found for found in replay.differences if found.tensor.what.startswith("output") or "." not in found.name]
    yield "" if told else "Nothing that was computed differs."
    for found in told:
        share = f"{found.changed:,} of {found.tensor.view.count:,}"
        yield f"{found.name}: {share} numbers moved"
        yield f"  most {found.where}: {figure(found.before)} → {figure(found.after)}"
    if between := len(replay.differences) - len(told):
        yield f"and {between:,} tensors between these; --json names them"
    yield from (f"held as it was: {place}" for place in dict.fromkeys(replay.held))


def chances_of(record: Record, replay: Replay, count: int) -> list[tuple[Any, float, float]]:
    """The candidates of the pass with their chances in it and after the change."""
    after = replay["probabilities"][0, -1]
    candidates = record.prediction(count=count).candidates
    return [(each, each.probability, float(after[each.token_id])) for each in candidates]


def folded(line: str) -> str:
    """A line of an explanation, folded under its own text where a terminal is too narrow for it."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    if not width or len(line) <= width:
        return line
    lead = len(line) - len(line.lstrip())
    under = " " * min(lead + 4, width // 2)
    return textwrap.fill(line, width, subsequent_indent=under, break_long_words=False, break_on_hyphens=False)
