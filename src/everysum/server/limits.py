"""How much may come in, and in how much time: what is refused before anything is kept of it.

A request's head is limited by the connection (`connection.py`), its body here, before any route sees it.
Source of the need: bare uvicorn holds half-open heads for as long as they please, and takes bodies of any size.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everysum.errors import EverysumError
from everysum.server.answers import refusal


@dataclass(frozen=True)
class Limits:
    """Bytes, seconds and connections."""

    head_bytes: int = 16 * 1024
    head_seconds: float = 5.0
    body_bytes: int = 256 * 1024
    body_seconds: float = 10.0
    connections: int = 128
    idle_seconds: int = 15


class TooLarge(EverysumError):
    """A body above the limit."""


class BodyLimit:
    """Read a body whole before the application runs: refused by its declared length, its real one, or its slowness."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self.refuse_declared(dict(scope["headers"]))
            async with asyncio.timeout(self.limits.body_seconds):
                body = await self.read(receive)
        except TooLarge as problem:
            await refusal(413, problem, close=True)(scope, receive, send)
            return
        except TimeoutError:
            slow = EverysumError(f"the request took more than {self.limits.body_seconds:g} s to arrive")
            await refusal(408, slow, close=True)(scope, receive, send)
            return
        if body is not None:
            await self.app(scope, replayed(body, receive), send)

    def refuse_declared(self, headers: dict[bytes, bytes]) -> None:
        """By what the head says of the body, before a byte of it is read."""
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or len(declared) > 12 or int(declared) > self.limits.body_bytes:
            raise self.too_large()

    async def read(self, receive: Receive) -> bytes | None:
        """The whole body; None where the client has gone."""
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.limits.body_bytes:
                raise self.too_large()
            if not message.get("more_body", False):
                return b"".join(parts)

    def too_large(self) -> TooLarge:
        return TooLarge("the request is too large", wanted=f"at most {self.limits.body_bytes:,} bytes")


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands out a body already read, and then waits for the client to go."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
