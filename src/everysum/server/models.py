"""The models that the page may look into: those named on the command line, and the runs of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from everysum.errors import EverysumError, UsageError
from everysum.server.answers import answered
from everysum.tokenizers.files import load_tokenizer
from everysum.tokenizers.tokenizer import SEPARATOR

if TYPE_CHECKING:
    from everysum.model import Model
    from everysum.tokenizers.tokenizer import Tokenizer

RUNS = Path("runs")
MOST_RUNS = 100
LONGEST_TEXT = 20_000


@dataclass(frozen=True)
class Choice:
    """A folder by the name that the page knows it by: visitors never name folders themselves."""

    id: str
    name: str
    folder: Path

    def data(self) -> dict[str, str]:
        return {"id": self.id, "name": self.name, "folder": str(self.folder)}


class Models:
    """The choices, and those of them that are open."""

    def __init__(self, named: Sequence[Path] = (), runs: Path = RUNS) -> None:
        found = sorted(path for path in runs.glob("*") if is_model(path))[:MOST_RUNS] if runs.is_dir() else []
        folders = list(dict.fromkeys([*named, *found]))
        self.choices = [Choice(str(place), folder.resolve().name, folder) for place, folder in enumerate(folders)]
        self.lock = Lock()
        self.open: dict[str, Model] = {}

    def choice(self, id_: str) -> Choice:
        for choice in self.choices:
            if choice.id == id_:
                return choice
        raise UsageError("there is no such model here", advice="name its folder: everysum open FOLDER")

    def model(self, id_: str) -> Model:
        """The model, loaded at the first asking; the newest asked one stays."""
        from everysum.model import load

        choice = self.choice(id_)
        with self.lock:
            if id_ not in self.open:
                self.open = {id_: load(choice.folder, device="cpu", dtype="float32")}
            return self.open[id_]

    def kind(self, id_: str) -> dict[str, Any]:
        """Whether it is a translator, and what to begin with, without reading its weights."""
        from everysum.server.beginnings import sentence_to_begin_with, text_to_begin_with

        folder = self.choice(id_).folder
        if self.translates(id_):
            sentence, said = sentence_to_begin_with(folder)
            return {"translates": True, "prompt": sentence, "target": said}
        return {"translates": False, "prompt": text_to_begin_with(folder, self.tokenizer(id_)), "target": None}

    def translates(self, id_: str) -> bool:
        """Whether it is a translator, without reading its weights."""
        from everysum.training.base import configuration_in

        folder, tokenizer = self.choice(id_).folder, self.tokenizer(id_)
        return SEPARATOR in tokenizer.special_tokens or bool(
            configuration_in(folder, tokenizer).get("is_encoder_decoder")
        )

    def tokenizer(self, id_: str) -> Tokenizer:
        return tokenizer_in(self.choice(id_).folder)


@lru_cache(maxsize=16)
def tokenizer_in(folder: Path) -> Tokenizer:
    return load_tokenizer(folder)


def is_model(folder: Path) -> bool:
    return (folder / "config.json").is_file() or (
        (folder / "recipe.json").is_file() and (folder / "checkpoints").is_dir()
    )


class Asked(BaseModel):
    """A text to cut."""

    model_config = ConfigDict(extra="forbid")
    text: Annotated[str, Field(max_length=LONGEST_TEXT)]


def pieces(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """Each token as text; bytes that are no whole character as they are written in Python."""
    return [piece(tokenizer.token_bytes(token)) for token in ids]


def piece(token: bytes) -> str:
    try:
        return token.decode("utf-8")
    except UnicodeDecodeError:
        return repr(token)[2:-1]


def model_routes(models: Models) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/models/{id_}")
    def kind_of_model(id_: str) -> Response:
        return answered(models.kind(id_))

    @router.post("/cuts")
    def cuts(asked: Asked) -> Response:
        """How each model cuts a text; one that cannot says why."""
        return answered({"cuts": [cut(choice, asked.text) for choice in models.choices]})

    return router


def cut(choice: Choice, text: str) -> dict[str, Any]:
    try:
        tokenizer = tokenizer_in(choice.folder)
        return {"name": choice.name, "tokens": pieces(tokenizer, tokenizer.encode(text))}
    except EverysumError as problem:
        return {"name": choice.name, "tokens": [], "problem": problem.problem}
