"""A run is a value and a folder: the same recipe makes the same folder, and nothing of it is guessed or lost."""

from __future__ import annotations

import io
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny import Listener, quietly, results_of, resume_tiny, sentences, tiny, train_tiny, write_text

from everysum.data.text import spool_stdin
from everysum.errors import InputError, ModelFolderError, OutputError, TrainingError
from everysum.files import verify_folder
from everysum.model import load
from everysum.recipes import named_or_file
from everysum.training import run as run_module
from everysum.training.log import read_log
from everysum.training.prepare import Prepared, Request, prepare
from everysum.training.progress import Facts, StepLine
from everysum.training.recipe import Recipe
from everysum.training.run import Run, train

SENTENCE = "Once a king had a horse, but nobody knew where it went by night."


def recipe_in(folder: Path) -> dict[str, Any]:
    recipe: dict[str, Any] = json.loads((folder / "recipe.json").read_text())
    return recipe


# --- what a run is ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_it_learns_one_sentence_until_it_says_it_back(tmp_path: Path, dtype: str) -> None:
    text = write_text(tmp_path, (SENTENCE + "\n") * 16)
    over = {
        "text": {"held_out_share": 0.0},
        "network": {"context_length": 40},
        "schedule": {"steps": 100, "sample_every": 100},
        "engine": {"dtype": dtype},
    }
    result = train_tiny(text, tmp_path / "run", over)
    model = load(tmp_path / "run", device="cpu")
    assert model.generate(SENTENCE[:5], tokens=len(SENTENCE) - 5, temperature=0) == SENTENCE[5:]
    assert result.held_out is None
    assert result.train_loss < 0.3
    assert result.verdict.startswith("Nothing was held out")


def test_the_log_says_every_step_every_look_and_every_sample(finished: Path) -> None:
    lines = list(read_log(finished))
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 25))
    assert [line["step"] for line in lines if "held_out" in line] == [6, 12, 18, 24]
    assert [line["step"] for line in lines if "sample" in line] == [8, 16, 24]
    assert all(set(line) in ({"step", "loss"}, {"step", "held_out"}, {"step", "sample"}) for line in lines)
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < losses[0] - 0.3


def test_it_tells_what_an_untrained_network_loses_and_begins_there(text: Path, tmp_path: Path) -> None:
    listener = Listener()
    train_tiny(text, tmp_path / "run", {"schedule": {"steps": 2}}, progress=listener)
    facts = listener.facts[0]
    assert facts.untrained_loss == pytest.approx(math.log(facts.vocabulary_size))
    assert listener.steps[0].loss == pytest.approx(facts.untrained_loss, abs=1e-4)
    assert facts.first_step == 0
    assert facts.train_tokens > facts.held_out_tokens > 2


def test_a_finished_run_is_a_model_folder_with_its_last_checkpoint(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names == {
        "checkpoints",
        "config.json",
        "log.jsonl",
        "model.safetensors",
        "recipe.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    newest = finished / "checkpoints" / "step-00000024"
    verify_folder(newest)
    ours = load(finished, device="cpu").network.state_dict()
    checkpointed = load_file(newest / "model.safetensors")
    assert ours.keys() == checkpointed.keys()
    assert all(torch.equal(tensor, checkpointed[name]) for name, tensor in ours.items())


class AtTheBeginning(Listener):
    """Looks into the folder when the run says that it is planned."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.found: dict[str, Any] = {}

    def planned(self, recipe: Recipe, facts: Facts) -> None:  # type: ignore[override]
        self.found = recipe_in(self.folder)
        assert self.found == json.loads(json.dumps(recipe.model_dump()))
        assert not (self.folder / "log.jsonl").exists()


def test_the_resolved_recipe_is_written_before_the_first_step(text: Path, tmp_path: Path) -> None:
    listener = AtTheBeginning(tmp_path / "run")
    train_tiny(text, tmp_path / "run", {"schedule": {"steps": 3}}, progress=listener)
    assert listener.found["schedule"]["steps"] == 3
    assert recipe_in(tmp_path / "run") == listener.found


def test_a_run_of_so_many_minutes_plans_its_steps_and_takes_them(text: Path, tmp_path: Path) -> None:
    wishes = tiny()
    wishes["schedule"] = {"batch_size": 8}
    listener = AtTheBeginning(tmp_path / "run")
    with quietly(tmp_path / "cache"):
        train(Request([text], tmp_path / "run", (), 0.05, wishes, "cpu"), listener)
    recipe = listener.found
    assert recipe["minutes"] == 0.05
    assert recipe["schedule"]["steps"] >= 10
    assert recipe["engine"]["threads"] == 1
    assert [line.step for line in listener.steps] == list(range(1, recipe["schedule"]["steps"] + 1))
    assert listener.results[0].steps == recipe["schedule"]["steps"]


# --- the same again ---------------------------------------------------------------------------------------------------

VARIANTS = {
    "float32": {},
    "bfloat16": {"engine": {"dtype": "bfloat16"}},
    "dropout and two workers": {"network": {"dropout": 0.3}, "engine": {"threads": 2, "workers": 2}},
    "accumulation": {"schedule": {"accumulation": 2}},
    "gpt with AdamW": {"network": {"kind": "gpt"}, "optimizer": {"matrices": "adamw", "matrix_rate": 0.003}},
    "byte pairs": {"tokenizer": {"kind": "byte_pair", "vocabulary_size": 300}},
}


@pytest.mark.parametrize("over", VARIANTS.values(), ids=VARIANTS)
def test_the_same_recipe_makes_the_same_bytes(text: Path, tmp_path: Path, over: Mapping[str, Any]) -> None:
    for name in ("one", "two"):
        train_tiny(text, tmp_path / name, over, {"schedule": {"steps": 10}})
    assert results_of(tmp_path / "one") == results_of(tmp_path / "two")
    assert recipe_in(tmp_path / "one") == recipe_in(tmp_path / "two")


def test_a_recipe_file_repeats_the_run(finished: Path, tmp_path: Path) -> None:
    wishes = named_or_file(finished / "recipe.json")
    with quietly(tmp_path / "cache"):
        train(Request([], tmp_path / "run", wishes=wishes), Listener())
    assert results_of(tmp_path / "run") == results_of(finished)
    assert recipe_in(tmp_path / "run") == recipe_in(finished)


def test_another_seed_makes_another_model(text: Path, finished: Path, tmp_path: Path) -> None:
    train_tiny(text, tmp_path / "run", {"seed": 2})
    again, first = results_of(tmp_path / "run"), results_of(finished)
    assert again["model.safetensors"] != first["model.safetensors"]
    assert again["log.jsonl"] != first["log.jsonl"]
    assert again["tokenizer.json"] == first["tokenizer.json"]


def test_who_listens_changes_nothing(text: Path, finished: Path, tmp_path: Path) -> None:
    class Noisy(Listener):
        def stepped(self, line: StepLine) -> None:
            torch.manual_seed(0)
            torch.rand(3)

    train_tiny(text, tmp_path / "run", progress=Noisy())
    assert results_of(tmp_path / "run") == results_of(finished)


# --- the text ---------------------------------------------------------------------------------------------------------


def test_held_out_text_is_neither_trained_on_nor_in_the_vocabulary(tmp_path: Path) -> None:
    written = sentences()
    cut = written.index("\n", int(len(written) * 0.95)) + 1
    text = write_text(tmp_path, written[:cut] + written[cut:].replace("e", "ω"))
    prepared = prepared_run(text, tmp_path / "run")
    decode = prepared.tokenizer.decode
    assert "ω" not in decode(prepared.tokens.train.tokens.tolist())
    assert "ω" in decode(prepared.tokens.held_out.tokens.tolist())
    joined = decode(prepared.tokens.train.tokens.tolist()) + decode(prepared.tokens.held_out.tokens.tolist())
    assert joined == text.read_text(encoding="utf-8")
    assert len(prepared.tokenizer.encode("ω")) == 2  # its bytes: the vocabulary has never seen it
    seen = {token for step in range(40) for token in prepared.batches().at(step).inputs.unique().tolist()}
    assert seen | {prepared.tokenizer.end_of_text} == set(prepared.tokens.train.tokens.tolist())


def prepared_run(text: Path, out: Path, *over: Mapping[str, Any]) -> Prepared:
    with quietly(out.parent / "cache"):
        return prepare(Request([text], out, wishes=tiny(*over), device="cpu"), Listener())


def test_a_held_out_text_of_its_own_is_what_is_measured_on(text: Path, tmp_path: Path) -> None:
    other = write_text(tmp_path, sentences(30, seed=9), "other.txt")
    result = train_tiny(text, tmp_path / "run", held_out=(other,))
    assert result.held_out is not None
    assert result.held_out.bytes == other.stat().st_size
    assert result.held_out.tokens == len(other.read_text(encoding="utf-8")) + 1
    assert load(tmp_path / "run", device="cpu").evaluate(other) == result.held_out


@pytest.mark.parametrize("which", ["text", "held out"])
def test_a_text_that_changed_is_not_gone_on_with(tmp_path: Path, which: str) -> None:
    text, other = write_text(tmp_path), write_text(tmp_path, sentences(30, seed=9), "other.txt")
    train_tiny(text, tmp_path / "run", held_out=(other,))
    before = results_of(tmp_path / "run")
    resume_tiny(tmp_path / "run")
    changed = text if which == "text" else other
    changed.write_text(changed.read_text(encoding="utf-8") + "x", encoding="utf-8")
    with pytest.raises(InputError) as refusal:
        resume_tiny(tmp_path / "run")
    assert str(refusal.value) == (
        "the text is no longer the one that this run began with\n"
        f"  wanted: the same {text}, {other}\n"
        "  do: put the old text back to go on, or start a new run on the new one"
    )
    assert results_of(tmp_path / "run") == before


def test_a_text_from_standard_input_is_kept_with_the_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    text = spool_stdin(out, io.BytesIO(sentences().encode()))
    train_tiny(text, out, {"schedule": {"steps": 3}})
    assert recipe_in(out)["text"]["paths"] == [str(out / "stdin.txt")]
    resume_tiny(out)


def test_a_text_too_short_to_train_on_is_refused(tmp_path: Path) -> None:
    text = write_text(tmp_path, "é" * 499)
    with pytest.raises(InputError) as refusal:
        train_tiny(text, tmp_path / "run")
    assert str(refusal.value) == (
        "the text is too short to train on\n"
        "  wanted: at least 1,000 bytes; from 100,000 on it begins to be worth while\n"
        f"  came: 998 bytes in {text}"
    )


def test_a_text_shorter_than_the_context_gets_a_shorter_one(tmp_path: Path) -> None:
    text = write_text(tmp_path, sentences(40))
    wishes = tiny()
    wishes["network"] = {key: value for key, value in wishes["network"].items() if key != "context_length"}
    wishes["tokenizer"] = {"kind": "words", "vocabulary_size": 300}
    with quietly(tmp_path / "cache"):
        train(Request([text], tmp_path / "run", wishes=wishes, device="cpu"), listener := Listener())
    assert 1 <= recipe_in(tmp_path / "run")["network"]["context_length"] <= listener.facts[0].train_tokens // 8


def test_a_context_wished_for_that_the_text_cannot_fill_is_refused(text: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the text is too short for a context of 100000 tokens"):
        train_tiny(text, tmp_path / "run", {"network": {"context_length": 100_000}})
    assert list((tmp_path / "run").iterdir()) == []


# --- the folder -------------------------------------------------------------------------------------------------------


def test_a_folder_that_holds_a_run_is_refused_and_left_alone(text: Path, finished: Path) -> None:
    before = results_of(finished)
    with pytest.raises(OutputError) as refusal:
        train_tiny(text, finished)
    assert str(refusal.value) == (
        f"{finished} exists already and holds checkpoints and 4 more\n"
        "  wanted: a new or empty folder\n"
        f"  do: give another --out, or go on with that run: everysum train --resume --out {finished}"
    )
    assert results_of(finished) == before


def test_a_folder_of_somebody_elses_is_refused(text: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("private")
    with pytest.raises(OutputError) as refusal:
        train_tiny(text, tmp_path / "mine")
    assert str(refusal.value) == (
        f"{tmp_path / 'mine'} exists already and holds diary.txt\n"
        "  wanted: a new or empty folder\n  do: give another --out"
    )
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["diary.txt"]


def test_what_a_run_killed_before_its_recipe_left_is_no_obstacle(text: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(finished / name, out)
    (out / ".recipe.json.0123abcd.temporary").write_text("{")
    train_tiny(text, out)
    assert results_of(out) == results_of(finished)


def test_a_folder_that_cannot_be_made_is_refused(text: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError) as refusal:
        train_tiny(text, tmp_path / "file" / "run")
    assert str(refusal.value).startswith(f"{tmp_path / 'file' / 'run'} cannot be written: ")
    assert "\n" not in str(refusal.value)


# --- going on ---------------------------------------------------------------------------------------------------------


def test_going_on_with_a_finished_run_changes_nothing_and_says_so(finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    listener = Listener()
    result = resume_tiny(out, listener)
    assert results_of(out) == results_of(finished)
    assert "this run had ended already: nothing is left to train" in listener.stages
    assert (listener.steps, listener.saves, listener.warnings) == ([], [], [])
    lines = list(read_log(finished))
    assert result.held_out is not None
    assert result.held_out.as_json() == [line["held_out"] for line in lines if "held_out" in line][-1]


def test_going_on_where_there_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refusal:
        resume_tiny(tmp_path)
    assert str(refusal.value) == (
        f"{tmp_path} holds no run to go on with\n"
        "  wanted: a folder with recipe.json, as `everysum train` makes it\n"
        "  do: leave --resume out to begin a run there"
    )


def test_a_log_that_lost_its_lines_is_refused(finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    (out / "log.jsonl").unlink()
    with pytest.raises(ModelFolderError, match=r"log\.jsonl is shorter than it was at the checkpoint"):
        resume_tiny(out)


def test_other_circumstances_are_told(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    now = run_module.circumstances() | {"torch": "9.9", "threads": "64"}
    monkeypatch.setattr(run_module, "circumstances", lambda: now)
    listener = Listener()
    resume_tiny(out, listener)
    assert listener.warnings == [f"not promised to repeat every bit: torch {torch.__version__} → 9.9, threads 1 → 64"]


# --- what is not a number ---------------------------------------------------------------------------------------------


class Breaker(Listener):
    """Breaks a weight after some steps, as a cosmic ray might."""

    run: Run

    def __init__(self, after: int, value: float = math.nan) -> None:
        super().__init__()
        self.after, self.value = after, value

    def stepped(self, line: StepLine) -> None:
        super().stepped(line)
        if line.step == self.after:
            with torch.no_grad():
                network = self.run.trainer.network
                broken = network.token_embedding if math.isnan(self.value) else network.output
                assert broken is not None
                broken.weight.fill_(self.value)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_loss_that_is_no_number_stops_the_run_before_the_update(text: Path, tmp_path: Path, dtype: str) -> None:
    out = tmp_path / "run"
    over = {"engine": {"dtype": dtype}, "schedule": {"accumulation": 2, "evaluate_every": 9, "sample_every": 9}}
    prepared = prepared_run(text, out, over)
    breaker = Breaker(after=4)
    breaker.run = Run(prepared, breaker, 0.0)
    with pytest.raises(TrainingError) as refusal:
        breaker.run.go()
    place = out / "not-finite-step-00000005"
    assert refusal.value.exit_code == 6
    assert str(refusal.value) == (
        "the loss is no longer a finite number; the run stopped before the update\n"
        "  came: step 5: loss nan, length of the gradient nan\n"
        "  do: lower optimizer.matrix_rate and the other rates, or --set engine.dtype=float32; "
        f"the batch is in {place}"
    )
    verify_folder(place)
    saved = load_file(place / "batch.safetensors")
    for part in range(2):
        batch = prepared.batches().at(4, part)
        assert torch.equal(saved[f"inputs.{part}"], batch.inputs)
        assert torch.equal(saved[f"targets.{part}"], batch.targets)
    assert [line.step for line in breaker.steps] == [1, 2, 3, 4]
    assert not (out / "model.safetensors").exists()
    # weights that are no numbers must not become the newest checkpoint
    assert not (out / "checkpoints" / "step-00000004").exists()


def test_before_a_step_that_fails_the_weights_are_saved_as_they_were(text: Path, tmp_path: Path) -> None:
    out, largest = tmp_path / "run", 3e38
    breaker = Breaker(after=4, value=largest)
    breaker.run = Run(prepared_run(text, out, {"schedule": {"evaluate_every": 9, "sample_every": 9}}), breaker, 0.0)
    with pytest.raises(TrainingError, match="came: step 5: loss"):
        breaker.run.go()
    weights = load_file(out / "checkpoints" / "step-00000004" / "model.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values())
    assert (weights["output.weight"] == torch.tensor(largest)).all()


@pytest.mark.parametrize(
    "schedule",
    [{"evaluate_every": 1}, {"evaluate_every": 9, "sample_every": 1}, {"evaluate_every": 9, "sample_every": 9}],
    ids=["looking", "sampling", "stepping"],
)
def test_it_stops_whatever_meets_the_broken_weights_first(text: Path, tmp_path: Path, schedule: Any) -> None:
    breaker = Breaker(after=2)
    breaker.run = Run(prepared_run(text, tmp_path / "run", {"schedule": schedule}), breaker, 0.0)
    with pytest.raises(TrainingError, match="came: step 3: loss nan"):
        breaker.run.go()


def test_absurd_rates_end_in_a_training_error(text: Path, tmp_path: Path) -> None:
    absurd = {"matrix_rate": 1e38, "embedding_rate": 1e38, "head_rate": 1e38, "vector_rate": 1e38}
    with pytest.raises(TrainingError, match=r"(?s)the loss is no longer a finite number.*lower optimizer\.matrix_rate"):
        train_tiny(text, tmp_path / "run", {"optimizer": absurd})
