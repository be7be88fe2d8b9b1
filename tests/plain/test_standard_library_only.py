"""`plain/` needs nothing but Python: what is in it can be followed to its end, and each file read at one sitting."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent.parent / "src" / "everysum" / "plain"
FILES = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_imports_only_the_standard_library_and_its_neighbors(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [str(node.module)]
        else:
            continue
        for name in names:
            assert name.startswith("everysum.plain") or name.split(".")[0] in sys.stdlib_module_names, name


def test_all_of_it_runs_in_a_python_without_any_package() -> None:
    names = [f"everysum.plain.{path.stem}" for path in FILES if path.stem != "__init__"]
    program = f"""
import importlib, sys
sys.path.insert(0, {str(FOLDER.parent.parent)!r})
for name in {names!r}:
    importlib.import_module(name)
strangers = {{name.split(".")[0] for name in sys.modules}} - set(sys.stdlib_module_names) - {{"everysum", "__main__"}}
print(sorted(strangers))
"""
    # -S leaves site-packages out, -I what the environment would add
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", "[]\n")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 132


def test_the_reading_order_names_every_file() -> None:
    text = (FOLDER / "__init__.py").read_text(encoding="utf-8")
    listed = [line.split()[0] for line in text.splitlines() if line.startswith("    ")]
    assert sorted(listed) == sorted(path.stem for path in FILES if path.stem != "__init__")
