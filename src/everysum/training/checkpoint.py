"""Checkpoints: all that a run needs to go on as if it had never stopped.

A checkpoint is the folder `checkpoints/step-00000500/`, committed once (see `everysum.files`): the weights, what the
optimizers remember, and how far the run was. A damaged one is named and the newest good one taken.
"""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from everysum.errors import ModelFolderError
from everysum.files import commit_folder, read_json, verify_folder, write_json
from everysum.models.network import Network
from everysum.version import __version__

WEIGHTS, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"


def circumstances() -> dict[str, str]:
    """What has to be the same for a resumed run to repeat every bit."""
    return {
        "everysum": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": torch.backends.cpu.get_cpu_capability() + " " + platform.machine(),
        "threads": str(torch.get_num_threads()),
    }


@dataclass
class Checkpoints:
    """The checkpoints of one run: saved, thinned out, found again."""

    folder: Path
    keep: int = 2

    def save(self, step: int, network: Network, optimizers: Sequence[torch.optim.Optimizer], log_length: int) -> float:
        """Commit a checkpoint taken after `step` steps; returns the seconds that it took."""
        began = time.monotonic()
        with commit_folder(self.folder / f"step-{step:08d}") as temporary:
            save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, temporary / WEIGHTS)
            save_file(memory_of(network, optimizers), temporary / OPTIMIZER)
            state = {"step": step, "log_length": log_length, "circumstances": circumstances()}
            write_json(temporary / STATE, state)
        for old in self.saved()[: -self.keep]:
            shutil.rmtree(old, ignore_errors=True)
        return time.monotonic() - began

    def saved(self) -> list[Path]:
        """All checkpoints, oldest first."""
        return sorted(self.folder.glob("step-" + "[0-9]" * 8))

    def newest_good(self, damaged: Callable[[Path, ModelFolderError], None]) -> Path | None:
        """The newest checkpoint whose every file is as it was written; `damaged` is told of each newer one."""
        for path in reversed(self.saved()):
            try:
                verify_folder(path)
            except ModelFolderError as problem:
                damaged(path, problem)
            else:
                return path
        return None


def load_checkpoint(path: Path, network: Network, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """Put weights and the optimizers' memory back; returns the checkpoint's state."""
    load_weights(path, network)
    recall(network, optimizers, load_file(path / OPTIMIZER))
    return read_json(path / STATE)


def load_weights(path: Path, network: Network) -> None:
    """Put the weights of a checkpoint into a network of the same recipe; refuses those of another."""
    try:
        network.load_state_dict(load_file(path / WEIGHTS))
    except RuntimeError as problem:
        raise ModelFolderError(
            f"{path / WEIGHTS} does not fit the network that the recipe says",
            came=str(problem).splitlines()[-1].strip(),
            advice="put recipe.json and tokenizer.json back as the run wrote them",
        ) from problem


def memory_of(network: Network, optimizers: Iterable[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """What the optimizers remember of each parameter, under the parameter's name."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in network.named_parameters()}
    return {
        f"{names[parameter]}/{slot}": tensor
        for optimizer in optimizers
        for parameter, slots in optimizer.state.items()
        for slot, tensor in slots.items()
    }


def recall(network: Network, optimizers: Iterable[torch.optim.Optimizer], memory: dict[str, Tensor]) -> None:
    """Give back to each optimizer what it remembered."""
    parameters = dict(network.named_parameters())
    owners = {id(p): optimizer for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    for key, tensor in memory.items():
        name, _, slot = key.rpartition("/")
        parameter = parameters[name]
        owners[id(parameter)].state[parameter][slot] = tensor.to(parameter.device)
