"""Listening: a free port of this machine, and a server that ends when it is told to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from everysum.errors import MachineError
from everysum.server.connection import connection_with
from everysum.server.guard import Admission
from everysum.server.limits import Limits

ENDING_SECONDS = 2


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. MachineError says why it cannot be."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # the protocol by name: asyncio sends at once, instead of waiting 40 ms for an answer, only where it is told
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except (OSError, OverflowError) as problem:
        raise MachineError(
            f"nothing can listen on {host}, port {port}: {getattr(problem, 'strerror', None) or problem}",
            advice="leave --port out to take a free one",
        ) from None
    return bound


def link(bound: socket.socket, admission: Admission, path: str = "/") -> str:
    """What to open in a browser, token and all."""
    host = "127.0.0.1" if admission.host in ("0.0.0.0", "::") else admission.host
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{bound.getsockname()[1]}{path}?token={admission.token}"


def server_of(app: ASGIApp, limits: Limits) -> uvicorn.Server:
    """uvicorn, with our connections and without a log of requests."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=connection_with(limits),
            ws="none",
            loop="asyncio",
            h11_max_incomplete_event_size=limits.head_bytes,
            timeout_keep_alive=limits.idle_seconds,
            timeout_graceful_shutdown=ENDING_SECONDS,
            server_header=False,
            proxy_headers=False,
            access_log=False,
            log_config=None,
        )
    )


@contextmanager
def running(app: ASGIApp, bound: socket.socket, limits: Limits) -> Iterator[uvicorn.Server]:
    """The server in a thread of its own, until the block is left."""
    server = server_of(app, limits)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="server", daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield server
    finally:
        server.should_exit = True
        for connection in list(server.server_state.connections):
            connection.transport.close() if connection.transport is not None else None
        thread.join(timeout=ENDING_SECONDS + 3)
        bound.close()
