"""Recorded passes over HTTP: tensors tile by tile, the sum behind any number, and what a changed number moves.

A number is asked for by its place in a tensor and the way from there: which term, which term of that, and so on. So
every number that has ever been shown can be asked for, also those that stand in no tensor.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from everysum.errors import InputError, UsageError
from everysum.explain.stream import residual_of
from everysum.server.answers import answered
from everysum.server.models import LONGEST_TEXT, Models
from everysum.server.numbers import explained, number_at
from everysum.server.tensors import described, listed, tile, tokens_of
from everysum.server.work import Progress, Worker

if TYPE_CHECKING:
    from torch import Tensor

    from everysum.explain import Record
    from everysum.model import Model

KEPT = 4
MOST_PREDICTIONS = 100
MOST_DIFFERENCES = 200
DEEPEST = 200

Name = Annotated[str, Field(max_length=300)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


Text = Annotated[str, Field(max_length=LONGEST_TEXT)]


class Sentence(Strict):
    """What a translator is to translate."""

    model: Name
    prompt: Text


class Prompt(Strict):
    """What a model reads; for a translator, whose prompt is a sentence, also its translation so far."""

    model: Name
    prompt: Text
    target: Text | None = None


class Where(Strict):
    """A number: its tensor, the place in it, and from there the way through terms."""

    tensor: Name
    index: Annotated[list[int], Field(max_length=12)]
    way: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=DEEPEST)] = []


class Explanation(Where):
    shown: Annotated[int, Field(ge=1, le=1000)] = 20


class Nudge(Where):
    value: float
    position: int = -1
    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0


class Token(Strict):
    """A token of the vocabulary, as what comes after a position."""

    position: int
    token: Annotated[int, Field(ge=0)]


class Predictions(Strict):
    position: int = -1
    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    count: Annotated[int, Field(ge=1, le=MOST_PREDICTIONS)] = 12


class Sampling(Strict):
    """How to go on from a prompt."""

    model: Name
    prompt: Text
    tokens: Annotated[int, Field(ge=1, le=1000)] = 40
    temperature: Annotated[float, Field(ge=0, le=100)] = 0.8
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


@dataclass
class Kept:
    """A record, the model that it is of, and a lock: its memory of names and re-runs is not made for two at once."""

    model: Model
    record: Record
    lock: Lock = field(default_factory=Lock)
    vocabulary: list[str] = field(default_factory=list)
    """The texts of all tokens, once they have been asked for."""


class Records:
    """The newest records, by names that cannot be guessed."""

    def __init__(self, most: int = KEPT) -> None:
        self.most, self.lock = most, Lock()
        self.kept: OrderedDict[str, Kept] = OrderedDict()

    def add(self, kept: Kept) -> str:
        name = secrets.token_urlsafe(9)
        with self.lock:
            self.kept[name] = kept
            while len(self.kept) > self.most:
                self.kept.popitem(last=False)
        return name

    def get(self, name: str) -> Kept:
        with self.lock:
            if name in self.kept:
                self.kept.move_to_end(name)
                return self.kept[name]
        raise UsageError("this pass is not remembered any more", advice="record it again")


def record_routes(models: Models, worker: Worker) -> APIRouter:
    router, records = APIRouter(prefix="/api"), Records()

    @router.post("/records")
    def make(prompt: Prompt) -> Response:
        """Record a pass; the answer says how far it is, and then which tensors there are."""
        return worker.stream(lambda progress: recorded(models, records, prompt, progress))

    @router.post("/records/{name}/predictions")
    def predict(name: str, wanted: Predictions) -> Response:
        kept = records.get(name)
        with kept.lock:
            logits = kept.record["logits"].tensor[0]
            return answered(likeliest(kept.model, logits, wanted.position, wanted.temperature, wanted.count))

    @router.get("/records/{name}/tensor")
    def tensor(name: str, tensor: Name) -> Response:
        kept = records.get(name)
        with kept.lock:
            return answered(described(kept.record[tensor], kept.vocabulary))

    @router.get("/records/{name}/tile")
    def part(
        name: str,
        tensor: Name,
        row: Annotated[int, Query(ge=0)] = 0,
        column: Annotated[int, Query(ge=0)] = 0,
        rows: Annotated[int, Query(ge=1)] = 1,
        columns: Annotated[int, Query(ge=1)] = 1,
        step: Annotated[int, Query(ge=1)] = 1,
        at: Annotated[list[int] | None, Query(max_length=12)] = None,
    ) -> Response:
        """Raw float32 of a part of the matrix that is left when all axes but the last two are given a place."""
        kept = records.get(name)
        with kept.lock:
            numbers = tile(kept.record[tensor], at or [], (row, column, rows, columns), step)
        return Response(numbers.tobytes(), media_type="application/octet-stream")

    @router.post("/records/{name}/explain")
    def explain(name: str, wanted: Explanation) -> Response:
        kept = records.get(name)
        with kept.lock:
            return answered(explained(number_at(kept.record, wanted.tensor, wanted.index, wanted.way), wanted.shown))

    @router.post("/records/{name}/residual")
    def residual(name: str, wanted: Token) -> Response:
        """A token's logit as the sum of what each part of the network added to the residual stream."""
        kept = records.get(name)
        with kept.lock:
            logit = kept.record["logits"][0, wanted.position, wanted.token]
            return answered(residual_of(kept.record, logit).as_json())

    @router.post("/records/{name}/nudge")
    def nudge(name: str, wanted: Nudge) -> Response:
        """The same pass with one number changed: what moves, and the predictions before and after."""
        kept = records.get(name)
        return worker.stream(lambda progress: nudged(kept, wanted, progress))

    @router.post("/generate")
    def generate(wanted: Sampling) -> Response:
        """Text piece by piece."""

        def write(progress: Progress) -> dict[str, Any]:
            model, settings = models.model(wanted.model), wanted.model_dump(exclude={"model", "prompt"})
            for piece in model.stream(wanted.prompt or None, **settings):
                progress.refuse_cancelled()
                progress.tell({"piece": piece})
            return {}

        return worker.stream(write)

    @router.post("/translate")
    def translate(wanted: Sentence) -> Response:
        """The whole translation, as `everysum translate` finds it."""
        return worker.stream(lambda progress: {"text": models.model(wanted.model).translate(wanted.prompt)})

    return router


def recorded(models: Models, records: Records, prompt: Prompt, progress: Progress) -> dict[str, Any]:
    progress(0.05, "opening the model")
    model = models.model(prompt.model)
    progress(0.3, "recording every number")
    began = perf_counter()
    record = model.record(prompt.prompt or None, target=prompt.target, watch=progress.refuse_cancelled)
    seconds = perf_counter() - began
    progress(0.7, "naming the tensors")
    tensors = listed(record)
    name = records.add(Kept(model, record))
    return {
        "record": name,
        "seconds": seconds,
        **tokens_of(model, record),
        "network": type(model.network).__name__,
        "tensors": tensors,
    }


def likeliest(model: Model, logits: Tensor, position: int, temperature: float, count: int) -> dict[str, Any]:
    """The tokens that are likeliest to come after a position."""
    if not -len(logits) <= position < len(logits):
        raise InputError(
            f"there is no position {position}", wanted=f"{-len(logits)} to {len(logits) - 1}", came=f"{position}"
        )
    chances = (logits[position].double() / temperature).softmax(dim=-1)
    best = chances.topk(min(count, len(chances)))
    return {
        "position": position % len(logits),
        "predictions": [
            {
                "id": token,
                "text": model.token_text(token),
                "logit": logits[position, token].item(),
                "probability": chance,
            }
            for chance, token in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ],
    }


def nudged(kept: Kept, wanted: Nudge, progress: Progress) -> dict[str, Any]:
    progress(0.1, "computing the pass again")
    with kept.lock:
        number = number_at(kept.record, wanted.tensor, wanted.index, wanted.way)
        replay = kept.record.replay({number: wanted.value}, watch=progress.refuse_cancelled)
        progress(0.9, "comparing")
        before, after = kept.record["logits"].tensor[0], replay["logits"][0]
        logits = [likeliest(kept.model, each, wanted.position, wanted.temperature, 12) for each in (before, after)]
        found = replay.as_json()
    return {
        "before": logits[0],
        "after": logits[1],
        "changes": found["changes"],
        "differences": found["differences"][:MOST_DIFFERENCES],
        "differences_in_all": len(found["differences"]),
        "held": found["held"],
    }
