"""Check that every file in src/everysum imports only from its own floor and those below it.

A cycle of imports starts with one that goes up. Imports inside functions and for the type checker count as well.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FLOORS = (
    ("errors", "version"),
    ("files", "machine", "parallel"),
    ("tokenizers",),
    ("data",),
    ("layers",),
    ("models",),
    ("pretrained",),
    ("generation",),
    ("training",),
    ("explain",),
    ("recipes",),
    ("lessons",),
    ("model", "api"),
    ("server",),
    ("web",),
    ("cli",),
    ("__init__",),
)
"""From the ground up. `plain/` stands beside the house: it imports nothing of it, and only lessons look into it."""

HEIGHTS = {name: height for height, floor in enumerate(FLOORS) for name in floor}


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of every module of everysum that a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "everysum":
                    yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "everysum":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((node.lineno, name) for name in (names if node.module == "everysum" else [node.module or ""]))
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, "." * node.level + (node.module or "")


def violations(root: Path) -> list[str]:
    """A sentence for every import that goes up, or to a floor that is not in the plan."""
    found = []
    for path in sorted(root.rglob("*.py")):
        own = path.relative_to(root).with_suffix("").parts[0]
        for line, name in imported(ast.parse(path.read_text(encoding="utf-8"))):
            parts = name.split(".")
            floor = "__init__" if parts == ["everysum"] else parts[1] if parts[0] == "everysum" else "."
            place = f"{path}:{line}"
            if floor == ".":
                found.append(f"{place}: relative import; write everysum.… in full")
            elif own == floor or (own, floor) == ("lessons", "plain"):
                continue
            elif "plain" in (own, floor):
                found.append(f"{place}: plain/ stands alone, but {own} imports {name}")
            elif own not in HEIGHTS or floor not in HEIGHTS:
                found.append(f"{place}: {own} or {floor} is on no floor; see FLOORS in tools/check_floors.py")
            elif HEIGHTS[floor] > HEIGHTS[own]:
                found.append(f"{place}: {own} must not import {name}, which is above it")
    return found


def main() -> int:
    root = Path(__file__).parent.parent / "src" / "everysum"
    found = violations(root)
    print("\n".join(found) or f"floors: every import in {root.name}/ goes down or stays level")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
