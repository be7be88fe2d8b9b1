"""Sentence pairs: which lines go together, what is refused and what passed over, and which are held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from everysum.data.sentence_pairs import (
    HELD_OUT_PAIRS,
    Pair,
    find_sides,
    read_lines,
    read_pairs,
    split_pairs,
    survey_pairs,
)
from everysum.errors import InputError, UsageError


def sides(folder: Path, source: str | bytes, target: str | bytes, errors: str = "strict"):
    paths = [folder / "a.de", folder / "a.en"]
    for path, text in zip(paths, (source, target), strict=True):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return find_sides(paths[:1], paths[1:], errors)


def refused(folder: Path, source: str | bytes, target: str | bytes) -> str:
    with pytest.raises(InputError) as refusal:
        survey_pairs(sides(folder, source, target))
    return str(refusal.value)


def test_line_n_goes_with_line_n(tmp_path: Path) -> None:
    both = sides(tmp_path, "Hallo!\nWo wohnst du?\n", "Hello!\nWhere do you live?")
    assert list(read_pairs(both)) == [Pair("Hallo!", "Hello!"), Pair("Wo wohnst du?", "Where do you live?")]


def test_line_ends_of_windows_byte_order_marks_and_spaces_around_do_not_count(tmp_path: Path) -> None:
    both = sides(tmp_path, "\ufeff Hallo!\r\nJa. \r\n", "Hello!\nYes.\n")
    assert list(read_pairs(both)) == [Pair("Hallo!", "Hello!"), Pair("Ja.", "Yes.")]


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\u2028still one\x85and\x0bthis\ntwo", encoding="utf-8", newline="")
    assert list(read_lines(path)) == ["one\u2028still one\x85and\x0bthis", "two"]


@pytest.mark.parametrize(("text", "lines"), [("a\n", 1), ("a\n\n", 2), ("a", 1), ("a\nb", 2), ("\n", 1)])
def test_a_last_line_counts_with_its_end_and_without(tmp_path: Path, text: str, lines: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text, encoding="utf-8")
    assert len(list(read_lines(path))) == lines


def test_a_survey_counts_pairs_and_says_where_the_first_empty_side_is(tmp_path: Path) -> None:
    found = survey_pairs(sides(tmp_path, "a\n\nc\nd\n", "1\n2\n  \n4\n"))
    assert (found.pairs, found.empty, found.bytes) == (2, 2, 7 + 9)
    assert found.first_empty == f"{tmp_path / 'a.de'} line 2"
    assert [pair.source for pair in read_pairs(sides(tmp_path, "a\n\nc\nd\n", "1\n2\n  \n4\n"))] == ["a", "d"]


def test_files_of_different_length_are_refused_with_the_first_line_that_has_no_partner(tmp_path: Path) -> None:
    said = refused(tmp_path, "a\nb\nc\nd\n", "1\n2\n")
    assert said == (
        f"{tmp_path / 'a.en'} ends before line 3, which {tmp_path / 'a.de'} has\n"
        "  wanted: as many lines on both sides: line n says the same on each\n"
        f"  came: 2 lines in {tmp_path / 'a.en'}, 4 in {tmp_path / 'a.de'}\n"
        "  do: find where a line is missing, or was broken in two, before anything is trained on them"
    )
    assert refused(tmp_path, "a\n", "1\n2\n").startswith(f"{tmp_path / 'a.de'} ends before line 2")


def test_bytes_that_are_no_text_are_refused_with_their_place_or_replaced(tmp_path: Path) -> None:
    said = refused(tmp_path, "ab\nc\n", b"x\nyz\xff\n")
    assert said.startswith(f"{tmp_path / 'a.en'} is not text in UTF-8\n  came: the byte 0xff at offset 4")
    replaced = sides(tmp_path, "ab\nc\n", b"x\nyz\xff\n", "replace")
    assert list(read_pairs(replaced))[1] == Pair("c", "yz\ufffd")


def test_an_unknown_script_is_text_like_any_other(tmp_path: Path) -> None:
    both = sides(tmp_path, "ᚠᚢᚦᚨᚱᚲ\n𒀀𒁀\n", "futhark\ncuneiform\n")
    assert [pair.source for pair in read_pairs(both)] == ["ᚠᚢᚦᚨᚱᚲ", "𒀀𒁀"]


def test_no_pair_at_all_is_refused(tmp_path: Path) -> None:
    assert "have no pair of sentences" in refused(tmp_path, "a\n \n", "\n2\n")
    assert refused(tmp_path, b"", "1\n").startswith(f"{tmp_path / 'a.de'} is empty")


def test_one_file_for_both_sides_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\n")
    with pytest.raises(InputError, match=r"a\.txt is given for both sides of the pairs"):
        find_sides([tmp_path / "a.txt"], [tmp_path / "." / "a.txt"])


def test_folders_are_paired_file_by_file(tmp_path: Path) -> None:
    for language, word in (("de", "eins"), ("en", "one")):
        (tmp_path / language).mkdir()
        for name in ("1.txt", "2.txt"):
            (tmp_path / language / name).write_text(f"{word} {name}\n")
    both = find_sides([tmp_path / "de"], [tmp_path / "en"])
    assert list(read_pairs(both)) == [Pair("eins 1.txt", "one 1.txt"), Pair("eins 2.txt", "one 2.txt")]
    (tmp_path / "de" / "3.txt").write_text("drei\n")
    with pytest.raises(InputError, match="the two sides of the pairs have different numbers of files"):
        find_sides([tmp_path / "de"], [tmp_path / "en"])


def numbered(count: int) -> tuple[str, str]:
    return "".join(f"Satz {n % (count // 2)}\n" for n in range(count)), "".join(f"sentence {n}\n" for n in range(count))


def test_a_split_holds_out_a_share_and_keeps_equal_sources_together(tmp_path: Path) -> None:
    both = sides(tmp_path, *numbered(1000))
    train, held_out = (list(part) for part in split_pairs(both, 0.1))
    assert len(train) + len(held_out) == 1000
    assert 80 <= len(held_out) <= 100
    assert not {pair.source for pair in train} & {pair.source for pair in held_out}
    assert [list(part) for part in split_pairs(both, 0.1)] == [train, held_out]
    assert sorted(train + held_out) == sorted(read_pairs(both))


def test_no_more_is_held_out_than_measures_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everysum.data.sentence_pairs.HELD_OUT_PAIRS", 20)
    assert HELD_OUT_PAIRS == 2000
    assert len(list(split_pairs(sides(tmp_path, *numbered(1000)), 0.5)[1])) in (19, 20)


def test_nothing_or_an_impossible_share_held_out(tmp_path: Path) -> None:
    both = sides(tmp_path, *numbered(50))
    train, held_out = split_pairs(both, 0.0)
    assert (len(list(train)), list(held_out)) == (50, [])
    with pytest.raises(UsageError, match="impossible held-out share"):
        split_pairs(both, 1.0)
