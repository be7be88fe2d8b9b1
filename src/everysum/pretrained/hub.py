"""Models by their name on the Hugging Face hub: found in the local cache, downloaded only when that is asked for.

A name is `org/name` or `org/name@revision`. The first download of a branch pins it: what is opened afterwards under the
same name is that commit, until a download is asked for again. Only configuration, safetensors and tokenizer files are
downloaded, never code or pickles.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from everysum.errors import MachineError, ModelFolderError, UsageError
from everysum.files import output_errors

NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+?)(@(?P<revision>[\w./-]+))?")
WANTED = (
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*.safetensors",
    "pytorch_model-*.safetensors",
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "merges.txt",
    "encoder.json",
    "vocab.bpe",
    "tokenizer.model",
    "*.tiktoken",
    "source.spm",
    "target.spm",
)
"""What a model folder can hold that is ever read."""


@dataclass(frozen=True)
class Published:
    """A model of the hub on this machine: its files, and the commit that they are of."""

    name: str
    commit: str
    folder: Path


def folder_of(model: Path | str, *, download: bool = False, revision: str | None = None) -> Path:
    """The folder that is meant: a folder that is there, or a model of the hub by its name.

    Nothing is fetched unless `download` is true. Raises ModelFolderError saying what to do where there is neither.
    """
    path = Path(model)
    if path.is_dir():
        if download or revision:
            raise UsageError(
                f"{model} is a folder here, not a model of the hub: it has no revision and cannot be downloaded",
                advice="leave download and revision out, or rename the folder",
            )
        return path
    if not NAME.fullmatch(str(model)) or str(model).startswith((".", "/")):
        if download or revision:
            raise UsageError(f"{model} is no name of a model on the hub", wanted="org/name, such as Qwen/Qwen3-0.6B")
        raise no_folder(path)
    if path.exists() and not download:
        raise no_folder(path)
    return published(str(model), download=download, revision=revision).folder


def no_folder(path: Path, advice: str | None = None) -> ModelFolderError:
    return ModelFolderError(
        f"there is no model folder {path}",
        wanted="a folder with config.json, model.safetensors and tokenizer.json",
        advice=advice,
    )


def published(model: str, *, download: bool = False, revision: str | None = None) -> Published:
    """A model of the hub, from the cache, or downloaded first."""
    matched = NAME.fullmatch(model)
    if matched is None:
        raise UsageError(f"{model!r} is no name of a model on the hub", wanted="org/name or org/name@revision")
    if revision and matched["revision"] and revision != matched["revision"]:
        raise UsageError(
            f"two revisions of {matched['name']}", wanted="one", came=f"{matched['revision']} and {revision}"
        )
    name, revision = matched["name"], revision or matched["revision"]
    try:
        from huggingface_hub.errors import IncompleteSnapshotError, LocalEntryNotFoundError
    except ImportError:
        if not download:
            raise no_folder(Path(model), f"if a model of the hub is meant: {INSTALLING}") from None
        raise MachineError("models of the hub need the library huggingface-hub", advice=INSTALLING) from None
    try:
        folder = snapshot(name, revision, download)
    except IncompleteSnapshotError as problem:
        raise ModelFolderError(
            f"only a part of {name} has been downloaded", advice=f"get the rest: everysum download {model}"
        ) from problem
    except LocalEntryNotFoundError as problem:
        if download:
            raise unreachable(name, problem) from problem
        raise no_folder(Path(model), f"if a model of the hub is meant: everysum download {model}") from None
    return Published(name, folder.name, folder)


INSTALLING = "pip install 'everysum[hub]'"


def snapshot(name: str, revision: str | None, download: bool) -> Path:
    """The folder of a commit in the hub's cache, whose name is the commit's hash."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        with output_errors(Path(name)):
            return Path(
                snapshot_download(name, revision=revision, allow_patterns=list(WANTED), local_files_only=not download)
            )
    except LocalEntryNotFoundError:
        raise
    except HFValidationError as problem:
        raise UsageError(f"{name} is no name of a model on the hub", came=first_line(problem)) from problem
    except GatedRepoError as problem:
        raise ModelFolderError(
            f"{name} is given only to those who have accepted its licence",
            advice=f"accept it on https://huggingface.co/{name}, then log in here with `hf auth login`",
        ) from problem
    except RepositoryNotFoundError as problem:
        raise ModelFolderError(
            f"the hub has no model {name}, or not for you",
            advice="look for a misspelling; for a private model log in first, with `hf auth login`",
        ) from problem
    except RevisionNotFoundError as problem:
        raise ModelFolderError(
            f"{name} has no revision {revision!r}", wanted="a branch, a tag or a commit"
        ) from problem
    except (HfHubHTTPError, OSError) as problem:
        raise unreachable(name, problem) from problem


def unreachable(name: str, problem: Exception) -> MachineError:
    return MachineError(
        f"{name} could not be downloaded",
        came=first_line(problem),
        advice="look at the connection and ask again: what has been downloaded is kept",
    )


def first_line(problem: Exception) -> str:
    """What a library says, shortened to what fits in one of our messages."""
    return str(problem).strip().split("\n")[0][:200]
