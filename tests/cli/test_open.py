"""`everysum open`: a link that works, an ending without fuss, and refusals before anything starts."""

from __future__ import annotations

import json
import select
import signal
import socket
import time
import urllib.request

import pytest


def first_line(process, seconds: float = 30) -> str:
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    assert ready, "no link came"
    return process.stdout.readline().decode().strip()


def answered(link: str) -> bytes:
    """What a browser gets: it follows the redirect, and keeps the cookie."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    deadline = time.monotonic() + 20
    while True:
        try:
            return opener.open(link, timeout=10).read()
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_link_opens_the_page_until_a_signal_closes_it(sent, code, spawn) -> None:
    process = spawn("open", "--no-browser")
    link = first_line(process)
    assert link.startswith("http://127.0.0.1:")
    assert b"<title>everysum</title>" in answered(link)
    process.send_signal(sent)
    assert process.wait(timeout=20) == code
    said = process.stderr.read().decode()
    assert said == "Ctrl-C closes the page\nthe page is closed\n"
    assert "token" not in said


def test_for_programs_the_link_is_json(spawn) -> None:
    process = spawn("open", "--no-browser", "--json")
    assert json.loads(first_line(process))["link"].startswith("http://127.0.0.1:")


def test_a_token_of_the_users_is_taken_from_the_environment_alone(spawn) -> None:
    process = spawn("open", "--no-browser", variables={"EVERYSUM_TOKEN": "a-secret-of-the-users"})
    assert first_line(process).endswith("/?token=a-secret-of-the-users")


def test_other_machines_are_not_let_in_without_a_token(everysum, monkeypatch) -> None:
    monkeypatch.delenv("EVERYSUM_TOKEN", raising=False)
    outcome = everysum("open", "--no-browser", "--host", "0.0.0.0")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("--host 0.0.0.0 lets other machines in, and there is no token for them\n")
    monkeypatch.setenv("EVERYSUM_TOKEN", "weak")
    outcome = everysum("open", "--no-browser", "--host", "0.0.0.0")
    assert (outcome.code, outcome.out) == (2, "")
    assert "16 to 256 letters" in outcome.err


def test_a_port_that_is_taken_is_refused(everysum) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        outcome = everysum("open", "--no-browser", "--port", str(port))
    assert (outcome.code, outcome.out) == (7, "")
    assert outcome.err.startswith(f"nothing can listen on 127.0.0.1, port {port}: ")
    assert "leave --port out" in outcome.err


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_cannot_be_is_refused(port, everysum) -> None:
    outcome = everysum("open", f"--port={port}")
    assert (outcome.code, outcome.err.splitlines()[0]) == (2, f"--port cannot be {port}")


def test_a_model_that_is_not_there_is_refused_before_anything_opens(everysum, tmp_path) -> None:
    outcome = everysum("open", tmp_path / "nothing", "--no-browser")
    assert (outcome.code, outcome.out) == (4, "")
    assert outcome.err.startswith(f"there is no model folder {tmp_path / 'nothing'}")


@pytest.mark.slow
def test_explain_saves_a_pass_as_one_page(everysum, tiny_run, tmp_path) -> None:
    page = tmp_path / "page.html"
    outcome = everysum("explain", tiny_run, "Tom sat", "--save", page, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out) == {"page": str(page), "bytes": page.stat().st_size}
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    refused = everysum("explain", tiny_run, "Tom sat", "--save", tmp_path)
    assert (refused.code, refused.out) == (5, "")
    assert str(tmp_path) in refused.err
