"""How much may come, in how much time: and whoever behaves does not notice those who do not."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import pytest

from everysum.server.limits import Limits

AUTHORIZED = b"Host: localhost\r\nAuthorization: Bearer a-token-of-the-tests\r\n"
HALF_HEAD = b"GET /api/numbers HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
HALF_BODY = b"POST /api/echo HTTP/1.1\r\n" + AUTHORIZED + b"Content-Length: 100\r\n\r\nhalf"


def connect(stack: ExitStack, port: int) -> socket.socket:
    return stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))


def status(raw: socket.socket) -> int | None:
    """The status of an answer in JSON; None where the connection is closed without an answer."""
    try:
        received = raw.recv(4096)
        if received and not received.endswith(b"}"):
            received += raw.recv(4096)
    except ConnectionResetError:
        return None
    return int(received.split()[1]) if received else None


@pytest.mark.parametrize("opening", [HALF_HEAD, HALF_BODY, b""])
def test_two_hundred_half_open_requests_do_not_hold_up_a_healthy_one(opening, serve) -> None:
    served = serve(Limits(connections=64))
    with ExitStack() as stack:
        for _ in range(200):
            connect(stack, served.port).sendall(opening)
        times = []
        for _ in range(50):
            began = time.perf_counter()
            answer = served.ask("GET", "/api/numbers")
            times.append(time.perf_counter() - began)
            assert answer.status == 200
        assert max(times) < 1.0


@pytest.mark.parametrize("trickle", [b"", b"a"])
def test_a_head_that_does_not_come_in_time_ends_the_connection(trickle, serve) -> None:
    served = serve(Limits(head_seconds=0.3))
    with ExitStack() as stack:
        raw = connect(stack, served.port)
        raw.sendall(HALF_HEAD)
        began, closed = time.perf_counter(), False
        while time.perf_counter() - began < 5 and not closed:
            time.sleep(0.05)
            try:
                raw.sendall(trickle)
                raw.settimeout(0.01)
                closed = raw.recv(10) == b""
            except TimeoutError:
                continue
            except OSError:
                closed = True
        assert closed
        assert time.perf_counter() - began < 2


def test_a_body_that_does_not_come_in_time_is_refused(serve) -> None:
    served = serve(Limits(body_seconds=0.2))
    with ExitStack() as stack:
        raw = connect(stack, served.port)
        raw.sendall(HALF_BODY)
        assert status(raw) == 408
    assert served.seen == []


@pytest.mark.parametrize("length", [b"1001", b"99999999999999999999", b"67108864"])
def test_a_body_too_large_is_refused_by_what_it_declares_before_it_is_sent(length, serve) -> None:
    served = serve(Limits(body_bytes=1000))
    with ExitStack() as stack:
        raw = connect(stack, served.port)
        raw.sendall(b"POST /api/echo HTTP/1.1\r\n" + AUTHORIZED + b"Content-Length: " + length + b"\r\n\r\n")
        assert status(raw) == 413
    assert served.seen == []


def test_a_body_that_does_not_declare_its_size_is_counted(serve) -> None:
    served = serve(Limits(body_bytes=1000))
    with ExitStack() as stack:
        raw = connect(stack, served.port)
        raw.sendall(b"POST /api/echo HTTP/1.1\r\n" + AUTHORIZED + b"Transfer-Encoding: chunked\r\n\r\n")
        raw.sendall(b"1ff\r\n" + b"x" * 511 + b"\r\n")
        raw.sendall(b"1ff\r\n" + b"x" * 511 + b"\r\n")
        assert status(raw) == 413
    assert served.seen == []


def test_the_largest_body_allowed_arrives_whole(serve) -> None:
    served = serve(Limits(body_bytes=200_000))
    body = bytes(range(250)) * 800
    assert served.ask("POST", "/api/echo", body).body == body
    assert served.ask("POST", "/api/echo", body + b"x").status == 413


def test_a_head_too_large_is_refused(serve) -> None:
    served = serve(Limits(head_bytes=2000))
    with ExitStack() as stack:
        raw = connect(stack, served.port)
        raw.sendall(HALF_HEAD + b"x" * 4000)
        assert status(raw) in (400, 431)


def test_a_stranger_s_body_is_not_even_read(serve) -> None:
    served = serve(Limits(body_seconds=5))
    with ExitStack() as stack:
        raw = connect(stack, served.port)
        raw.sendall(b"POST /api/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        assert status(raw) == 401


def test_a_connection_is_used_again_and_again(served) -> None:
    with ExitStack() as stack:
        raw = connect(stack, served.port)
        for _ in range(3):
            raw.sendall(b"GET /api/numbers HTTP/1.1\r\n" + AUTHORIZED + b"\r\n")
            assert status(raw) == 200


def test_limits_are_what_they_say() -> None:
    limits = Limits()
    assert limits.body_bytes <= 1024 * 1024
    assert limits.head_bytes <= 64 * 1024
    assert limits.head_seconds <= 10
