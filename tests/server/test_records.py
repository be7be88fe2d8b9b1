"""Lessons and recorded passes over HTTP, without a browser: the numbers are Python's, and what cannot be is refused."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from recorded_models import TOKENIZER
from small_networks import randomized
from small_translators import saved_translator
from tiny import train_tiny, write_text

from everysum.explain.recorder import Stack
from everysum.explain.rerun import Rerun
from everysum.lessons.blocks import as_data
from everysum.lessons.course import CHAPTERS, lesson
from everysum.model import Model, load
from everysum.models.gpt import GPT
from everysum.server.guard import Admission
from everysum.server.limits import Limits
from everysum.server.listening import listen, running
from everysum.web.app import page_application

TOKEN = "a-token-of-the-tests"
PROMPT = "the cat"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("model")
    train_tiny(write_text(base), base / "run", {"schedule": {"steps": 4}})
    return base / "run"


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load(folder, device="cpu")


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    limits, bound = Limits(), listen("127.0.0.1", 0)
    with running(page_application(Admission(token=TOKEN), limits, [folder]), bound, limits):
        yield bound.getsockname()[1]


def ask(port: int, path: str, body: Any = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def lines(port: int, path: str, body: Any) -> list[dict[str, Any]]:
    status, text = ask(port, path, body)
    assert status == 200, text
    return [json.loads(line) for line in text.splitlines()]


def good(port: int, path: str, body: Any = None) -> Any:
    status, text = ask(port, path, body)
    assert status == 200, text
    return json.loads(text)


def refused(port: int, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    status, text = ask(port, path, body)
    return status, json.loads(text)["error"]


@pytest.fixture(scope="module")
def made(port: int) -> dict[str, Any]:
    """A recorded pass."""
    return lines(port, "/api/records", {"model": "0", "prompt": PROMPT})[-1]["result"]


def test_the_contents_are_the_course_and_the_models(port, folder) -> None:
    found = good(port, "/api/contents")
    assert [chapter["name"] for chapter in found["chapters"]] == [chapter.name for chapter in CHAPTERS]
    assert found["models"] == [{"id": "0", "name": "run", "folder": str(folder)}]


def test_a_lesson_comes_block_by_block_and_is_the_terminals(port) -> None:
    told = lines(port, "/api/lessons/softmax", {"set": ["temperature=0.5"]})
    taught = lesson("softmax", ["temperature=0.5"])
    assert [line for line in told if "frame" in line] == [{"frame": json.loads(json.dumps(taught.frame()))}]
    blocks = [json.loads(json.dumps(as_data(block))) for block in taught.blocks()]
    assert [line["block"] for line in told if "block" in line] == blocks
    assert told == lines(port, "/api/lessons/softmax", {"set": ["temperature=0.5"]})


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("sofmax", [], "there is no lesson"),
        ("softmax", ["temprature=1"], "has no figure"),
        ("softmax", ["temperature=1e400"], "cannot be that"),
        ("softmax", ["temperature=nan"], "cannot be that"),
        ("softmax", ["x" * 5000], "does not fit"),
        ("softmax", ["temperature"], "sets nothing"),
    ],
)
def test_a_lesson_that_cannot_be_is_refused_in_the_terminals_words(name, settings, words, port) -> None:
    status, error = refused(port, f"/api/lessons/{name}", {"set": settings})
    assert status == 400
    assert words in error["problem"]


def test_only_files_that_a_lesson_names_are_read(port) -> None:
    assert "def neuron(" in good(port, "/api/source/everysum/plain/network.py")["text"]
    for path in ("everysum/files.py", "everysum/../../../etc/passwd", "/etc/passwd", "everysum/plain/%2e%2e/files.py"):
        status, error = refused(port, f"/api/source/{quote(path, safe='/%')}")
        assert (status, error["problem"]) == (400, "no lesson names that file")


def test_a_pass_has_its_tokens_and_every_named_tensor(made, model) -> None:
    assert [token["text"] for token in made["tokens"]] == list(PROMPT)
    assert [token["id"] for token in made["tokens"]] == model.token_ids(PROMPT)
    assert [tensor["name"] for tensor in made["tensors"]] == [tensor.name for tensor in model.record(PROMPT).list()]


def test_a_tile_is_a_part_of_the_tensor_bit_for_bit(made, model, port) -> None:
    weights = model.record(PROMPT)["blocks.0.attention.attention_weights"].tensor[0, 1].numpy()
    query = {"tensor": "blocks.0.attention.attention_weights", "row": 2, "column": 1, "rows": 3, "columns": 4}
    status, raw = ask(port, f"/api/records/{made['record']}/tile?{urlencode({**query, 'at': [0, 1]}, doseq=True)}")
    assert status == 200
    assert np.frombuffer(raw, dtype=np.float32).reshape(3, 4).tobytes() == weights[2:5, 1:5].tobytes()


def test_an_explanation_is_the_records(made, model, port) -> None:
    where = {"tensor": "logits", "index": [0, 2, 5]}
    found = good(port, f"/api/records/{made['record']}/explain", where)
    number = model.record(PROMPT)["logits"][0, 2, 5]
    assert (found["value"], found["recomputed"], found["agrees"]) == (number.value, number.recomputed, True)
    assert found["terms_in_all"] == len(number.terms)
    assert [term["value"] for term in found["terms"]] == [term.value for term in number.terms[:20]]
    assert found["rest"]["sum"] == pytest.approx(float(number.terms.values[20:].sum()))
    way = found["terms"][3]["factors"][0]["way"]
    deeper = good(port, f"/api/records/{made['record']}/explain", {**where, "way": way})
    assert deeper["value"] == number.terms[3].terms[0].value


def test_contributions_add_up_to_the_logit(made, port) -> None:
    found = good(port, f"/api/records/{made['record']}/residual", {"position": -1, "token": 3})
    assert sum(part["value"] for part in found["contributions"]) == pytest.approx(found["value"], abs=1e-5)


def test_a_nudge_is_the_records_replay(made, model, port) -> None:
    where = {"tensor": "blocks.0.feed_forward", "index": [0, 1, 2], "value": 3.0}
    found = lines(port, f"/api/records/{made['record']}/nudge", where)[-1]["result"]
    record = model.record(PROMPT)
    replay = record.replay({record["blocks.0.feed_forward"][0, 1, 2]: 3.0})
    assert found["differences"] == json.loads(json.dumps([difference.as_json() for difference in replay.differences]))
    best = replay["logits"][0, -1].double().softmax(-1).max().item()
    assert found["after"]["predictions"][0]["probability"] == best


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("explain", {"tensor": "logit", "index": [0, 0, 0]}, 400, "logit"),
        ("explain", {"tensor": "logits", "index": [0, 0]}, 400, "no single number"),
        ("explain", {"tensor": "logits", "index": [0, 0, 10**9]}, 400, "places"),
        ("explain", {"tensor": "logits", "index": [0, 0, 0], "way": [10**6]}, 400, "has no term"),
        ("explain", {"tensor": "logits", "index": [0, 0, 0], "shown": 10**9}, 400, "does not fit"),
        ("explain", {"tensor": "x" * 1000, "index": []}, 400, "does not fit"),
        ("predictions", {"temperature": 0}, 400, "does not fit"),
        ("predictions", {"position": 99}, 400, "there is no position 99"),
        ("residual", {"position": 0, "token": 10**9}, 400, "places"),
        ("tile?tensor=logits", None, 400, "axes"),
        ("tile?tensor=logits&at=7", None, 400, "no place 7"),
        ("tile?tensor=logits&at=0&row=1000", None, 400, "cannot be shown"),
        ("tile?tensor=logits&at=0&rows=-1", None, 400, "does not fit"),
    ],
)
def test_questions_that_cannot_be_answered_are_refused_in_words(path, body, status, words, made, port) -> None:
    found, error = refused(port, f"/api/records/{made['record']}/{path}", body)
    assert (found, words in error["problem"]) == (status, True), error


def test_a_pass_that_is_forgotten_says_so(port) -> None:
    status, error = refused(port, "/api/records/nothing/explain", {"tensor": "logits", "index": [0, 0, 0]})
    assert (status, error["problem"]) == (400, "this pass is not remembered any more")


def test_a_visitor_names_no_folders(port) -> None:
    for name in ("/etc", "..", "1", ""):
        told = lines(port, "/api/records", {"model": name, "prompt": "x"})
        assert told[-1]["error"]["problem"] == "there is no such model here"


# --- cancelling ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deep_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server of a network of so many layers that recording a pass takes a while."""
    folder = tmp_path_factory.mktemp("deep")
    sizes = {"context_length": 16, "width": 4, "heads": 1, "layers": 200}
    Model(randomized(GPT(vocabulary_size=TOKENIZER.vocabulary_size, **sizes)).float(), TOKENIZER).save(folder)
    limits, bound = Limits(), listen("127.0.0.1", 0)
    with running(page_application(Admission(token=TOKEN), limits, [folder]), bound, limits):
        yield bound.getsockname()[1]


@contextmanager
def begun(port: int, path: str, body: Any, said: str) -> Iterator[http.client.HTTPResponse]:
    """Long work, as far as it says this; nobody waits for it any more at the end."""
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("POST", path, json.dumps(body), headers)
        with connection.getresponse() as answer:
            while said not in answer.readline().decode():
                pass
            yield answer


def until_free(port: int) -> None:
    """Wait for the one thread that records: it refuses a model that there is not when everything before is done."""
    assert "error" in lines(port, "/api/records", {"model": "none", "prompt": "x"})[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "more", "said", "doer", "step"),
    [
        ("/api/records", {"model": "0", "prompt": "Humpty"}, "recording every number", Stack, "enter"),
        (
            "/api/records/{record}/nudge",
            {"tensor": "token_embedding", "index": [0, 1, 2], "value": 3.0},
            "computing the pass again",
            Rerun,
            "carry_out",
        ),
    ],
    ids=["a recording", "a replay"],
)
def test_work_that_nobody_waits_for_ends_within_its_stage(path, more, said, doer, step, deep_port, monkeypatch) -> None:
    """Of the modules that a pass calls, and of the operations of a replay, by far not all have their turn."""
    made = lines(deep_port, "/api/records", {"model": "0", "prompt": "Humpty"})[-1]["result"]
    path, done, does = path.format(record=made["record"]), [], getattr(doer, step)

    def counted(self: Any, *arguments: Any) -> Any:
        done.append(step)
        return does(self, *arguments)

    monkeypatch.setattr(doer, step, counted)
    assert "result" in lines(deep_port, path, more)[-1]
    whole = len(done)
    done.clear()
    with begun(deep_port, path, more, said):
        pass
    until_free(deep_port)
    assert whole > 1_000
    assert len(done) < whole * 0.8


# --- translators -----------------------------------------------------------------------------------------------------

SENTENCE, SO_FAR = "wo wohnst du?", "where do"
KINDS = ("transformer", "separator")


@pytest.fixture(scope="module")
def translators(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [saved_translator(kind, tmp_path_factory.mktemp(kind)) for kind in KINDS]


@pytest.fixture(scope="module")
def translating(translators: list[Path], folder: Path) -> Iterator[int]:
    """A server of both kinds of translators, and a language model behind them."""
    limits, bound = Limits(), listen("127.0.0.1", 0)
    with running(page_application(Admission(token=TOKEN), limits, [*translators, folder]), bound, limits):
        yield bound.getsockname()[1]


def test_it_is_known_which_models_translate(translating) -> None:
    assert [good(translating, f"/api/models/{id_}")["translates"] for id_ in range(3)] == [True, True, False]
    status, error = refused(translating, "/api/models/nothing")
    assert (status, error["problem"]) == (400, "there is no such model here")


@pytest.mark.parametrize("which", range(2), ids=KINDS)
def test_a_translator_s_pass_has_both_sides_and_predicts_behind_what_it_has_said(
    which, translating, translators
) -> None:
    asked = {"model": str(which), "prompt": SENTENCE, "target": SO_FAR}
    told = lines(translating, "/api/records", asked)[-1]["result"]
    record = load(translators[which], device="cpu", dtype="float32").record(SENTENCE, target=SO_FAR)
    *source, said = (rows[0] for rows in record.token_texts.values())
    assert [token["text"] for token in told["tokens"]] == said
    assert told["source"] is None if not source else [token["text"] for token in told["source"]] == source[0]
    assert [tensor["name"] for tensor in told["tensors"]] == [tensor.name for tensor in record.list()]
    found = good(translating, f"/api/records/{told['record']}/predictions", {"position": len(said) - 1})
    best = record.prediction(count=12).candidates
    assert [each["id"] for each in found["predictions"]] == [candidate.token_id for candidate in best]
    assert [each["probability"] for each in found["predictions"]] == pytest.approx(
        [candidate.probability for candidate in best], rel=1e-6
    )


def test_a_whole_translation_is_the_models(translating, translators) -> None:
    told = lines(translating, "/api/translate", {"model": "0", "prompt": SENTENCE})[-1]["result"]
    assert told == {"text": load(translators[0], device="cpu", dtype="float32").translate(SENTENCE)}


@pytest.mark.parametrize(
    ("path", "asked", "words"),
    [
        ("records", {"model": "2", "prompt": "the cat", "target": "x"}, "it does not translate"),
        ("records", {"model": "0", "prompt": " ", "target": ""}, "there is no sentence to translate"),
        ("records", {"model": "0", "prompt": SENTENCE, "target": "x" * 400}, "longer than the translator's context"),
        ("translate", {"model": "2", "prompt": "the cat"}, "it does not translate"),
    ],
)
def test_what_cannot_be_translated_is_refused_in_words(path, asked, words, translating) -> None:
    assert words in lines(translating, f"/api/{path}", asked)[-1]["error"]["problem"]
