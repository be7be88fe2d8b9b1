"""A run: the loop over its steps, with measurements, samples and checkpoints, and in the end a model folder."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from safetensors.torch import save_file
from torch import Tensor

from everysum import machine
from everysum.errors import Interrupted, ModelFolderError, TrainingError
from everysum.files import commit_folder, remove, sweep_temporary, write_json
from everysum.layers.layer import parameter_count
from everysum.parallel import cores_restored
from everysum.pretrained.folder import save_network
from everysum.training.base import fill_from_base
from everysum.training.build import build_network
from everysum.training.checkpoint import Checkpoints, circumstances, load_checkpoint
from everysum.training.evaluation import Measurement
from everysum.training.log import LOG, Log, read_log
from everysum.training.loop import NotFinite, Trainer
from everysum.training.loss import untrained_loss
from everysum.training.prepare import Prepared, Request, prepare, reopened
from everysum.training.progress import Facts, Progress, Result, StepLine
from everysum.training.recipe import PublishedChoice
from everysum.training.verdict import verdict

CHECKPOINT_SECONDS = 20.0
CHECKPOINT_SHARE = 0.05
"""A checkpoint is saved every so many seconds, or seldomer where saving would take more than this share of the time."""


def train(request: Request, progress: Progress) -> Result:
    """Train a network on texts, from a request to a finished model folder."""
    began = time.monotonic() - request.seconds_before
    with cores_restored():
        return Run(prepare(request, progress), progress, began).go()


def resume(folder: Path, progress: Progress, seconds_before: float = 0.0) -> Result:
    """Go on with a run that was stopped, from its newest good checkpoint, or from its recipe when it has none."""
    began = time.monotonic() - seconds_before
    with cores_restored():
        return Run(reopened(folder, progress), progress, began).go()


class Run:
    """One run in its folder."""

    def __init__(self, prepared: Prepared, progress: Progress, began: float) -> None:
        self.began = began
        self.folder, self.recipe = prepared.folder, prepared.recipe
        self.tokenizer, self.task, self.progress = prepared.tokenizer, prepared.task, progress
        machine.keep_freed_memory()
        network = build_network(self.recipe, self.tokenizer.vocabulary_size)
        self.trainer = Trainer(network, self.recipe, self.task.batches(self.recipe))
        self.checkpoints = Checkpoints(self.folder / "checkpoints", self.recipe.keep_checkpoints)
        self.losses: list[float] = []
        self.held_out: list[Measurement] = []
        self.saving_interval = CHECKPOINT_SECONDS
        self.log_length = 0
        self.ended = False

    def go(self) -> Result:
        """Every step that is left, then the model folder."""
        first = self.restored()
        self.progress.planned(self.recipe, self.facts(first))
        steps = self.recipe.schedule.steps
        with self.log_continued() as self.log:
            with stop_signals() as stopped_by:
                if self.recipe.base is not None and first == 0:
                    self.measure(0, most=self.recipe.schedule.evaluate_tokens)  # what there is to improve on
                began = self.last_saved = time.monotonic()
                for step in range(first, steps):
                    self.take(step, began, first)
                    if stopped_by:
                        self.stop(step + 1, stopped_by[0])
                if first < steps:
                    self.save(steps)
            # from here on nothing is lost, whatever ends the process
            return self.finish()

    def take(self, step: int, began: float, first: int) -> None:
        """One step, and what is due after it."""
        try:
            loss = self.trainer.step(step)
        except NotFinite as problem:
            self.give_up(problem)
        done, schedule = step + 1, self.recipe.schedule
        self.losses.append(loss)
        self.log.write(step=done, loss=loss)
        seconds = time.monotonic() - began
        pace = seconds / (done - first)
        speed, left = self.recipe.step_tokens / pace, pace * (schedule.steps - done)
        self.progress.stepped(StepLine(done, schedule.steps, loss, speed, left))
        if done < schedule.steps:
            if done % schedule.evaluate_every == 0:
                self.measure(done, most=schedule.evaluate_tokens)
            if done % schedule.sample_every == 0:
                self.sample(done)
            if time.monotonic() - self.last_saved > self.saving_interval:
                self.save(done)

    # --- what is due now and then ------------------------------------------------------------------------------------

    def measure(self, step: int, *, most: int | None = None) -> None:
        """The loss on held-out text, on all of it or a quick look."""
        measured = self.task.measure(self.trainer.working, most=most, team=self.trainer.team)
        if measured is None:
            return
        if not math.isfinite(measured.loss):
            self.give_up(NotFinite(step, measured.loss, math.nan))
        self.held_out.append(measured)
        self.log.write(step=step, held_out=measured.as_json())
        self.progress.evaluated(step, measured)

    def sample(self, step: int) -> None:
        """A little of what the network can do by now."""
        try:
            text = self.task.sample(self.trainer.working.eval(), step, self.recipe.seed)
        except ModelFolderError:
            self.give_up(NotFinite(step, math.nan, math.nan))
        self.log.write(step=step, sample=text)
        self.progress.sampled(step, text)

    def save(self, step: int) -> None:
        """A checkpoint."""
        seconds = self.checkpoints.save(step, self.trainer.network, self.trainer.optimizers, self.log.length())
        self.saving_interval = max(CHECKPOINT_SECONDS, seconds / CHECKPOINT_SHARE)
        self.last_saved = time.monotonic()
        self.progress.saved(step, seconds)

    # --- beginning and ending ----------------------------------------------------------------------------------------

    def restored(self) -> int:
        """Take up the newest good checkpoint; returns the number of steps already taken."""
        sweep_temporary(self.checkpoints.folder)
        newest = self.checkpoints.newest_good(self.set_aside)
        if newest is None:
            if self.recipe.base is not None:
                self.progress.stage("reading the model to go on from")
                fill_from_base(self.recipe.base, self.trainer.network)
                self.trainer.refresh()
            return 0
        state = load_checkpoint(newest, self.trainer.network, self.trainer.optimizers)
        self.trainer.refresh()
        self.log_length = state["log_length"]
        then, now = state["circumstances"], circumstances()
        if changed := [f"{key} {then.get(key)} → {now[key]}" for key in now if then.get(key) != now[key]]:
            self.progress.warned(f"not promised to repeat every bit: {', '.join(changed)}")
        step: int = state["step"]
        log = self.folder / LOG
        if step == self.recipe.schedule.steps and (self.folder / "model.safetensors").is_file() and log.is_file():
            self.ended, self.log_length = True, log.stat().st_size
        return step

    def set_aside(self, checkpoint: Path, problem: ModelFolderError) -> None:
        """Keep a damaged checkpoint out of the way, for whoever wants to look at it."""
        aside = checkpoint.with_name(f"damaged-{checkpoint.name}")
        self.progress.warned(f"{problem}\n  this checkpoint is set aside as {aside.name}; an older one is looked for")
        remove(aside)
        checkpoint.rename(aside)

    @contextmanager
    def log_continued(self) -> Iterator[Log]:
        """The log, cut back to the checkpoint's length; what it says is remembered."""
        log = Log(self.folder, self.log_length)
        for line in read_log(self.folder):
            if "loss" in line:
                self.losses.append(line["loss"])
            elif "held_out" in line:
                self.held_out.append(Measurement.from_json(line["held_out"]))
        try:
            yield log
        finally:
            log.close()

    def facts(self, first_step: int) -> Facts:
        return Facts(
            parameters=parameter_count(self.trainer.network),
            **vars(self.task.amounts),
            vocabulary_size=self.tokenizer.vocabulary_size,
            untrained_loss=untrained_loss(self.tokenizer.vocabulary_size),
            first_step=first_step,
        )

    def finish(self) -> Result:
        """The last measurement, unless the run had ended before it was resumed, and the model folder."""
        steps = self.recipe.schedule.steps
        if self.ended:
            self.progress.stage("this run had ended already: nothing is left to train")
        else:
            self.progress.stage("measuring on held-out text")
            self.measure(steps)
            self.sample(steps)
            self.log.length()
        self.progress.stage("saving the model")
        network = self.recipe.network
        like = network.configuration if isinstance(network, PublishedChoice) else None
        save_network(self.trainer.network, self.folder, end_of_text=self.tokenizer.end_of_text, like=like)
        self.tokenizer.save(self.folder)
        last = self.losses[-max(1, len(self.losses) // 10) :]
        train_loss = sum(last) / len(last)
        held_out = self.held_out[-1] if self.held_out else None
        # looks at one part of the text with one stride can be compared with each other, the last measurement cannot
        looks = [look.loss for look in self.held_out[:-1] if look.tokens == self.held_out[0].tokens]
        untrained = untrained_loss(self.tokenizer.vocabulary_size)
        said = verdict(train_loss, looks, held_out.loss if held_out else None, untrained)
        seconds = time.monotonic() - self.began
        result = Result(self.folder, steps, seconds, train_loss, held_out, said, self.recipe.task)
        self.progress.finished(result)
        return result

    def stop(self, step: int, signal_number: int) -> None:
        """Save and go, because somebody asked for it."""
        self.save(step)
        raise Interrupted(
            signal_number,
            f"stopped after step {step} of {self.recipe.schedule.steps}; everything is saved in {self.folder}",
            advice=f"go on with: everysum train --resume --out {self.folder}",
        )

    def give_up(self, problem: NotFinite) -> NoReturn:
        """Keep what a person needs to find out why, and say what to try; the parameters are as before the step."""
        place = self.folder / f"not-finite-step-{problem.step + 1:08d}"
        with commit_folder(place) as temporary:
            tensors: dict[str, Tensor] = {}
            for part in range(self.recipe.schedule.accumulation):
                batch = self.trainer.batch_at(problem.step, part).tensors()
                tensors |= {f"{name}.{part}": tensor for name, tensor in batch.items()}
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary / "batch.safetensors")
            write_json(temporary / "problem.json", {"problem": str(problem), "step": problem.step + 1})
        if all(bool(parameter.isfinite().all()) for parameter in self.trainer.parameters):
            self.save(problem.step)
        raise TrainingError(
            "the loss is no longer a finite number; the run stopped before the update",
            came=str(problem),
            advice="lower optimizer.matrix_rate and the other rates, or --set engine.dtype=float32; "
            f"the batch is in {place}",
        ) from None


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM instead of dying of them, so that a step is finished and saved first."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def receive(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
