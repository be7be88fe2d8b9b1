"""Long work over HTTP: lines of JSON as it goes on, the result as the last; whoever stops listening cancels it.

    {"progress": 0.25, "said": "block 3 of 12"}
    {"block": …}                                    or whatever else the work has to tell
    {"result": …}        or        {"error": …}     the last line

Work is done by one thread, a piece after another, so that two visitors do not halve each other's speed.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from threading import Event
from typing import Any

from starlette.responses import StreamingResponse

from everysum.errors import EverysumError
from everysum.server.answers import finite

logger = logging.getLogger("everysum.server")
UNFORESEEN = EverysumError("everysum stumbled over something that nobody foresaw; the terminal says what")


class Cancelled(BaseException):
    """Nobody waits for this work any more. It may come anywhere, and what catches Exception should not catch it."""


class Progress:
    """What work tells while it goes on: how far it is, from 0 to 1, and in words what it does.

    Each telling is also the moment at which cancelled work ends.
    """

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self.tell, self.cancelled = tell, Event()

    def __call__(self, share: float, said: str = "") -> None:
        self.refuse_cancelled()
        self.tell({"progress": share, "said": said})

    def refuse_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled


Work = Callable[[Progress], Any]


class Worker:
    """The one thread that does long work."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="work")

    def warm_up(self) -> None:
        """Import in the background what the first work would wait for."""
        self.thread.submit(import_module, "torch")

    def stream(self, work: Work) -> StreamingResponse:
        """An answer that tells of the work while it is done."""
        return StreamingResponse(self.lines(work), media_type="application/x-ndjson")

    async def lines(self, work: Work) -> AsyncIterator[bytes]:
        loop, told = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any]]()

        def tell(line: dict[str, Any]) -> None:
            loop.call_soon_threadsafe(told.put_nowait, line)

        progress = Progress(tell)
        doing = self.thread.submit(finished, work, progress)
        try:
            while True:
                line = await told.get()
                yield json.dumps(finite(line), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"
                if "result" in line or "error" in line:
                    return
        finally:
            progress.cancelled.set()
            doing.cancel()

    def close(self) -> None:
        self.thread.shutdown(wait=False, cancel_futures=True)


def finished(work: Work, progress: Progress) -> None:
    """Do the work and tell how it ended; what nobody foresaw goes to the log, not to the visitor."""
    try:
        progress(0.0)
        progress.tell({"result": work(progress)})
    except Cancelled:
        pass
    except EverysumError as problem:
        progress.tell({"error": problem.as_json()})
    except Exception:
        logger.exception("work failed")
        progress.tell({"error": UNFORESEEN.as_json()})
