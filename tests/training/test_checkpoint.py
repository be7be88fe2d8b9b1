"""Checkpoints: all that a run needs comes back bit for bit, or the damaged file is named."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny import tiny

from everysum.errors import ModelFolderError, OutputError
from everysum.models.network import Network
from everysum.training import checkpoint
from everysum.training.build import build_network
from everysum.training.checkpoint import OPTIMIZER, STATE, WEIGHTS, Checkpoints, circumstances, load_checkpoint
from everysum.training.optimizers import optimizers_for
from everysum.training.plan import Situation, draft
from everysum.training.recipe import Recipe

Trained = tuple[Network, list[torch.optim.Optimizer]]


def recipe(matrices: str = "muon") -> Recipe:
    return draft(Situation(5000, 10.0, "cpu"), tiny({"optimizer": {"matrices": matrices}}))


def trained(seed: int, matrices: str = "muon") -> Trained:
    """A network after two steps against random gradients."""
    network = build_network(recipe(matrices), 23)
    optimizers = optimizers_for(network, recipe(matrices).optimizer)
    for step in range(2):
        for number, parameter in enumerate(network.parameters()):
            generator = torch.Generator().manual_seed(1000 * seed + 100 * step + number)
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        for optimizer in optimizers:
            optimizer.step()
    return network, optimizers


def everything(of: Trained) -> list[torch.Tensor]:
    network, optimizers = of
    memories = [
        tensor
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
        for _, tensor in sorted(optimizer.state[parameter].items())
    ]
    return [*network.state_dict().values(), *memories]


def damaged_names(checkpoints: Checkpoints) -> tuple[Path | None, list[str]]:
    said: list[str] = []
    return checkpoints.newest_good(lambda path, problem: said.append(f"{path.name}: {problem}")), said


@pytest.fixture(scope="session")
def saved_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of steps 10 and 20."""
    checkpoints = Checkpoints(tmp_path_factory.mktemp("saved"))
    for step in (10, 20):
        checkpoints.save(step, *trained(step), log_length=step)
    return checkpoints.folder


@pytest.fixture
def saved(saved_once: Path, tmp_path: Path) -> Checkpoints:
    """A copy of them, to damage."""
    return Checkpoints(Path(shutil.copytree(saved_once, tmp_path / "checkpoints")))


@pytest.mark.parametrize("matrices", ["muon", "adamw"])
def test_weights_and_what_the_optimizers_remember_come_back_bit_for_bit(tmp_path: Path, matrices: str) -> None:
    checkpoints, before = Checkpoints(tmp_path), trained(1, matrices)
    checkpoints.save(7, *before, log_length=123)
    after = trained(2, matrices)
    assert not all(map(torch.equal, everything(before), everything(after)))
    state = load_checkpoint(tmp_path / "step-00000007", *after)
    assert all(map(torch.equal, everything(before), everything(after)))
    assert state == {"step": 7, "log_length": 123, "circumstances": circumstances()}


def test_the_next_step_after_loading_is_the_step_that_would_have_come(tmp_path: Path) -> None:
    before, after = trained(1), trained(2)
    Checkpoints(tmp_path).save(2, *before, log_length=0)
    load_checkpoint(tmp_path / "step-00000002", *after)
    for network, optimizers in (before, after):
        for parameter in network.parameters():
            parameter.grad = torch.full_like(parameter, 0.1)
        for optimizer in optimizers:
            optimizer.step()
    assert all(map(torch.equal, everything(before), everything(after)))


@pytest.mark.parametrize("keep", [1, 3])
def test_only_the_newest_checkpoints_are_kept(tmp_path: Path, keep: int) -> None:
    checkpoints, state = Checkpoints(tmp_path, keep), trained(1)
    for step in (5, 100, 20, 1000, 300):
        checkpoints.save(step, *state, log_length=0)
    kept = [int(path.name.removeprefix("step-")) for path in checkpoints.saved()]
    assert kept == [20, 100, 300, 1000][-keep:]


def test_without_checkpoints_there_is_no_newest(tmp_path: Path) -> None:
    assert damaged_names(Checkpoints(tmp_path / "none")) == (None, [])


def test_the_newest_whole_checkpoint_is_taken(saved: Checkpoints) -> None:
    assert damaged_names(saved) == (saved.folder / "step-00000020", [])


# --- damage -----------------------------------------------------------------------------------------------------------


def truncate(path: Path, older: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def empty(path: Path, older: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path, older: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def delete(path: Path, older: Path) -> None:
    path.unlink()


def swap(path: Path, older: Path) -> None:
    shutil.copy(older, path)


FILES = (WEIGHTS, OPTIMIZER, STATE, "manifest.json")


@pytest.mark.parametrize("damage", [truncate, empty, flip, delete, swap])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_and_the_older_checkpoint_taken(
    saved: Checkpoints, name: str, damage: Callable[[Path, Path], None]
) -> None:
    newest, older = saved.folder / "step-00000020", saved.folder / "step-00000010"
    if damage is flip and name == "manifest.json":
        text = (newest / name).read_text()
        assert '"sha256": "' in text
        (newest / name).write_text(text.replace('"sha256": "', '"sha256": "0', 1))
    else:
        damage(newest / name, older / name)
    found, said = damaged_names(saved)
    assert found == older
    assert len(said) == 1
    assert said[0].startswith("step-00000020: ")
    if name != "manifest.json":
        assert str(newest / name) in said[0]
    else:
        assert str(newest) in said[0]


def test_finding_a_damaged_checkpoint_moves_nothing(saved: Checkpoints) -> None:
    delete(saved.folder / "step-00000020" / WEIGHTS, saved.folder)
    before = sorted(saved.folder.rglob("*"))
    damaged_names(saved)
    assert sorted(saved.folder.rglob("*")) == before


def test_with_every_checkpoint_damaged_none_is_taken_and_all_are_named(saved: Checkpoints) -> None:
    for path in saved.saved():
        flip(path / OPTIMIZER, path)
    found, said = damaged_names(saved)
    assert found is None
    assert [line.partition(":")[0] for line in said] == ["step-00000020", "step-00000010"]


def test_weights_of_another_network_are_refused(saved: Checkpoints) -> None:
    other = build_network(recipe(), 29)
    optimizers = optimizers_for(other, recipe().optimizer)
    with pytest.raises(ModelFolderError) as refusal:
        load_checkpoint(saved.folder / "step-00000020", other, optimizers)
    assert "does not fit the network that the recipe says" in str(refusal.value)
    assert "size mismatch for " in str(refusal.value)
    assert "put recipe.json and tokenizer.json back" in str(refusal.value)


# --- a disk without room ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_disk_that_fills_up_while_saving_leaves_the_older_checkpoint(
    saved: Checkpoints, fails_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = 0
    really_save = checkpoint.save_file

    def save_until_full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        nonlocal writes
        writes += 1
        if writes == fails_at:
            path.write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        really_save(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", save_until_full)
    before = sorted(saved.folder.rglob("*"))
    with pytest.raises(OutputError) as refusal:
        saved.save(30, *trained(3), log_length=0)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith(f"the disk is full: {saved.folder / 'step-00000030'} needs more than")
    assert sorted(saved.folder.rglob("*")) == before
    assert damaged_names(saved) == (saved.folder / "step-00000020", [])


def test_circumstances_say_what_must_be_the_same_to_repeat_every_bit() -> None:
    assert set(circumstances()) == {"everysum", "torch", "python", "processor", "threads"}
    assert json.loads(json.dumps(circumstances())) == circumstances()
