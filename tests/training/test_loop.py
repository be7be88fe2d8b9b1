"""One step of training: a function of recipe, weights, memory and step; it is not taken against what is no number."""

from __future__ import annotations

import copy
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import tiny

from everysum.data.batches import Batch, Batches
from everysum.data.token_files import TokenFile
from everysum.parallel import cores_restored
from everysum.training.build import build_network
from everysum.training.loop import NotFinite, Trainer
from everysum.training.plan import Situation, draft
from everysum.training.recipe import Recipe

VOCABULARY, END = 23, 22


def recipe_of(*over: Mapping[str, Any]) -> Recipe:
    return draft(Situation(5000, 10.0, "cpu"), tiny(*over))


def batches(folder: Path, recipe: Recipe) -> Batches:
    ids = torch.randint(VOCABULARY, (2000,), generator=torch.Generator().manual_seed(1)).numpy().astype("<u2")
    ids[[0, -1]] = END
    ids.tofile(folder / "tokens.bin")
    tokens = TokenFile(folder / "tokens.bin", VOCABULARY, END, len(ids), int((ids == END).sum()) - 1, len(ids))
    schedule = recipe.schedule
    return Batches(
        tokens,
        seed=recipe.seed,
        batch_size=schedule.batch_size // schedule.accumulation,
        context_length=recipe.network.context_length,
        accumulation=schedule.accumulation,
    )


def trainer_of(folder: Path, *over: Mapping[str, Any]) -> Trainer:
    recipe = recipe_of(*over)
    return Trainer(build_network(recipe, VOCABULARY), recipe, batches(folder, recipe))


def weights(trainer: Trainer) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in trainer.network.parameters()]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equal_trainers_take_equal_steps(tmp_path: Path, dtype: str, workers: int) -> None:
    over = {"engine": {"dtype": dtype, "threads": workers, "workers": workers}, "network": {"dropout": 0.2}}
    trainers = [trainer_of(tmp_path, over) for _ in range(2)]
    with cores_restored():
        losses = [[trainer.step(step) for step in range(4)] for trainer in trainers]
    assert losses[0] == losses[1]
    assert all(map(torch.equal, *map(weights, trainers)))


def test_a_step_in_two_parts_is_the_step_in_one(tmp_path: Path) -> None:
    """Loss and gradient are; the steps may differ by what an optimizer makes of rounding where a gradient is 0."""
    trainers = [trainer_of(tmp_path, {"schedule": {"accumulation": parts}}) for parts in (1, 2, 4)]
    losses = []
    for trainer in trainers:
        for number, parameter in enumerate(trainer.network.parameters()):
            generator = torch.Generator().manual_seed(number)
            parameter.data.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
        losses.append(trainer.collect_gradients(3))
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)
    for whole, *parted in zip(*(trainer.parameters for trainer in trainers), strict=True):
        for part in parted:
            torch.testing.assert_close(part.grad, whole.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_side_by_side_do_what_one_would(tmp_path: Path, workers: int) -> None:
    """The loss and the gradient are the same, but for the order in which they are added up; so are the steps' sizes."""
    trainers = [trainer_of(tmp_path, {"engine": {"threads": count, "workers": count}}) for count in (1, workers)]
    with cores_restored():
        losses = [[trainer.collect_gradients(3), trainer.step(3)] for trainer in trainers]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    one, several = trainers
    served = {id(p) for optimizer in several.optimizers for group in optimizer.param_groups for p in group["params"]}
    assert served == {id(parameter) for parameter in several.network.parameters()}
    assert len(one.optimizers) < len(several.optimizers)
    for ours, theirs in zip(weights(one), weights(several), strict=True):
        assert (ours - theirs).norm() <= 0.05 * ours.norm() + 1e-6


def test_every_worker_has_dropout_of_its_own(tmp_path: Path) -> None:
    """Two workers with equal rows: without dropout their losses are equal, with it they are not."""
    for dropout, alike in ((0.0, True), (0.5, False)):
        engine = {"engine": {"threads": 2, "workers": 2}}
        trainer = trainer_of(tmp_path, {"network": {"dropout": dropout}}, engine)
        with cores_restored():
            trainer.step(0)
            batch = trainer.shares_of(1, 0)[0]
            losses = [trainer.learn(1, 0, (worker, batch)) for worker in range(2)]
        assert (losses[0] == losses[1]) is alike


def test_the_parts_of_a_batch_are_the_batch(tmp_path: Path) -> None:
    whole, parts = trainer_of(tmp_path), trainer_of(tmp_path, {"schedule": {"accumulation": 4}})
    joined = torch.cat([parts.batch_at(5, part).inputs for part in range(4)])
    assert torch.equal(joined, whole.batch_at(5, 0).inputs)


def test_dropout_is_drawn_from_the_seed_and_the_step(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, {"network": {"dropout": 0.5}})
    trainer.step(0)  # the output matrices start at zero: before a step, dropout would change nothing
    losses = []
    for step, seed in ((1, 1), (1, 1), (2, 1), (1, 2)):
        again = copy.deepcopy(trainer)
        again.recipe = trainer.recipe.model_copy(update={"seed": seed})
        again.batches = SameBatch(trainer.batch_at(1, 0))  # type: ignore[assignment]
        torch.rand(7)  # whatever else has drawn random numbers
        losses.append(again.step(step))
    assert losses[0] == losses[1]
    assert len(set(losses)) == 3


class SameBatch:
    """Always the same batch."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def at(self, step: int, part: int) -> Batch:
        return self.batch


def test_the_largest_seed_can_be_used(tmp_path: Path) -> None:
    assert np.isfinite(trainer_of(tmp_path, {"seed": 2**63 - 1}).step(3))


class Recorder(torch.optim.SGD):
    """Notes how long the whole gradient is, and moves nothing."""

    length = 0.0

    def step(self, closure: Any = None) -> None:
        gradients = [parameter.grad.flatten() for group in self.param_groups for parameter in group["params"]]
        self.length = torch.cat(gradients).norm().item()


@pytest.mark.parametrize("clip", [0.01, 1e6])
def test_a_gradient_longer_than_the_clip_is_scaled_down_to_it(tmp_path: Path, clip: float) -> None:
    trainer = trainer_of(tmp_path, {"optimizer": {"clip": clip}})
    recorder = Recorder(trainer.network.parameters(), lr=1.0)
    recorder.param_groups[0]["full_rate"] = 1.0
    trainer.optimizers = [recorder]
    trainer.step(0)
    if clip < 1:
        assert recorder.length == pytest.approx(clip, rel=1e-3)
    else:
        assert 0.01 < recorder.length < clip


def test_the_optimizers_step_at_the_rate_of_the_schedule(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, {"schedule": {"steps": 10, "warmup_share": 0.4, "decay_share": 0.5}})
    shares = []
    for step in range(10):
        trainer.step(step)
        group = trainer.optimizers[0].param_groups[0]
        shares.append(group["lr"] / group["full_rate"])
    assert shares == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_before_anything_changes(tmp_path: Path, dtype: str, broken: float) -> None:
    trainer = trainer_of(tmp_path, {"engine": {"dtype": dtype}})
    trainer.step(0)
    with torch.no_grad():
        trainer.network.token_embedding.weight[:, 0] = broken
    before = weights(trainer)
    memory = copy.deepcopy([optimizer.state_dict() for optimizer in trainer.optimizers])
    with pytest.raises(NotFinite, match=r"^step 8: loss nan, length of the gradient nan$") as found:
        trainer.step(7)
    assert found.value.step == 7
    for one, other in zip(before, weights(trainer), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    after = [optimizer.state_dict() for optimizer in trainer.optimizers]
    for one, other in zip(memory, after, strict=True):
        assert str(one["state"]) == str(other["state"])


def test_a_gradient_that_is_not_finite_stops_as_well(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path)
    trainer.step(0)
    trainer.working.token_embedding.weight.register_hook(lambda gradient: gradient * float("inf"))
    before = weights(trainer)
    with pytest.raises(NotFinite, match=r"^step 2: loss \d\.\d+, length of the gradient (nan|inf)$"):
        trainer.step(1)
    assert all(map(torch.equal, before, weights(trainer)))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell how much memory is used")
@pytest.mark.parametrize("workers", [1, 2])
def test_ten_thousand_steps_use_no_more_memory_than_two_thousand(tmp_path: Path, workers: int) -> None:
    engine = {"dtype": "bfloat16", "threads": workers, "workers": workers}
    network = {"width": 16, "layers": 1, "inner_width": 16, "context_length": 8, "dropout": 0.1}
    schedule = {"steps": 10_000, "batch_size": 4}
    trainer = trainer_of(tmp_path, {"engine": engine, "network": network, "schedule": schedule})
    found = []
    with cores_restored():
        for step in range(10_000):
            trainer.step(step)
            if step in (1999, 9999):
                found.append(resident_bytes())
    assert found[1] < 1.01 * found[0]
