"""docs/article.md says where each section of the article is taught, lives and is tested: it must be so."""

from __future__ import annotations

import re
from pathlib import Path

from everysum.lessons.course import CHAPTERS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "article.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| what", "| as"))
]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_lesson_is_on_the_page_and_every_lesson_on_it_exists() -> None:
    taught = {name for row in ROWS if len(row) == 4 for name in named(row[1])}
    assert taught == {chapter.name for chapter in CHAPTERS}


def test_every_file_on_the_page_is_there() -> None:
    files = {name for row in ROWS if len(row) == 4 for name in named(row[2])}
    assert len(files) > 30
    assert [file for file in sorted(files) if not (ROOT / "src" / "everysum" / file).is_file()] == []


def test_every_test_on_the_page_is_there_and_every_row_has_one() -> None:
    for row in ROWS:
        tests = named(row[-1].removesuffix(" |"))
        assert tests, row
        for test in tests:
            file, _, name = test.partition("::")
            source = (ROOT / "tests" / file).read_text(encoding="utf-8")
            assert re.search(rf"^def {name}\(", source, re.MULTILINE), test


def test_names_for_what_differs_exist() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for floor in ("plain", "layers")
        for path in sorted((ROOT / "src" / "everysum" / floor).glob("*.py"))
    )
    for row in ROWS:
        if len(row) == 3:
            for name in (name for cell in row[:2] for name in named(cell) if re.fullmatch(r"[A-Za-z_]+", name)):
                assert re.search(rf"\b(def|class) {name}\b", sources), name
