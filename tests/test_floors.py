"""The check of `make check` that no file imports from a floor above its own, and that it would notice."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def floors() -> ModuleType:
    specification = importlib.util.spec_from_file_location("check_floors", ROOT / "tools" / "check_floors.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_every_import_of_the_house_goes_down_or_stays_level(floors: ModuleType) -> None:
    assert floors.violations(ROOT / "src" / "everysum") == []


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        (
            "layers/attention.py",
            "from everysum.training.loop import Trainer",
            "layers must not import everysum.training",
        ),
        ("layers/attention.py", "import everysum.models.gpt", "layers must not import everysum.models.gpt"),
        ("data/text.py", "def f():\n    from everysum import model", "data must not import everysum.model"),
        ("errors.py", "from everysum import __version__", "is on no floor"),
        ("plain/softmax.py", "from everysum.layers import linear", "plain/ stands alone"),
        ("models/gpt.py", "from everysum.plain import network", "plain/ stands alone"),
        ("lessons/network.py", "from everysum.cli import app", "lessons must not import everysum.cli"),
        ("plain/softmax.py", "from everysum.lessons import network", "plain/ stands alone"),
        ("cli/lesson.py", "from everysum.plain import network", "plain/ stands alone"),
        ("models/gpt.py", "from ..training import loop", "relative import"),
        ("attic/old.py", "from everysum.layers import linear", "is on no floor"),
        ("layers/linear.py", "from everysum.attic import old", "is on no floor"),
    ],
)
def test_an_import_that_goes_up_is_found(floors: ModuleType, tmp_path: Path, file: str, line: str, said: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(line + "\n")
    (found,) = floors.violations(tmp_path)
    assert said in found


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("training/loop.py", "from everysum.layers.linear import Linear"),
        ("layers/attention.py", "from everysum.layers.linear import Linear"),
        ("plain/softmax.py", "from everysum.plain.number import Number\nimport math"),
        ("cli/train.py", "from everysum import model, machine"),
        ("lessons/network.py", "from everysum.plain.number import Number\nfrom everysum.models import classifier"),
    ],
)
def test_an_import_that_goes_down_or_stays_level_is_not(
    floors: ModuleType, tmp_path: Path, file: str, line: str
) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(line + "\n")
    assert floors.violations(tmp_path) == []
