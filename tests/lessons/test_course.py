"""What holds for every lesson, and for each of its figures."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick_lessons import each_chapter, teach

import everysum
from everysum.errors import UsageError
from everysum.lessons.course import CHAPTERS, lesson

ORDER = [
    "network",
    "matrix",
    "deviation",
    "training",
    "gradient",
    "cross-entropy",
    "characters",
    "one-hot",
    "embedding",
    "sub-words",
    "attention",
    "softmax",
    "residual",
    "normalization",
    "dropout",
    "heads",
    "positions",
    "gpt",
    "separator",
    "transformer",
    "llama",
]

OTHERS: dict[str, dict[str, str]] = {
    "network": {
        "object": "241 200 4 59.5",
        "blue": "0.2 −0.29 −0.07 0.46",
        "grey": "0.1 0 0 0",
        "orange": "−0.36 −0.21 −0.27 −0.18",
        "leaf": "1 0 0",
        "flower": "0 1 0",
        "bias": "2",
    },
    "matrix": {"first": "1 0 0 0 1 0", "second": "1 2 3 4 5 6"},
    "deviation": {"numbers": "2 4 4 4 5 5 7 9"},
    "training": {"outputs": "5 1", "wanted": "1 0", "seed": "2", "rate": "0.01", "epochs": "7"},
    "gradient": {"start": "2", "weight": "2", "layers": "3"},
    "cross-entropy": {"outputs": "0.79584 0.25122", "wrong": "1 3", "wanted": "flower"},
    "characters": {"sentence": "jack and jill went up", "epochs": "4", "rate": "0.01", "neurons": "5", "seed": "2"},
    "one-hot": {"word": "sat", "pair": "ab", "epochs": "3", "seed": "2"},
    "embedding": {"window": "umpty dumpty", "next": "q", "width": "2", "epochs": "3", "seed": "2"},
    "sub-words": {"text": "ten men then ten hens", "merges": "2", "word": "that"},
    "attention": {
        "humpty": "0 1",
        "dumpty": "0 1",
        "sat": "0 0",
        "query": "1 0 0 1",
        "key": "1 0 0 1",
        "value": "1 0 0 1 1 1",
    },
    "softmax": {"outputs": "1 2 3 4", "temperature": "0.3", "draws": "10", "seed": "2"},
    "residual": {"x": "1 1 1", "row1": "0 0 0", "row2": "1 0 0", "row3": "1 1 1", "weight": "2", "layers": "4"},
    "normalization": {"numbers": "5 5 5 5", "scale": "1 1 1 1", "shift": "1 1 1 1"},
    "dropout": {"inputs": "1 2 3 4", "weights": "1 1 1 1", "p": "0.25", "seed": "3", "epochs": "15"},
    "heads": {"humpty": "0 0 0 1", "dumpty": "1 1 1 1", "sat": "0 0 1 0", "seed": "2"},
    "positions": {"length": "10", "width": "2", "distance": "0", "seed": "2"},
    "gpt": {"steps": "3", "seed": "2", "prompt": "went", "characters": "9", "temperature": "2"},
    "separator": {"sentence": "Was ?", "translation": "What ?", "context": "3", "epochs": "3", "seed": "2"},
    "transformer": {"sentence": "2", "epochs": "3", "rate": "0.1", "layers": "2", "seed": "2"},
    "llama": {"x": "1 1 1 1", "position": "0", "heads": "2", "key_value_heads": "1", "seed": "2"},
}

EACH_FIGURE = [(name, figure) for name, values in OTHERS.items() for figure in values]


def of_kind(data: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [block for block in data["blocks"] if block["kind"] == kind]


def worked(number: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A number and all numbers in its sum that are worked out themselves."""
    if number["terms"]:
        yield number
        for part in number["parts"]:
            yield from worked(part)


def test_the_chapters_come_in_the_articles_order() -> None:
    assert [chapter.name for chapter in CHAPTERS] == ORDER
    for place, name in enumerate(ORDER):
        frame = lesson(name).frame()
        assert (frame["place"], frame["of"]) == (place + 1, 21)
        assert (frame["previous"] or {}).get("name") == (ORDER[place - 1] if place else None)
        assert (frame["next"] or {}).get("name") == (ORDER[place + 1] if place < 20 else None)


@each_chapter
def test_a_lesson_has_text_sums_and_torch_that_agrees(name: str) -> None:
    data = teach(name)
    assert len(of_kind(data, "text")) >= 3
    assert of_kind(data, "sums") or name == "sub-words"
    assert of_kind(data, "comparison")
    assert of_kind(data, "try")
    for comparison in of_kind(data, "comparison"):
        assert comparison["agrees"], comparison
        assert len(comparison["plain"]) == len(comparison["other"]) > 0
        for ours, theirs in zip(comparison["plain"], comparison["other"], strict=True):
            assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@each_chapter
def test_every_sum_is_right_in_its_figures(name: str) -> None:
    """Each number is computed again from the numbers that its own data says went in."""
    again = {
        "sum": sum,
        "difference": lambda x: x[0] - x[1],
        "product": math.prod,
        "quotient": lambda x: x[0] / x[1],
        "weighted sum": lambda x: (
            sum(map(math.prod, zip(x[: len(x) // 2], x[len(x) // 2 :], strict=False))) + (x[-1] if len(x) % 2 else 0.0)
        ),
        "negative": lambda x: -x[0],
        "absolute": lambda x: abs(x[0]),
        "root": lambda x: math.sqrt(x[0]),
        "exponential": lambda x: math.exp(x[0]),
        "logarithm": lambda x: math.log(x[0]),
        "logarithm of the total": lambda x: math.log(sum(math.exp(each) for each in x)),
        "relu": lambda x: max(0.0, x[0]),
        "logistic": lambda x: 1 / (1 + math.exp(-x[0])),
        "sine": lambda x: math.sin(x[0]),
        "cosine": lambda x: math.cos(x[0]),
    }
    checked = 0
    for block in of_kind(teach(name), "sums"):
        for each in block["sums"]:
            for number in worked(each["number"]):
                parts = [part["value"] for part in number["parts"]]
                assert again[number["operation"]](parts) == pytest.approx(number["value"], rel=1e-12, abs=1e-12)
                checked += 1
    assert checked >= 2 or name == "sub-words"


@each_chapter
def test_figures_have_five_digits_or_are_exact(name: str) -> None:
    for block in of_kind(teach(name), "sums"):
        for each in block["sums"]:
            number = each["number"]
            digits, _, power = number["figure"].replace("−", "-").partition("·10")
            exponent = int(power.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")) or 0)
            assert float(digits) * 10.0**exponent == pytest.approx(number["value"], rel=5e-5, abs=1e-12)


@each_chapter
def test_the_files_that_a_lesson_names_are_there(name: str) -> None:
    files = lesson(name).frame()["files"]
    assert files
    for file in files:
        assert (Path(everysum.__file__).parent.parent / file).is_file(), file


@each_chapter
def test_what_a_lesson_suggests_to_try_can_be_done(name: str) -> None:
    for block in of_kind(teach(name), "try"):
        changed = lesson(name, block["assignments"]).given.changed()
        assert changed, block


def test_every_figure_of_every_lesson_is_tried() -> None:
    assert {name: set(values) for name, values in OTHERS.items()} == {
        chapter.name: {figure.name for figure in chapter.figures} for chapter in CHAPTERS
    }


@pytest.mark.parametrize(("name", "figure"), EACH_FIGURE)
def test_setting_a_figure_moves_what_is_seen(name: str, figure: str) -> None:
    value = OTHERS[name][figure]
    data = teach(name, f"{figure}={value}")
    assert data["blocks"] != teach(name)["blocks"]
    assert all(comparison["agrees"] for comparison in of_kind(data, "comparison"))
    (told,) = [each for each in data["figures"] if each["name"] == figure]
    assert told["text"] == value
    assert told["value"] != told["default"]


@each_chapter
def test_a_lesson_is_json_and_comes_out_the_same_again(name: str) -> None:
    data = teach(name)
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    if name != "gpt":
        again = lesson(name, [f"{each['name']}={each['text']}" for each in data["figures"]]).data()
        assert again == data


NUMBERS = st.floats(-5, 5).map(lambda x: f"{x:.6g}")


@given(st.lists(NUMBERS, min_size=14, max_size=14))
@settings(max_examples=15, deadline=None)
def test_attention_agrees_with_torch_whatever_the_figures(values: list[str]) -> None:
    parts = {"humpty": 2, "dumpty": 2, "sat": 2, "query": 4, "key": 4}
    assignments, start = [], 0
    for figure, count in parts.items():
        assignments.append(f"{figure}={' '.join(values[start : start + count])}")
        start += count
    data = lesson("attention", assignments).data()
    assert all(comparison["agrees"] for comparison in of_kind(data, "comparison"))


@pytest.mark.parametrize(
    ("name", "assignments"),
    [
        ("training", ("rate=0.5", "epochs=60")),
        ("characters", ("rate=0.1", "epochs=5", "neurons=60")),
        ("gradient", ("weight=4", "layers=40", "start=-10")),
        ("cross-entropy", ("outputs=-50 50", "wrong=50 -50")),
        ("softmax", ("outputs=30 -30 30 -30", "temperature=0.05")),
        ("residual", ("weight=-2", "layers=40", "x=0 0 0")),
        ("normalization", ("numbers=0 0 0 0", "scale=0 0 0 0")),
        ("dropout", ("p=0.95",)),
        ("positions", ("length=12", "width=6")),
        ("llama", ("position=131071", "x=10 10 10 10")),
    ],
)
def test_figures_at_the_ends_of_their_range_are_taught_or_refused(name: str, assignments: tuple[str, ...]) -> None:
    with contextlib.suppress(UsageError):
        data = teach(name, *assignments)
        json.dumps(data, allow_nan=False)
        assert all(comparison["agrees"] for comparison in of_kind(data, "comparison"))
