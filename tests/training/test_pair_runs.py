"""Runs on pairs of sentences: the same loop, log, checkpoints and guarantees as runs on texts."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import Listener, quietly, results_of, resume_tiny
from tiny_pairs import WISHES, pairs, train_tiny_pairs, wishes_of, write_pairs

from everysum.errors import InputError, Interrupted, UsageError
from everysum.generation.beam_search import Search, beam_search
from everysum.generation.translation import Translator
from everysum.model import load
from everysum.models.transformer import Transformer
from everysum.parallel import cores_restored
from everysum.tokenizers import SEPARATOR
from everysum.training.build import build_network
from everysum.training.log import read_log
from everysum.training.loop import Trainer
from everysum.training.pair_evaluation import evaluate_pairs
from everysum.training.pair_task import PairTask
from everysum.training.prepare import Prepared, Request, prepare
from everysum.training.progress import StepLine

each_kind = pytest.mark.parametrize("kind", WISHES)
both_ways = pytest.mark.parametrize("kind", ["transformer", "separator"])
needs_signals = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_pairs(tmp_path_factory.mktemp("pairs"))


def prepared_run(both: tuple[Path, Path], out: Path, kind: str, *over: dict[str, Any]) -> Prepared:
    request = Request([both[0]], out, wishes=wishes_of(kind, *over), device="cpu", targets=[both[1]])
    with quietly(out.parent / "cache"):
        return prepare(request, Listener())


class StopAt(Listener):
    """Sends this process a signal when a step is done."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def stepped(self, line: StepLine) -> None:
        super().stepped(line)
        if line.step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


# --- a run ------------------------------------------------------------------------------------------------------------


@each_kind
def test_a_run_learns_logs_saves_and_is_opened_again(both: tuple[Path, Path], tmp_path: Path, kind: str) -> None:
    listener = Listener()
    result = train_tiny_pairs(both, tmp_path / "run", kind, progress=listener)
    assert result.held_out is not None
    assert result.held_out.loss < 0.8 * listener.facts[0].untrained_loss
    assert listener.facts[0].train_documents + len({pair[0] for pair in pairs()}) // 10 == pytest.approx(160, abs=3)
    lines = list(read_log(tmp_path / "run"))
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 25))
    assert [line["step"] for line in lines if "held_out" in line] == [6, 12, 18, 24]
    assert all(" → " in line["sample"] for line in lines if "sample" in line)
    model = load(tmp_path / "run", device="cpu")
    assert isinstance(model.network, Transformer) is (kind in ("transformer", "post_norm"))
    assert (SEPARATOR in model.tokenizer.special_tokens) is kind.startswith("separator")
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["text"]["target_paths"] == [str(both[1])]


@both_ways
def test_held_out_pairs_of_their_own_are_what_is_measured_on(
    both: tuple[Path, Path], tmp_path: Path, kind: str
) -> None:
    other = write_pairs(tmp_path, 30, seed=9, name="valid")
    result = train_tiny_pairs(both, tmp_path / "run", kind, {"schedule": {"steps": 3}}, held_out=other)
    assert result.held_out is not None
    assert result.held_out.bytes == sum(len(target.encode()) for _, target in pairs(30, seed=9))


def test_one_vocabulary_is_learned_from_both_sides(both: tuple[Path, Path], tmp_path: Path) -> None:
    tokenizer = prepared_run(both, tmp_path / "run", "transformer").tokenizer
    assert len(tokenizer.encode(" Hund")) == len(tokenizer.encode(" dog")) == 1


@pytest.mark.parametrize("kind", ["transformer", "post_norm", "separator"])
def test_it_learns_a_few_sentences_by_heart(tmp_path: Path, kind: str) -> None:
    """Every one of twenty-four translations comes out word for word."""
    over = {"schedule": {"steps": 120, "evaluate_every": 120, "sample_every": 120}, "network": {"dropout": 0.0}}
    never = {"text": {"held_out_share": 0.0}}
    result = train_tiny_pairs(write_pairs(tmp_path, 24), tmp_path / "run", kind, over, never)
    assert result.held_out is None
    model = load(tmp_path / "run", device="cpu")
    translator = Translator.of(model.network, model.tokenizer)
    for source, target in pairs(24):
        asked = translator.source(model.tokenizer.encode(source))
        found = beam_search(translator.beams([asked]), [20], end=translator.end, search=Search(beams=1))
        assert model.tokenizer.decode(found[0][0].token_ids) == target


# --- the same numbers again -------------------------------------------------------------------------------------------


@needs_signals
@pytest.mark.parametrize(
    ("kind", "engine"),
    [
        ("transformer", {"dtype": "bfloat16", "threads": 2, "workers": 2}),
        ("separator", {"dtype": "float32", "threads": 1, "workers": 1}),
    ],
)
def test_a_stopped_run_goes_on_bit_for_bit(
    both: tuple[Path, Path], tmp_path: Path, kind: str, engine: dict[str, Any]
) -> None:
    over = {"engine": engine, "optimizer": {"label_smoothing": 0.1}}
    train_tiny_pairs(both, tmp_path / "whole", kind, over)
    with pytest.raises(Interrupted):
        train_tiny_pairs(both, tmp_path / "run", kind, over, progress=StopAt(13))
    assert load(tmp_path / "run", device="cpu").network.vocabulary_size > 256
    resume_tiny(tmp_path / "run")
    assert results_of(tmp_path / "run") == results_of(tmp_path / "whole")


@pytest.mark.parametrize("which", [0, 1])
def test_pairs_that_changed_are_not_gone_on_with(tmp_path: Path, which: int) -> None:
    both = write_pairs(tmp_path)
    train_tiny_pairs(both, tmp_path / "run", "transformer", {"schedule": {"steps": 2}})
    resume_tiny(tmp_path / "run")
    both[which].write_text(both[which].read_text(encoding="utf-8").replace(".", "!"), encoding="utf-8")
    with pytest.raises(InputError, match="the text is no longer the one that this run began with"):
        resume_tiny(tmp_path / "run")


@both_ways
@pytest.mark.parametrize("batch_size", [60, 600])
def test_workers_and_parts_do_what_one_would(
    both: tuple[Path, Path], tmp_path: Path, kind: str, batch_size: int
) -> None:
    """Loss and gradient are the same but for the order of adding up, also with fewer rows than workers."""
    losses, gradients = [], []
    for number, (workers, parts) in enumerate(((1, 1), (3, 1), (2, 2), (1, 5))):
        over: dict[str, Any] = {
            "engine": {"threads": workers, "workers": workers},
            "schedule": {"accumulation": parts, "batch_size": batch_size},
            "optimizer": {"label_smoothing": 0.1},
            "network": {"dropout": 0.0},
        }
        prepared = prepared_run(both, tmp_path / str(number), kind, over)
        trainer = Trainer(build_network(prepared.recipe, 290), prepared.recipe, prepared.batches())
        for place, parameter in enumerate(trainer.network.parameters()):
            generator = torch.Generator().manual_seed(place)
            parameter.data.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
        trainer.refresh()
        with cores_restored():
            losses.append(trainer.collect_gradients(5))
        gradients.append([parameter.grad for parameter in trainer.parameters])
    assert losses == pytest.approx([losses[0]] * 4, rel=1e-5)
    for one, *others in zip(*gradients, strict=True):
        for other in others:
            torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-5)


@both_ways
def test_the_measured_loss_is_the_plain_mean_over_all_targets(
    both: tuple[Path, Path], tmp_path: Path, kind: str
) -> None:
    """Each pair by itself, without padding, through the whole head; and workers change nothing."""
    prepared = prepared_run(both, tmp_path / "run", kind, {"network": {"dropout": 0.0}})
    network = build_network(prepared.recipe, 290).eval()
    task = prepared.task
    assert isinstance(task, PairTask)
    held_out, separator = task.pairs.held_out, task.tokenizer.special_tokens.get(SEPARATOR)
    losses: list[float] = []
    for number in range(len(held_out)):
        source, target = held_out.sources[number].tolist(), held_out.targets[number].tolist()
        with torch.no_grad():
            if separator is None:
                given = [source[-1], *target[:-1]]
                logits = network.head(network(torch.tensor([source]), torch.tensor([given])))[0]
            else:
                row = [*source[:-1], separator, *target[:-1]]
                logits = network.head(network(torch.tensor([row])))[0, len(source) - 1 :]
        chosen = logits.log_softmax(dim=-1)[torch.arange(len(target)), torch.tensor(target)]
        losses += (-chosen).tolist()
    found = evaluate_pairs(network, held_out, task.layout, task.sizes)
    assert found.tokens == len(losses)
    assert found.loss == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert found.bytes == held_out.targets.byte_count


# --- what cannot be ---------------------------------------------------------------------------------------------------


def test_pairs_with_an_empty_side_are_passed_over_and_told(tmp_path: Path) -> None:
    both = write_pairs(tmp_path)
    with both[0].open("a", encoding="utf-8") as source, both[1].open("a", encoding="utf-8") as target:
        source.write("Hund\n\n")
        target.write("\n\n")
    listener = Listener()
    train_tiny_pairs(both, tmp_path / "run", "transformer", {"schedule": {"steps": 2}}, progress=listener)
    assert listener.warnings == [
        f"2 pairs with an empty side are passed over, the first of them in {both[0].resolve()} line 161"
    ]


def test_pairs_longer_than_the_context_are_passed_over_and_told(both: tuple[Path, Path], tmp_path: Path) -> None:
    listener, short = Listener(), {"schedule": {"steps": 2}, "network": {"context_length": 9}}
    train_tiny_pairs(both, tmp_path / "run", "transformer", short, progress=listener)
    assert len(listener.warnings) == 1
    assert listener.warnings[0].endswith(
        " pairs do not fit into a context of 9 tokens and are passed over; "
        "--set network.context_length takes a longer one"
    )


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "compiled": ("transformer", {"engine": {"compiled": True}}, "a run on pairs cannot be compiled"),
    "two tables and pre-norm": ("transformer", {"network": {"shared": False}}, "so it could not be saved"),
    "a key of another network": ("transformer", {"network": {"layers": 3}}, "of kind transformer has no layers"),
    "too many workers": ("transformer", {"engine": {"workers": 9}}, "there are more workers than threads"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_made(both: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    kind, over, said = REFUSED[name]
    with pytest.raises(UsageError, match=said):
        train_tiny_pairs(both, tmp_path / "run", kind, over)
    assert not (tmp_path / "run" / "recipe.json").exists()


def test_a_transformer_on_one_text_is_refused(both: tuple[Path, Path], tmp_path: Path) -> None:
    request = Request([both[0]], tmp_path / "run", wishes=wishes_of("transformer"), device="cpu")
    with quietly(tmp_path / "cache"), pytest.raises(UsageError, match="it learns from pairs of sentences"):
        prepare(request, Listener())


def test_held_out_text_of_another_kind_is_refused(both: tuple[Path, Path], tmp_path: Path) -> None:
    request = Request([both[0]], tmp_path / "run", [both[0]], None, wishes_of("transformer"), "cpu", targets=[both[1]])
    with quietly(tmp_path / "cache"), pytest.raises(UsageError, match="what is held out has to be of the same kind"):
        prepare(request, Listener())
