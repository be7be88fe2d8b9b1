"""The public face: train, load, evaluate, and what each accepts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_translators import translator
from tiny import TINY, Listener, quietly, resume_tiny, sentences, tiny, train_tiny, write_text

import everysum
from everysum.errors import InputError, OutputError, UsageError
from everysum.model import Model

SHORT = tiny({"schedule": {"steps": 3}})


def test_the_public_face_is_small_and_each_name_of_it_is_there() -> None:
    assert everysum.__all__ == ["Model", "__version__", "evaluate", "load", "record", "train"]
    assert all(getattr(everysum, name) is not None for name in everysum.__all__)
    with pytest.raises(AttributeError, match="module 'everysum' has no attribute 'translate'"):
        everysum.translate  # noqa: B018


def test_importing_it_does_not_wait_for_torch() -> None:
    script = "import sys, everysum; print('torch' in sys.modules, 'pydantic' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert said.split() == ["False", "False"]


def test_train_returns_the_model_that_load_opens(tmp_path: Path) -> None:
    text, listener = write_text(tmp_path), Listener()
    with quietly(tmp_path / "cache"):
        model = everysum.train(str(text), out=str(tmp_path / "run"), recipe=SHORT, device="cpu", progress=listener)
    again = everysum.load(tmp_path / "run", device="cpu")
    assert model.generate("the", tokens=9) == again.generate("the", tokens=9)
    assert isinstance(model, everysum.Model)
    assert [line.step for line in listener.steps] == [1, 2, 3]


def test_several_texts_a_folder_and_a_held_out_text(tmp_path: Path) -> None:
    one, two = (write_text(tmp_path / "texts", sentences(30, seed=seed), f"{seed}.txt") for seed in (1, 2))
    other = write_text(tmp_path, sentences(30, seed=3), "other.txt")
    with quietly(tmp_path / "cache"):
        everysum.train([one, str(two)], out=tmp_path / "run", held_out=other, recipe=SHORT, device="cpu")
        everysum.train(tmp_path / "texts", out=tmp_path / "same", held_out=[other], recipe=SHORT, device="cpu")
    recipes = [json.loads((tmp_path / name / "recipe.json").read_text()) for name in ("run", "same")]
    assert recipes[0] == recipes[1]
    assert recipes[0]["text"]["paths"] == [str(one), str(two)]
    assert recipes[0]["text"]["held_out_paths"] == [str(other)]
    model_files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "same")]
    assert model_files[0] == model_files[1]


def test_the_values_of_a_recipe_are_left_as_they_are(tmp_path: Path) -> None:
    before = json.dumps(SHORT)
    with quietly(tmp_path / "cache"):
        everysum.train(write_text(tmp_path), out=tmp_path / "run", recipe=SHORT, device="cpu")
    assert json.dumps(SHORT) == before
    assert TINY["schedule"]["steps"] == 24


def test_a_recipe_file_repeats_a_run_without_naming_the_text(tmp_path: Path) -> None:
    train_tiny(write_text(tmp_path), tmp_path / "run", {"schedule": {"steps": 3}})
    with quietly(tmp_path / "cache"):
        everysum.train(out=tmp_path / "again", recipe=tmp_path / "run" / "recipe.json")
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "again")]
    assert files[0] == files[1]


def test_resume_goes_on_with_a_run(tmp_path: Path) -> None:
    train_tiny(write_text(tmp_path), tmp_path / "run", {"schedule": {"steps": 3}})
    before = (tmp_path / "run" / "log.jsonl").read_bytes()
    with quietly(tmp_path / "cache"):
        model = everysum.train(out=tmp_path / "run", resume=True, device="cpu")
    resume_tiny(tmp_path / "run")
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == before
    assert model.generate("the", tokens=2)


def test_evaluate_takes_a_model_or_its_folder(tmp_path: Path) -> None:
    text = write_text(tmp_path)
    train_tiny(text, tmp_path / "run", {"schedule": {"steps": 3}})
    by_folder = everysum.evaluate(tmp_path / "run", text)
    assert by_folder == everysum.evaluate(everysum.load(str(tmp_path / "run")), [str(text)])
    assert by_folder.bytes == text.stat().st_size
    assert everysum.evaluate(tmp_path / "run", text, stride=3).stride == 3


def test_refusals_come_through(tmp_path: Path) -> None:
    text = write_text(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("x")
    with pytest.raises(OutputError, match="exists already"):
        everysum.train(text, out=tmp_path / "taken")
    with pytest.raises(InputError, match="there is no file"):
        everysum.train(tmp_path / "none.txt", out=tmp_path / "run")
    with pytest.raises(UsageError, match="there is no recipe 'defualt'"):
        everysum.train(text, out=tmp_path / "run", recipe="defualt")
    with pytest.raises(UsageError, match=r"no recipe has the key 'netwrok'\n  do: did you mean"):
        everysum.train(text, out=tmp_path / "run", recipe={"netwrok": {"width": 3}})
    with pytest.raises(InputError, match="holds no run to go on with"):
        everysum.train(out=tmp_path / "none", resume=True)


def test_base_goes_on_from_a_model(tmp_path: Path) -> None:
    text = write_text(tmp_path)
    with quietly(tmp_path / "cache"):
        everysum.train(text, out=tmp_path / "old", recipe=tiny(), device="cpu")
        wishes = {"schedule": {"steps": 3, "batch_size": 4}, "engine": tiny()["engine"]}
        model = everysum.train(text, out=tmp_path / "new", recipe=wishes, device="cpu", base=tmp_path / "old")
    assert model.folder == tmp_path / "new"
    recipe = json.loads((tmp_path / "new" / "recipe.json").read_text())
    assert recipe["base"]["folder"] == str(tmp_path / "old")


def test_evaluate_measures_a_translator_on_pairs(tmp_path: Path) -> None:
    model = Model(*translator("transformer"))
    for name, text in (("de", "ja\ndas haus\n"), ("en", "yes\nthe house\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = everysum.evaluate(model, pairs=(tmp_path / "de", tmp_path / "en"), beams=2)
    assert (found.pairs, found.search.beams) == (2, 2)
    assert 0 <= found.bleu.score <= 100
    model.save(tmp_path / "model")
    again = everysum.evaluate(tmp_path / "model", pairs=(str(tmp_path / "de"), str(tmp_path / "en")), beams=2)
    assert again.loss == found.loss
    with pytest.raises(UsageError, match="texts and pairs do not go together"):
        everysum.evaluate(model, tmp_path / "de", pairs=(tmp_path / "de", tmp_path / "en"))  # type: ignore[call-overload]
