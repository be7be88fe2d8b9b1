"""`everysum.train(pairs=…)`: what goes together and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import quietly
from tiny_pairs import wishes_of, write_pairs

import everysum as es
from everysum.errors import UsageError
from everysum.models.transformer import Transformer


def test_pairs_make_a_translator(tmp_path: Path) -> None:
    source, target = write_pairs(tmp_path)
    held_out = write_pairs(tmp_path, 20, seed=3, name="valid")
    wishes = wishes_of("transformer", {"schedule": {"steps": 2}})
    with quietly(tmp_path / "cache"):
        model = es.train(pairs=(source, [str(target)]), held_out=held_out, out=tmp_path / "run", recipe=wishes)
    assert isinstance(model.network, Transformer)


@pytest.mark.parametrize(
    ("texts", "held_out", "said"),
    [
        ("a.txt", (), "texts and pairs do not go together"),
        ((), "val.de", "what is held out has to be pairs too"),
        ((), ("val.de",), "what is held out has to be pairs too"),
    ],
)
def test_what_does_not_go_together_is_refused(texts, held_out, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        es.train(texts, pairs=("train.de", "train.en"), held_out=held_out, out=tmp_path / "run")


def test_a_recipe_for_pairs_needs_some(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the recipe separator learns from pairs of sentences"):
        es.train("a.txt", out=tmp_path / "run", recipe="separator")
