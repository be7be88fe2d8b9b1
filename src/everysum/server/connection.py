"""A connection that does not wait for ever: a request's head comes whole in time, or the connection is closed."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from everysum.server.limits import Limits


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 with a clock on every head and a limit on how many connections there are.

    Where there is no room left, the connection that has waited longest without asking for anything makes room for
    the new one: half-open connections never hold up a healthy request.
    """

    limits = Limits()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.access_log = False  # whatever loggers are set up to: requests hold the token
        self.head_clock: asyncio.TimerHandle | None = None
        self.waiting_since = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.start_clock()
        if len(self.connections) > self.limits.connections:
            self.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Data of a head leaves the clock running: a head that trickles in is as late as one that does not come."""
        if self.conn.their_state is h11.IDLE and self.head_clock is None:
            self.start_clock()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self.stop_clock()

    def asks(self) -> bool:
        """Whether a request has come whole and is being answered."""
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    def make_room(self) -> None:
        idle = [other for other in self.connections if isinstance(other, Connection) and not other.asks()]
        oldest = min(
            (other for other in idle if other is not self), key=lambda other: other.waiting_since, default=self
        )
        oldest.drop()

    def drop(self) -> None:
        """Close at once, without sending what may still be waiting."""
        self.connections.discard(self)
        self.stop_clock()
        self.transport.abort()

    def start_clock(self) -> None:
        self.waiting_since = self.loop.time()
        self.head_clock = self.loop.call_later(self.limits.head_seconds, self.drop)

    def stop_clock(self) -> None:
        if self.head_clock is not None:
            self.head_clock.cancel()
            self.head_clock = None


def connection_with(limits: Limits) -> type[Connection]:
    """The same with limits of one's own."""
    return type("LimitedConnection", (Connection,), {"limits": limits})
