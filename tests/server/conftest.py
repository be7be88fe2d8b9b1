"""A server that really listens, with routes of the tests' own, and the plainest client there is."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Request
from starlette.responses import Response

from everysum.errors import InputError
from everysum.server.answers import answered
from everysum.server.app import application, guarded
from everysum.server.guard import Admission
from everysum.server.limits import Limits
from everysum.server.listening import listen, running
from everysum.server.work import Cancelled, Progress, Worker

TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module", autouse=True)
def _away_from_runs(elsewhere: Path) -> None:
    """The server offers what lies in ./runs: tests begin without any."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Served:
    """A running server, and requests to it."""

    def __init__(self, port: int, seen: list[str]) -> None:
        self.port, self.seen = port, seen

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own, with the token unless told otherwise; `_` in a name is `-`."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"authorization": f"Bearer {TOKEN}"} | given
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {name: value for name, value in sent.items() if value})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()


def routes(seen: list[str], worker: Worker) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/numbers")
    def numbers() -> Response:
        return answered({"finite": 1.5, "not": [float("inf"), -float("inf"), float("nan")]})

    @router.post("/echo")
    async def echo(request: Request) -> Response:
        body = await request.body()
        seen.append("echo")
        return Response(body)

    @router.post("/refuse")
    def refuse() -> Response:
        raise InputError("the prompt is empty", wanted="at least one character")

    @router.post("/stumble")
    def stumble() -> Response:
        raise RuntimeError("a secret of the inside")

    @router.get("/count/{number}")
    def count(number: int) -> Response:
        return answered(number)

    @router.post("/work/{kind}")
    def work(kind: str) -> Response:
        def done(progress: Progress) -> Any:
            seen.append(f"began {kind}")
            if kind == "refused":
                raise InputError("no such text")
            if kind == "stumbled":
                raise RuntimeError("a secret of the inside")
            for step in range(200 if kind == "long" else 3):
                try:
                    progress(step / 200, f"step {step}")
                except Cancelled:
                    seen.append(f"cancelled {kind}")
                    raise
                time.sleep(0.02 if kind == "long" else 0)
            return {"kind": kind}

        return worker.stream(done)

    return router


Serve = Callable[..., Served]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with limits of the test's own."""
    with ExitStack() as stack:

        def start(limits: Limits | None = None, admission: Admission | None = None) -> Served:
            limits, admission, seen, worker = limits or Limits(), admission or Admission(token=TOKEN), [], Worker()
            app = guarded(application([routes(seen, worker)], [worker.close]), admission, limits)
            bound = listen("127.0.0.1", 0)
            port = bound.getsockname()[1]
            stack.enter_context(running(app, bound, limits))
            return Served(port, seen)

        yield start


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve()
