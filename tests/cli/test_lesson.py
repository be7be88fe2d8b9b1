"""`everysum lesson`: the list, a lesson in the terminal, its data, and what is refused."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys

import pytest
from quick_lessons import QUICK, each_chapter

from everysum.lessons.course import CHAPTERS

BLOCKS = {
    "text": {"text"},
    "heading": {"text"},
    "diagram": {"lines"},
    "sums": {"sums"},
    "table": {"columns", "rows", "bars", "alike"},
    "curve": {"what", "steps", "values", "every"},
    "map": {"what", "steps", "axes", "names", "places", "losses"},
    "comparison": {"what", "library", "code", "plain", "other", "largest_difference", "agrees"},
    "try": {"assignments", "shows"},
}
"""The schema that programs may rely on: what each kind of block has beside its kind."""
FRAME = {
    *("schema", "name", "title", "line", "section", "place", "of", "figures", "files", "previous", "next", "blocks"),
}
CHAPTER = {"name", "title", "line", "section"}
FIGURE = {"name", "meaning", "kind", "text", "value", "default"}
LIMITS = {
    "number": {"least", "most", "step"},
    "count": {"least", "most", "step"},
    "numbers": {"least", "most", "step", "shortest", "longest", "labels"},
    "text": {"shortest", "longest", "alphabet"},
    "choice": {"choices"},
}


class Terminal(io.StringIO):
    """A terminal of 80 columns."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def quick(name: str) -> list[str]:
    """The arguments of a lesson that trains shortly."""
    return [name, *(part for assignment in QUICK.get(name, ()) for part in ("--set", assignment))]


def test_without_a_name_all_chapters_are_listed_in_the_articles_order(everysum) -> None:
    outcome = everysum("lesson")
    assert (outcome.code, outcome.err) == (0, "")
    listed = re.findall(r"^ +(\d+)  (\S+) +(\S.*)$", outcome.out, re.MULTILINE)
    assert listed == [(str(place), chapter.name, chapter.line) for place, chapter in enumerate(CHAPTERS, 1)]
    assert max(map(len, outcome.out.splitlines())) <= 80
    told = json.loads(everysum("lesson", "--json").out)
    assert [chapter["name"] for chapter in told["chapters"]] == [chapter.name for chapter in CHAPTERS]
    assert all(set(chapter) == CHAPTER for chapter in told["chapters"])


@each_chapter
def test_a_lesson_fits_eighty_columns_and_is_plain_text_where_there_is_no_terminal(name, everysum) -> None:
    outcome = everysum("lesson", *quick(name))
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    wide = [line for line in lines if len(line) > 80]
    assert wide == []
    assert "\x1b" not in outcome.out
    assert not any(line != line.rstrip() for line in lines)
    assert f"{name} · " in lines[1]
    assert "they agree" in outcome.out
    assert "they do not agree" not in outcome.out
    assert "Its code: " in outcome.out


def test_a_sum_stands_there_as_on_paper(everysum) -> None:
    lines = everysum("lesson", "network").out.splitlines()
    assert "  blue    −26.598 = 32 × 0.10 + 107 × −0.29 + 56 × −0.07 + 11.2 × 0.46" in lines
    assert "  leaf    0.79584 = −26.598 × −0.17 + 2.522 × 0.39 + −47.094 × 0.10" in lines
    after = lines.index("  both outputs:")
    assert lines[after + 1 : after + 3] == ["    plain  0.79584  0.25122", "    torch  0.79584  0.25122"]
    assert "Next:     everysum lesson matrix   Tables of numbers" in lines[-2]


def test_a_long_sum_goes_on_below_its_first_term(everysum) -> None:
    lines = everysum("lesson", *quick("characters")).out.splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("  neuron 1  "))
    start = lines[at].index("= ") + 2
    assert lines[at + 1].startswith(" " * start + "+ ")


def test_a_terminal_gets_color_and_no_color_is_respected(everysum, monkeypatch) -> None:
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", "80")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    expected = everysum("lesson", "deviation").out
    colored = Terminal()
    everysum("lesson", "deviation", stdout=colored)
    assert "\x1b[1mHow far apart\x1b[0m" in colored.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    everysum("lesson", "deviation", stdout=plain)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", plain.getvalue())
    bare = re.sub(r"\x1b\[[0-9;]*m", "", colored.getvalue())
    assert bare == expected


def test_a_narrow_terminal_gets_shorter_lines(everysum, monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "50")
    narrow = Terminal()
    everysum("lesson", "attention", stdout=narrow)
    opening = re.sub(r"\x1b\[[0-9;]*m", "", narrow.getvalue()).partition("mixed 1")[0]
    assert 45 < max(map(len, opening.splitlines())) <= 50


def test_a_figure_of_ones_own_moves_the_sums(everysum) -> None:
    outcome = everysum("lesson", "network", "--set", "orange.volume=-0.18", "--set", "bias=1")
    assert "  orange  −51.126 = 32 × −0.36 + 107 × −0.21 + 56 × −0.27 + 11.2 × −0.18" in outcome.out
    assert "this is a flower" in outcome.out
    assert "11.2 × 0.46 + 1\n" in outcome.out


@each_chapter
def test_the_data_has_everything_and_keeps_its_shape(name, everysum) -> None:
    told = json.loads(everysum("lesson", *quick(name), "--json").out)
    assert set(told) == FRAME
    assert told["schema"] == 1
    for neighbor in (told["previous"], told["next"]):
        assert neighbor is None or set(neighbor) == CHAPTER
    for figure in told["figures"]:
        assert set(figure) == FIGURE | LIMITS[figure["kind"]]
    for block in told["blocks"]:
        assert set(block) == BLOCKS[block["kind"]] | {"kind"}
        if block["kind"] == "sums":
            for each in block["sums"]:
                assert set(each) == {"name", "number"}
                assert set(each["number"]) == {"value", "figure", "operation", "terms", "parts"}
        if block["kind"] == "table":
            for row in block["rows"]:
                assert set(row) == {"name", "cells", "values", "strong"}
                assert len(row["cells"]) == len(row["values"]) == len(block["columns"])


def test_an_unknown_lesson_is_refused_with_the_nearest(everysum) -> None:
    outcome = everysum("lesson", "soft-max")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("there is no lesson 'soft-max'\n  wanted: network or matrix or ")
    assert outcome.err.endswith("\n  do: did you mean 'softmax'?\n")


def test_an_unknown_figure_is_refused_as_json_too(everysum) -> None:
    outcome = everysum("lesson", "softmax", "--set", "temprature=2", "--json")
    assert outcome.code == 2
    assert json.loads(outcome.err)["error"] == {
        "kind": "UsageError",
        "exit_code": 2,
        "problem": "the lesson softmax has no figure 'temprature'",
        "wanted": "outputs or temperature or draws or seed",
        "advice": "did you mean 'temperature'?",
    }


def test_figures_without_a_lesson_are_refused(everysum) -> None:
    outcome = everysum("lesson", "--set", "a=1")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "--set 'a=1' has no lesson to change\n  wanted: everysum lesson NAME --set figure=value\n"


def test_control_characters_of_a_figure_do_not_reach_the_terminal(everysum, monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    screen = Terminal()
    everysum("lesson", *quick("separator"), "--set", "sentence=Wo \x1b[31m du", stdout=screen)
    assert "\x1b[31m" not in screen.getvalue()


def test_a_reader_who_leaves_ends_it_silently(spawn) -> None:
    process = spawn("lesson", "attention")
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 141


def test_long_work_tells_how_far_it_is(everysum, monkeypatch) -> None:
    monkeypatch.setattr("everysum.cli.lesson_progress.TOLD_EVERY", 0.0)
    told = everysum("lesson", "characters", "--set", "epochs=4").err.splitlines()
    assert [line.partition("  ")[0] for line in told] == [f"step {step} of 4" for step in (1, 2, 3, 4)]
    assert all(re.search(r"  loss \d+\.\d{4}  \d+:\d\d left$", line) for line in told)


def test_a_terminal_gets_a_bar_that_is_gone_when_the_text_goes_on(everysum, monkeypatch) -> None:
    monkeypatch.setattr("everysum.cli.lesson_progress.REDRAWN_EVERY", 0.0)
    screen = Terminal()
    everysum("lesson", "characters", "--set", "epochs=4", stderr=screen)
    drawn = screen.getvalue()
    assert "\r\x1b[2K  ████████████             step 2 of 4  loss " in drawn
    assert drawn.endswith("\r\x1b[2K")


def test_the_list_waits_for_no_torch(environment) -> None:
    program = (
        "import sys\nfrom everysum.cli.main import run\nsys.argv = ['everysum', 'lesson']\n"
        "try: run()\nexcept SystemExit: pass\nprint('torch' in sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stderr.splitlines()[-1] == "False"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_shown_code_fits_and_is_the_code_that_runs(chapter) -> None:
    for name, function in vars(sys.modules[chapter.teach.__module__]).items():
        if name.endswith("in_torch") or name == "by_library":
            from everysum.lessons.comparison import source_of

            lines = source_of(function).splitlines()
            assert max(map(len, lines)) <= 76, chapter.name
            assert lines[0].startswith(f"def {name}(")
            compile("\n".join(lines), chapter.name, "exec")
