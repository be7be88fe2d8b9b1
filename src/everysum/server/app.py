"""The application: routes behind the guard and the limits, and every refusal in the same words."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from everysum.errors import EverysumError, UsageError
from everysum.server.answers import refusal, status_of
from everysum.server.guard import Admission, Guard
from everysum.server.limits import BodyLimit, Limits
from everysum.server.work import UNFORESEEN
from everysum.version import __version__

logger = logging.getLogger("everysum.server")


def application(
    routers: Sequence[APIRouter], on_close: Sequence[Callable[[], None]] = (), schema: str | None = "/api/openapi.json"
) -> FastAPI:
    """The routes alone, without guard and limits; FastAPI's own pages, which load from elsewhere, are left out."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for close in on_close:
            close()

    app = FastAPI(
        title="everysum", version=__version__, openapi_url=schema, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(EverysumError, refuse)
    app.add_exception_handler(RequestValidationError, refuse_values)
    app.add_exception_handler(HTTPException, refuse_path)
    app.add_exception_handler(Exception, stumble)
    return app


def guarded(app: ASGIApp, admission: Admission, limits: Limits) -> ASGIApp:
    """The application as it is served: first who asks, then how much, then what."""
    return Guard(BodyLimit(app, limits), admission)


def refuse(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, EverysumError)
    return refusal(status_of(problem), problem)


def refuse_values(_: Request, problem: Exception) -> Response:
    """What pydantic found wrong, first things first; what came is not repeated."""
    assert isinstance(problem, RequestValidationError)
    found = [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in problem.errors()[:3]]
    return refusal(400, UsageError("the request does not fit", wanted="; ".join(found)))


def refuse_path(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    words = "there is nothing here" if problem.status_code == 404 else str(problem.detail)
    answer = refusal(problem.status_code, UsageError(words))
    answer.headers.update(problem.headers or {})
    return answer


def stumble(_: Request, problem: Exception) -> Response:
    logger.error("a request failed", exc_info=problem)
    return refusal(500, UNFORESEEN)
