"""The glossary keeps the vocabulary of axes: every axis that a signature names is explained there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_axis_of_a_shape_in_the_code_is_in_the_glossary() -> None:
    axes = set()
    for path in (ROOT / "src").rglob("*.py"):
        for shape in re.findall(r'(?:Float|Int|Bool)\[[\w.]+, "([^"]*)"\]', path.read_text(encoding="utf-8")):
            axes |= {axis.lstrip("*#") for axis in shape.split()}
    assert {"batch", "position", "heads"} <= axes
    table = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").partition("## Parts")[0]
    explained = set(re.findall(r"`(\w+)`", table))
    assert axes - {"1"} <= explained
