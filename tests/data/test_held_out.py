"""What is held out is never trained on, nothing is lost between the two, and the same text is parted the same way."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everysum.data import held_out as held_out_module
from everysum.data import text as text_module
from everysum.data.held_out import split_texts
from everysum.data.text import TextPiece
from everysum.errors import InputError, UsageError

SEPARATOR = "<|endoftext|>\n"


def documents(part: Iterable[TextPiece]) -> list[str]:
    found: list[str] = []
    for piece in part:
        if piece.starts_document:
            found.append("")
        found[-1] += piece.text
    return found


def split(path: Path, content: str, fraction: float = 0.1) -> tuple[list[str], list[str]]:
    path.write_bytes(content.encode())
    train, held_out = split_texts([path], held_out_fraction=fraction)
    return documents(train), documents(held_out)


@pytest.mark.parametrize(
    ("content", "train", "held_out"),
    [
        ("0123456789" * 2, ["0123456789" * 1 + "01234567"], ["89"]),
        ("a" * 36 + "bc\ndef.\n"[:4], ["a" * 36], ["bc\nd"]),
        ("a" * 180 + "bcd\nefg h" + "i" * 11, ["a" * 180 + "bcd\n"], ["efg h" + "i" * 11]),
        ("a" * 180 + "bcd efg h" + "i" * 11, ["a" * 180 + "bcd"], [" efg h" + "i" * 11]),
        ("a" * 179 + "\nbcd\nefg h" + "i" * 11, ["a" * 179 + "\n"], ["bcd\nefg h" + "i" * 11]),
        ("short", ["short"], []),
    ],
)
def test_the_last_tenth_begins_at_a_line_else_at_white_space(
    tmp_path: Path, content: str, train: list[str], held_out: list[str]
) -> None:
    assert split(tmp_path / "a", content) == (train, held_out)


def test_each_of_a_few_documents_gives_its_own_end(tmp_path: Path) -> None:
    train, held_out = split(tmp_path / "a", SEPARATOR.join(f"{number} line\n" * 100 for number in range(3)))
    assert train == [f"{number} line\n" * 90 for number in range(3)]
    assert held_out == [f"{number} line\n" * 10 for number in range(3)]


def test_of_many_documents_whole_ones_are_held_out(tmp_path: Path) -> None:
    stories = [f"the story of number {number:03}\n" for number in range(200)]
    train, held_out = split(tmp_path / "a", SEPARATOR.join(stories))
    assert len(held_out) == 20
    assert sorted(train + held_out) == stories
    assert held_out == sorted(held_out) != stories[-20:]


def test_equal_documents_stay_on_one_side(tmp_path: Path) -> None:
    stories = [f"the story of number {number:03}\n" for number in range(50)]
    train, held_out = split(tmp_path / "a", SEPARATOR.join(stories * 4))
    assert held_out
    assert not set(train) & set(held_out)


def test_where_one_document_holds_most_of_the_text_its_end_is_held_out(tmp_path: Path) -> None:
    contents = ["x\n" * 10_000, *(f"{number}\n" for number in range(30))]
    train, held_out = split(tmp_path / "a", SEPARATOR.join(contents))
    assert train == ["x\n" * 9_000, *contents[1:]]
    assert held_out == ["x\n" * 1_000]


def test_the_held_out_part_is_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out_module, "HELD_OUT_CHARACTERS", 600)
    _, held_out = split(tmp_path / "a", "x\n" * 10_000)
    assert held_out == ["x\n" * 300]
    _, held_out = split(tmp_path / "a", SEPARATOR.join(f"{number:09}\n" for number in range(1000)))
    assert len(held_out) == 60


def test_nothing_is_held_out_when_none_is_wanted(tmp_path: Path) -> None:
    assert split(tmp_path / "a", SEPARATOR.join("abc"), 0) == (["a<|endoftext|>\nb<|endoftext|>\nc"], [])
    with pytest.raises(UsageError, match=r"impossible held-out fraction\n  wanted: 0 ≤ fraction < 1\n  came: 1"):
        split(tmp_path / "a", "text", 1)


@given(
    st.lists(st.text(st.sampled_from("ab \né"), min_size=1, max_size=60), min_size=1, max_size=40),
    st.floats(0, 0.9),
    st.integers(1, 50),
)
def test_the_two_parts_make_up_each_document_without_overlap(
    tmp_path_factory: pytest.TempPathFactory, contents: list[str], fraction: float, piece: int
) -> None:
    folder = tmp_path_factory.mktemp("text")
    paths = [folder / str(number) for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "PIECE_CHARACTERS", piece)
        train, held_out = split_texts(paths, held_out_fraction=fraction)
        sides = [documents(train), documents(held_out)]
        assert [documents(train), documents(held_out)] == sides
    for content, wanted in zip(contents, train.held_out_lengths, strict=True):
        trained_on = sides[0].pop(0) if wanted < len(content) else ""
        kept_out = sides[1].pop(0) if wanted else ""
        assert trained_on + kept_out == content
        assert (wanted + 1) // 2 <= len(kept_out) <= wanted
    assert sides == [[], []]
    total = sum(map(len, contents))
    assert held_out.characters <= total * fraction
    assert train.characters + held_out.characters == total


def test_a_text_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    for changed in ("line\n" * 99, "line\n" * 101, SEPARATOR.join(["line\n" * 50] * 2)):
        path.write_text("line\n" * 100)
        train, _ = split_texts([path])
        path.write_text(changed)
        with pytest.raises(InputError, match=r"the text changed while it was being read: .*log.txt\n  do: start again"):
            list(train)
