"""The page on the server: the files in `page/` as they are, and the routes that they ask."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from everysum.server.answers import answered
from everysum.server.app import application, guarded
from everysum.server.guard import Admission
from everysum.server.lessons import chapter_list, lesson_routes
from everysum.server.limits import Limits
from everysum.server.models import Models, model_routes
from everysum.server.records import record_routes
from everysum.server.work import Worker

PAGE = Path(__file__).parent / "page"
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}


class PageFiles(StaticFiles):
    """The files in `page/`; the browser keeps them, and asks each time whether they have changed."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        answer = super().file_response(full_path, stat_result, scope, status_code)
        answer.headers["cache-control"] = "no-cache"
        return answer


def page_application(admission: Admission, limits: Limits, models: Sequence[Path] = ()) -> ASGIApp:
    """Everything that `everysum open` serves."""
    for suffix, kind in TYPES.items():
        mimetypes.add_type(kind, suffix)
    worker, shown = Worker(), Models(models)
    contents = APIRouter(prefix="/api")

    @contents.get("/contents")
    def tell_contents() -> Response:
        return answered({"chapters": chapter_list(), "models": [choice.data() for choice in shown.choices]})

    worker.warm_up()
    recording = Worker()
    routes = [contents, lesson_routes(worker), model_routes(shown), record_routes(shown, recording)]
    app = application(routes, [worker.close, recording.close])
    app.mount("/", PageFiles(directory=PAGE, html=True))
    return guarded(app, admission, limits)
