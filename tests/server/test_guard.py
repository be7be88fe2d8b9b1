"""Who may ask: names of this machine, the page itself, whoever has the token."""

from __future__ import annotations

import logging
import socket

import pytest

from everysum.errors import UsageError
from everysum.server.guard import Admission

TOKEN = "a-token-of-the-tests"
HOSTILE = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example:80",
    "127.0.0.1@evil.example",
    "127.0.0.1:80:80",
    "127.0.0.1/evil",
    "2130706433",
    "0x7f.1",
    "[::1].evil.example",
    "[::1",
    "10.0.0.7",
    "lοcalhost".encode().decode("latin-1"),
]


@pytest.mark.parametrize("host", HOSTILE)
def test_a_foreign_host_is_misdirected_and_told_nothing_more(host, served) -> None:
    answer = served.ask("GET", "/api/numbers", Host=host)
    assert answer.status == 421
    assert b"1.5" not in answer.body
    assert not permissive(answer.headers)


def test_a_request_that_names_no_host_or_two_is_not_answered(served) -> None:
    for head in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", served.port), timeout=5) as raw:
            raw.sendall(head)
            assert raw.recv(1000).split()[1] in (b"421", b"400")


@pytest.mark.parametrize("host", ["127.0.0.1:{}", "localhost:{}", "LOCALHOST:{}", "[::1]:{}", "localhost"])
def test_every_name_of_this_machine_is_answered(host, served) -> None:
    assert served.ask("GET", "/api/numbers", Host=host.format(served.port)).status == 200


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1", "http://localhost:1", "http://127.0.0.1.evil.example"],
)
def test_a_page_of_another_site_is_refused_even_with_the_token(origin, served) -> None:
    for method, path in (("GET", "/api/numbers"), ("POST", "/api/echo"), ("OPTIONS", "/api/echo")):
        answer = served.ask(method, path, Host=f"127.0.0.1:{served.port}", Origin=origin)
        assert answer.status == 403
        assert not permissive(answer.headers)
    assert served.seen == []


def test_the_page_itself_may_ask_and_still_no_header_lets_others_in(served) -> None:
    own = f"127.0.0.1:{served.port}"
    answer = served.ask("POST", "/api/echo", b"hello", Host=own, Origin=f"http://{own}", Sec_Fetch_Site="same-origin")
    assert (answer.status, answer.body) == (200, b"hello")
    assert not permissive(answer.headers)


def test_a_foreign_page_cannot_load_anything_as_a_part_of_itself(served) -> None:
    parts = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}
    assert served.ask("GET", "/api/numbers", **parts).status == 403
    linked = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert served.ask("GET", "/api/numbers", **linked).status == 200
    assert served.ask("POST", "/api/echo", **linked).status == 403


@pytest.mark.parametrize(
    "authorization", ["", "Bearer ", "Bearer a-token-of-the-test", "Basic a-token-of-the-tests", "x"]
)
def test_without_the_token_nothing_is_answered(authorization, served) -> None:
    for path in ("/", "/api/numbers", "/api/openapi.json", "/nothing"):
        answer = served.ask("GET", path, authorization=authorization)
        assert answer.status == 401
        assert answer.json()["error"]["problem"] == "the link lacks its token"
    assert served.ask("GET", "/?token=wrong", authorization=authorization).status == 401


def test_the_link_gives_a_cookie_that_scripts_cannot_read_and_drops_the_token(served) -> None:
    answer = served.ask("GET", f"/api/numbers?token={TOKEN}", authorization="")
    assert (answer.status, answer.headers["location"]) == (303, "/api/numbers")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite" in cookie
    given = cookie.split(";")[0]
    assert given == f"everysum-{served.port}={TOKEN}"
    assert served.ask("GET", "/api/numbers", authorization="", Cookie=f"other=1; {given}").status == 200
    assert served.ask("GET", "/api/numbers", authorization="", Cookie=given + "x").status == 401


def test_the_link_cannot_be_made_to_lead_elsewhere(served) -> None:
    for path in ("//evil.example/", "/%2F%2Fevil.example", "/\\evil.example"):
        answer = served.ask("GET", f"{path}?token={TOKEN}", authorization="")
        assert answer.headers["location"].startswith("/")
        assert not answer.headers["location"].startswith(("//", "/\\"))


def test_each_answer_carries_a_strict_policy(served) -> None:
    for path in ("/api/numbers", "/nothing"):
        headers = served.ask("GET", path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_the_token_is_never_written_anywhere(served, capfd, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    served.ask("GET", f"/?token={TOKEN}", authorization="")
    served.ask("POST", "/api/stumble", authorization=f"Bearer {TOKEN}")
    said = capfd.readouterr()
    assert TOKEN not in said.out + said.err + caplog.text
    assert TOKEN not in repr(Admission(token=TOKEN))


def test_other_machines_are_let_in_only_with_a_token_of_the_users() -> None:
    with pytest.raises(UsageError, match="lets other machines in, and there is no token"):
        Admission.of("0.0.0.0", None)
    for weak in ("", "short", "sixteen letters!"):
        with pytest.raises(UsageError, match="16 to 256 letters"):
            Admission.of("0.0.0.0", weak)
    opened = Admission.of("0.0.0.0", TOKEN)
    assert opened.accepts(TOKEN)
    assert all(map(opened.knows_host, ("192.168.1.5:8000", "[fe80::1]:80", "localhost", socket.gethostname())))
    assert not opened.knows_host("evil.example")


def test_each_start_has_a_token_of_its_own_that_nobody_guesses() -> None:
    tokens = {Admission.of("127.0.0.1", None).token for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 32


def permissive(headers: dict[str, str]) -> list[str]:
    return [name for name in headers if name.startswith("access-control")]
