from __future__ import annotations

import socket
import time

import pytest

from everysum.errors import MachineError
from everysum.server.guard import Admission
from everysum.server.limits import Limits
from everysum.server.listening import link, listen, running


async def nothing(scope: object, receive: object, send: object) -> None:
    """An application that nobody asks."""


def test_answers_are_sent_at_once() -> None:
    """Else a head and a body that are sent one after the other meet TCP's waiting for an answer: 40 ms."""
    bound = listen("127.0.0.1", 0)
    with running(nothing, bound, Limits()) as server, socket.create_connection(bound.getsockname()) as client:
        client.sendall(b"GET")
        began = time.monotonic()
        while not server.server_state.connections and time.monotonic() - began < 20:
            time.sleep(0.01)
        (connection,) = server.server_state.connections
        own = connection.transport.get_extra_info("socket")
        assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_refused_in_words() -> None:
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(MachineError, match=f"nothing can listen on 127.0.0.1, port {port}: Address already in use"):
            listen("127.0.0.1", port)


def test_a_link_brings_the_token() -> None:
    with listen("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        assert link(bound, Admission(token="abc")) == f"http://127.0.0.1:{port}/?token=abc"
        assert link(bound, Admission(token="abc", host="0.0.0.0"), "/inspect").startswith("http://127.0.0.1:")
