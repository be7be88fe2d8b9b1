"""The lessons over HTTP: the list, a lesson block by block, and the code that it teaches."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from importlib.resources import files
from threading import Lock
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from everysum.errors import UsageError
from everysum.lessons.blocks import as_data
from everysum.lessons.course import CHAPTERS, lesson
from everysum.server.answers import answered
from everysum.server.work import Progress, Worker

KEPT = 64
"""Lessons that are remembered, whole: going back to a chapter does not train its network again."""
LONGEST_ASSIGNMENT = 4000


class Settings(BaseModel):
    """What the reader put in, as `everysum lesson NAME --set` takes it."""

    model_config = ConfigDict(extra="forbid")
    set: Annotated[list[Annotated[str, Field(max_length=LONGEST_ASSIGNMENT)]], Field(max_length=200)] = []


class Remembered:
    """The lines of the lessons that were asked for last."""

    def __init__(self, most: int = KEPT) -> None:
        self.most, self.lock = most, Lock()
        self.known: OrderedDict[tuple[str, ...], list[dict[str, Any]]] = OrderedDict()

    def get(self, key: tuple[str, ...]) -> list[dict[str, Any]] | None:
        with self.lock:
            if key in self.known:
                self.known.move_to_end(key)
            return self.known.get(key)

    def put(self, key: tuple[str, ...], lines: list[dict[str, Any]]) -> None:
        with self.lock:
            self.known[key] = lines
            while len(self.known) > self.most:
                self.known.popitem(last=False)


def chapter_list() -> list[dict[str, Any]]:
    return [chapter.data for chapter in CHAPTERS]


def lesson_routes(worker: Worker) -> APIRouter:
    """`worker` computes; a lesson comes as lines: its frame, each block as soon as it is there, progress between."""
    router, remembered = APIRouter(prefix="/api"), Remembered()
    shown = {f"everysum/{file}" for chapter in CHAPTERS for file in chapter.files}

    @router.post("/lessons/{name}")
    def teach(name: str, settings: Settings) -> Response:
        chosen, key = lesson(name, settings.set), (name, *settings.set)

        def taught(progress: Progress) -> None:
            known = remembered.get(key)
            lines: list[dict[str, Any]] = []
            for line in known if known is not None else lines_of(chosen, progress):
                progress.tell(line)
                lines.append(line)
            remembered.put(key, lines)

        return worker.stream(taught)

    @router.get("/source/{path:path}")
    def source(path: str) -> Response:
        """The code of a file that a lesson names, and of no other."""
        if path not in shown:
            raise UsageError("no lesson names that file")
        text = files("everysum").joinpath(path.removeprefix("everysum/")).read_text(encoding="utf-8")
        return answered({"file": path, "text": text})

    return router


def lines_of(chosen: Any, progress: Progress) -> Iterator[dict[str, Any]]:
    """A lesson as lines."""

    def stepped(done: int, steps: int, loss: float) -> None:
        progress(done / steps if steps else 0.0, f"step {done:,} of {steps:,}, loss {loss:.4f}")

    yield {"frame": chosen.frame()}
    for block in chosen.blocks(stepped):
        progress.refuse_cancelled()
        yield {"block": as_data(block)}
