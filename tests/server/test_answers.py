"""Refusals and results in JSON, and long work line by line."""

from __future__ import annotations

import http.client
import json
import time

import pytest


def test_numbers_that_are_not_finite_come_as_texts(served) -> None:
    assert served.ask("GET", "/api/numbers").json() == {"finite": 1.5, "not": ["inf", "-inf", "nan"]}


def test_a_refusal_has_its_parts(served) -> None:
    answer = served.ask("POST", "/api/refuse")
    assert answer.status == 400
    parts = {"problem": "the prompt is empty", "wanted": "at least one character"}
    assert answer.json() == {"error": {"kind": "InputError", "exit_code": 3, **parts}}


def test_what_nobody_foresaw_is_not_shown_to_visitors(served) -> None:
    answer = served.ask("POST", "/api/stumble")
    assert answer.status == 500
    assert "nobody foresaw" in answer.json()["error"]["problem"]
    assert b"secret" not in answer.body


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/nothing", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/docs"]
)
def test_what_is_not_there_is_not_there(path, served) -> None:
    assert served.ask("GET", path).status == 404
    assert served.ask("DELETE", "/api/numbers").status == 405


@pytest.mark.parametrize("number", ["x", "1e400", "", "9" * 5000])
def test_values_that_do_not_fit_are_refused_in_our_words(number, served) -> None:
    answer = served.ask("GET", f"/api/count/{number}")
    assert answer.status in (400, 404)
    assert answer.json()["error"]["kind"] == "UsageError"


def lines(served, kind: str) -> list[dict]:
    return [json.loads(line) for line in served.ask("POST", f"/api/work/{kind}").body.splitlines()]


def test_long_work_tells_how_far_it_is_and_then_its_result(served) -> None:
    told = lines(served, "short")
    assert [line["progress"] for line in told[:-1]] == [0.0, 0.0, 1 / 200, 2 / 200]
    assert told[-1] == {"result": {"kind": "short"}}


def test_work_that_fails_ends_with_why(served) -> None:
    assert lines(served, "refused")[-1]["error"]["problem"] == "no such text"
    last = lines(served, "stumbled")[-1]["error"]["problem"]
    assert "nobody foresaw" in last
    assert "secret" not in last


def test_whoever_leaves_cancels_the_work_and_the_next_is_served(served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    connection.request("POST", "/api/work/long", headers={"authorization": "Bearer a-token-of-the-tests"})
    answer = connection.getresponse()
    assert json.loads(answer.readline())["progress"] == 0.0
    answer.close()
    connection.close()
    began = time.perf_counter()
    assert lines(served, "short")[-1] == {"result": {"kind": "short"}}
    assert time.perf_counter() - began < 2
    assert served.seen == ["began long", "cancelled long", "began short"]
