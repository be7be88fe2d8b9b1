"""`everysum chat`: lines in, answers out; what does not fit is said; Ctrl-C ends an answer and not the chat."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import time
from pathlib import Path

import pytest
import tiny_chat

from everysum.model import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("chat") / "model"
    tiny_chat.make(folder)
    return folder


def test_each_line_gets_an_answer_that_knows_what_was_said(everysum, folder) -> None:
    outcome = everysum("chat", folder, "--temperature", "0", "--tokens", "6", "--json", given="yes\n\nGrüße\n".encode())
    assert outcome.code == 0, outcome.err
    answers = [json.loads(line) for line in outcome.out.splitlines()]
    model = load(folder)
    first = model.chat([{"role": "user", "content": "yes"}], tokens=6, temperature=0)
    said = [
        {"role": "user", "content": "yes"},
        {"role": "assistant", "content": first},
        {"role": "user", "content": "Grüße"},
    ]
    assert [answer["content"] for answer in answers] == [first, model.chat(said, tokens=6, temperature=0)]
    assert all(answer["role"] == "assistant" and answer["left_out"] == 0 for answer in answers)
    assert all(answer["tokens"] == 6 or answer["ending"] == "end_of_text" for answer in answers)


def test_without_json_the_answers_stand_on_lines(everysum, folder) -> None:
    options = ("--temperature", "0", "--tokens", "5", "--system", "Be brief.")
    outcome = everysum("chat", folder, *options, given=b"yes\n")
    told = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "yes"}]
    assert outcome.out == load(folder).chat(told, tokens=5, temperature=0) + "\n"


def test_reset_forgets_and_quit_leaves(everysum, folder) -> None:
    options = ("--temperature", "0", "--tokens", "5", "--json")
    outcome = everysum("chat", folder, *options, given=b"yes\n/reset\nyes\n/help\n/what\n/quit\nno\n")
    first, second = (json.loads(line)["content"] for line in outcome.out.splitlines())
    assert first == second
    assert "/reset forgets" in outcome.err
    assert "there is no command /what" in outcome.err


def test_a_message_may_begin_with_a_stroke(everysum, folder) -> None:
    outcome = everysum("chat", folder, "--temperature", "0", "--tokens", "4", given=b"//quit\n")
    assert outcome.out == load(folder).chat([{"role": "user", "content": "/quit"}], tokens=4, temperature=0) + "\n"


def test_turns_that_no_longer_fit_are_left_out_aloud(everysum, folder) -> None:
    options = ("--temperature", "0", "--tokens", "3")
    outcome = everysum("chat", folder, *options, given=b"how are you? yes or no\n" * 9)
    assert outcome.code == 0
    assert re.search(r"the context of 160 tokens is full: the oldest \d+ messages were left out", outcome.err)


def test_a_message_that_is_too_long_is_refused(everysum, folder) -> None:
    outcome = everysum("chat", folder, given=b"word " * 300 + b"\n")
    assert outcome.code == 3
    assert outcome.err.startswith("the message is too long for the model's context")


def test_lines_that_are_not_utf8_are_refused_with_the_line(everysum, folder) -> None:
    outcome = everysum("chat", folder, "--tokens", "2", given=b"yes\ncaf\xe9\n")
    assert outcome.code == 3
    assert "line 2 of standard input is not text in UTF-8\n  came: the byte 0xe9 at offset 3" in outcome.err


def test_a_model_without_a_template_is_refused_before_anything_is_read(everysum, tiny_run) -> None:
    outcome = everysum("chat", tiny_run, given=b"hello\n")
    assert outcome.code == 4
    assert "has no chat template" in outcome.err
    assert "everysum generate" in outcome.err


def read_until(terminal: int, *wanted: bytes, seconds: float = 180.0) -> bytes:
    """What comes until all that is wanted has come, in this order; it may come in one piece."""
    pattern = re.compile(b".*".join(map(re.escape, wanted)), re.DOTALL)
    seen, ends = b"", time.monotonic() + seconds
    while not pattern.search(seen):
        assert time.monotonic() < ends, seen
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 4096)
    return seen


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_ctrl_c_stops_the_answer_and_the_chat_goes_on(spawn, tmp_path) -> None:
    tiny_chat.make(tmp_path / "endless", context_length=60_000)
    config = tmp_path / "endless" / "generation_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"eos_token_id": [301]}))  # a token it seldom says
    terminal, other = pty.openpty()
    arguments = ("chat", tmp_path / "endless", "--tokens", "50000", "--temperature", "0")
    process = spawn(*arguments, stdin=other, stdout=other, stderr=other, start_new_session=True)
    os.close(other)
    read_until(terminal, b"> ")
    os.write(terminal, b"yes\n")
    read_until(terminal, b"yes\r\n")
    assert os.read(terminal, 1)  # the answer has begun
    process.send_signal(signal.SIGINT)
    read_until(terminal, b"(stopped)", b"> ")
    os.write(terminal, b"/quit\n")
    assert process.wait(30) == 0
    os.close(terminal)
