"""`everysum translate` and `everysum evaluate --pairs`, with small translators of random weights."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch
from sacrebleu.metrics import BLEU, CHRF
from small_translators import translator

from everysum.cli.alignment import as_table, columns, fitted
from everysum.cli.counting import Counting
from everysum.cli.lines import as_they_come
from everysum.generation.alignment import Alignment
from everysum.generation.beam_search import Search
from everysum.model import Model, load

LINES = ["wo wohnst du?", "", "das haus ist alt", "хочу домой 😀", "ja"]


def saved(kind: str, folder: Path, context_length: int = 96) -> Path:
    network, tokenizer = translator(kind, context_length)
    Model(network.float(), tokenizer).save(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: saved(kind, tmp_path_factory.mktemp(kind)) for kind in ("transformer", "separator")}


@pytest.fixture(params=["transformer", "separator"])
def folder(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Path:
    return folders[request.param]


@pytest.fixture
def transformer(folders: dict[str, Path]) -> Path:
    return folders["transformer"]


def one_line(text: str) -> str:
    return " ".join(text.splitlines())


def test_a_sentence_is_translated(folder, everysum) -> None:
    done = everysum("translate", folder, "wo wohnst du?", "--beam", "3")
    assert done.code == 0, done.err
    assert done.out == one_line(load(folder, device="cpu").translate("wo wohnst du?", beams=3)) + "\n"
    assert done.err == ""


def test_one_line_comes_out_for_each_line_in(folder, everysum, tmp_path) -> None:
    text = "\n".join(LINES) + "\n"
    (tmp_path / "book.de").write_text(text, encoding="utf-8")
    given = everysum("translate", folder, given=text.encode())
    named = everysum("translate", folder, "--file", tmp_path / "book.de")
    dashed = everysum("translate", folder, "-", given=text.encode())
    assert given.code == 0, given.err
    assert given.out == named.out == dashed.out
    lines = given.out.split("\n")
    assert len(lines) == len(LINES) + 1
    assert lines[1] == lines[-1] == ""
    model = load(folder, device="cpu")
    assert lines[:-1] == [one_line(model.translate(line)) for line in LINES]


def test_windows_lines_and_a_byte_order_mark_do_not_count(transformer, everysum) -> None:
    plain = everysum("translate", transformer, given=b"ja\ndas haus\n").out
    assert everysum("translate", transformer, given=b"\xef\xbb\xbfja\r\ndas haus").out == plain


def test_no_input_is_no_output(transformer, everysum) -> None:
    assert everysum("translate", transformer, given=b"").out == ""
    assert everysum("translate", transformer, given=b"\n\n").out == "\n\n"


def test_a_line_is_answered_before_the_next_one_comes(transformer, spawn) -> None:
    process = spawn("translate", transformer, stdin=-1)
    for line in (b"ja\n", b"das haus\n", b"\n"):
        process.stdin.write(line)
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"\n")
    process.stdin.close()
    assert process.wait(60) == 0
    assert process.stdout.read() == b""


def test_ctrl_c_while_it_waits_is_one_word(transformer, spawn) -> None:
    process = spawn("translate", transformer, stdin=-1)
    process.stdin.write(b"ja\n")
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert process.stderr.read() == b"interrupted\n"


def test_nobody_reading_on_ends_it_quietly(transformer, spawn) -> None:
    process = spawn("translate", transformer, stdin=-1)
    process.stdin.write(b"ja\n")
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(b"das haus\n")
    process.stdin.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == b""


def test_the_n_best_come_with_their_scores_the_best_first(folder, everysum) -> None:
    done = everysum("translate", folder, "--n-best", "3", given=b"ja\ndas haus\n")
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert [row[0] for row in rows] == ["1"] * 3 + ["2"] * 3
    scores = [float(row[1]) for row in rows]
    assert scores[:3] == sorted(scores[:3], reverse=True)
    alone = everysum("translate", folder, "ja").out.removesuffix("\n")
    assert rows[0][2] == alone


def test_json_says_everything_on_a_line_each(folder, everysum) -> None:
    done = everysum("translate", folder, "--json", "--n-best", "2", "--length-penalty", "0.5", given=b"ja\n\nalt\n")
    said = [json.loads(line) for line in done.out.splitlines()]
    assert [(value["line"], value["source"]) for value in said] == [(1, "ja"), (2, ""), (3, "alt")]
    assert [text["text"] for text in said[1]["n_best"]] == [""]
    model, search = load(folder, device="cpu"), Search(5, 0.5)
    best = model.translate_batch(["ja"], search=search, count=2)[0]
    assert said[0]["translation"] == best[0].text
    assert [text["score"] for text in said[0]["n_best"]] == pytest.approx([text.score for text in best])
    assert said[0]["n_best"][1]["token_ids"] == list(best[1].token_ids)


def test_looking_shows_each_word_and_where_it_looked(transformer, everysum) -> None:
    done = everysum("translate", transformer, "wo wohnst du?", "--look")
    assert done.code == 0, done.err
    first, translation, _, *table = done.out.splitlines()
    assert first == "wo wohnst du?"
    assert translation == everysum("translate", transformer, "wo wohnst du?").out.removesuffix("\n")
    assert "\x1b" not in done.out
    assert max(map(columns, table)) <= 80
    assert any("cross-attention, the mean over 2 heads of layers 1, 2" in line for line in table)
    said = json.loads(everysum("translate", transformer, "wo wohnst du?", "--look", "--layer", "2", "--json").out)
    assert said["alignment"]["source"] == ["wo", "wohnst", "du", "?", "(end)"]
    assert said["alignment"]["layers"] == [2]
    assert [sum(row) for row in said["alignment"]["weights"]] == pytest.approx([1.0] * len(said["alignment"]["target"]))


def test_the_table_reads_as_it_should() -> None:
    found = Alignment(
        ("Wo", "wohnst", "du", "(end)"),
        ("Where", "do", "(end)"),
        ((0.9, 0.1, 0.0, 0.0), (0.2, 0.4, 0.4, 0.0), (0.0, 0.0, 0.3, 0.7)),
        (2,),
        4,
    )
    assert as_table(found, 80).splitlines() == [
        "       Wo",
        "       │ wohnst",
        "       │ │ du",
        "       │ │ │ (end)",
        "Where  █         90% Wo",
        "do     ░ ▒ ▒     40% wohnst",
        "(end)      ░ ▓   70% (end)",
        "",
        "cross-attention, the mean over 4 heads of layer 2",
        "░ from 13%, ▒ from 38%, ▓ from 63%, █ from 88%",
    ]


@pytest.mark.parametrize("width", [40, 80])
def test_long_sentences_stay_within_the_terminal(width: int) -> None:
    words = tuple(["Donaudampfschifffahrtsgesellschaft", "日本語の", "a"] * 20)
    weights = tuple(torch.eye(60)[place].tolist() for place in range(60))
    table = as_table(Alignment(words, words, tuple(map(tuple, weights)), (1,), 1), width)
    assert max(map(columns, table.splitlines())) <= width


def test_words_are_cut_to_columns() -> None:
    assert fitted("abc", 5) == "abc  "
    assert fitted("abcdef", 5) == "abcd…"
    assert columns(fitted("日本語の", 5)) == 5


def test_refusals(transformer, folders, tiny_run, everysum, tmp_path) -> None:
    def refused(*arguments: str | Path, code: int, given: bytes = b"") -> str:
        done = everysum("translate", *arguments, given=given)
        assert (done.code, done.out) == (code, ""), done
        return done.err

    assert refused(tiny_run, "ja", code=4).startswith("this model goes on with a text, it does not translate\n")
    said = refused(folders["separator"], "ja", "--look", code=4)
    assert said.startswith("this translator has no cross-attention to look at")
    assert refused(transformer, "ja", "--layer", "3", "--look", code=2).startswith("the decoder has no layer 3\n")
    assert refused(transformer, "ja", "--layer", "3", code=2).startswith("--layer says of which layer --look shows")
    assert refused(transformer, "ja", "--beam", "0", code=2).startswith("--beam cannot be 0\n")
    assert refused(transformer, "ja", "--n-best", "6", code=2).startswith("--n-best cannot be 6 with 5 beams\n")
    assert refused(transformer, "ja", "--file", "x", code=2).startswith("TEXT and --file do not go together\n")
    assert refused(transformer, "--file", "x", code=3) == "x cannot be read: No such file or directory\n"
    said = refused(transformer, code=3, given=b"\xff\n")
    assert said == "line 1 of standard input is not text in UTF-8\n  came: the byte 0xff as its byte 1\n"
    (tmp_path / "long.de").write_text("ja\n" + "das haus " * 100, encoding="utf-8")
    said = refused(transformer, "--file", tmp_path / "long.de", code=3)
    assert said.startswith(f"line 2 of {tmp_path}/long.de is longer than the translator's context\n")


def test_what_came_before_a_bad_line_is_translated(transformer, everysum) -> None:
    done = everysum("translate", transformer, given=b"ja\nalt\n\xc3\x28\n")
    assert done.code == 3
    assert len(done.out.splitlines()) == 2
    assert done.err.startswith("line 3 of standard input is not text in UTF-8")


@pytest.mark.parametrize("arguments", [("generate", "{}", "ja"), ("evaluate", "{}", "book.txt")])
def test_a_translator_is_no_language_model(transformer, everysum, home, arguments) -> None:
    done = everysum(*(argument.format(transformer) for argument in arguments))
    assert done.code == 4
    assert done.err.startswith("this model translates, it does not go on with a text\n")
    assert "do: let it translate: everysum translate" in done.err


def test_pairs_are_measured_as_sacrebleu_does(folder, everysum, tmp_path) -> None:
    sources, targets = ["ja", "", "das haus ist alt", "wo"], ["yes", "nothing", "the house is old", "where"]
    (tmp_path / "test.de").write_text("\n".join(sources) + "\n", encoding="utf-8")
    (tmp_path / "test.en").write_text("\n".join(targets) + "\n", encoding="utf-8")
    done = everysum("evaluate", folder, "--pairs", tmp_path / "test.de", tmp_path / "test.en", "--json", "--beam", "2")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    made = [
        one_line(everysum("translate", folder, source, "--beam", "2").out.removesuffix("\n"))
        for source in sources
        if source
    ]
    references = [[target for source, target in zip(sources, targets, strict=True) if source]]
    for name, metric in (("bleu", BLEU(force=True)), ("chrf", CHRF())):
        assert said[name]["score"] == pytest.approx(metric.corpus_score(made, references).score)
        assert said[name]["signature"] == str(metric.get_signature())
    assert "tok:13a" in said["bleu"]["signature"]
    assert (said["pairs"], said["passed_over"]) == (3, 1)
    assert said["sentences_per_second"] == pytest.approx(3 / said["seconds"])
    shown = everysum("evaluate", folder, "--pairs", tmp_path / "test.de", tmp_path / "test.en")
    assert [line.split()[0] for line in shown.out.splitlines()] == [
        *("BLEU", "chrF", "loss", "perplexity", "sentences", "speed")
    ]


def test_the_loss_of_pairs_is_that_of_a_plain_loop(folder, everysum, tmp_path) -> None:
    pairs = [("ja", "yes"), ("das haus ist alt", "the house is old")]
    for side, name in enumerate(("de", "en")):
        (tmp_path / name).write_text("".join(pair[side] + "\n" for pair in pairs), encoding="utf-8")
    said = json.loads(everysum("evaluate", folder, "--pairs", tmp_path / "de", tmp_path / "en", "--json").out)
    model = load(folder, device="cpu")
    losses: list[float] = []
    for source, target in pairs:
        ids, wanted = model.tokenizer.encode(source), [*model.tokenizer.encode(target), model.tokenizer.end_of_text]
        end = model.tokenizer.end_of_text
        for place, token_id in enumerate(wanted):
            with torch.no_grad():
                if "transformer" in str(folder):
                    hidden = model.network(torch.tensor([[*ids, end]]), torch.tensor([[end, *wanted[:place]]]))
                else:
                    separator = model.tokenizer.special_tokens["<SEP>"]
                    hidden = model.network(torch.tensor([[*ids, separator, *wanted[:place]]]))
                losses.append(-float(model.network.head(hidden[0, -1]).log_softmax(-1)[token_id]))
    assert said["loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert said["target_tokens"] == len(losses)


def test_pairs_that_do_not_go_together_are_refused(transformer, tiny_run, everysum, home) -> None:
    def refused(model: Path, *arguments: str, code: int) -> str:
        done = everysum("evaluate", model, *arguments)
        assert (done.code, done.out) == (code, ""), done
        return done.err

    (home / "one.de").write_text("ja\nnein\n", encoding="utf-8")
    (home / "one.en").write_text("yes\n", encoding="utf-8")
    (home / "empty.en").write_text("\n\n", encoding="utf-8")
    (home / "long.de").write_text("ja\n" + "das haus " * 100 + "\n", encoding="utf-8")
    assert "ends before line 2" in refused(transformer, "--pairs", "one.de", "one.en", code=3)
    assert "have no pair of sentences" in refused(transformer, "--pairs", "one.de", "empty.en", code=3)
    said = refused(transformer, "--pairs", "long.de", "one.de", code=3)
    assert said.startswith("line 2 of ")
    assert "longer than the translator's context" in said
    assert "it does not translate" in refused(tiny_run, "--pairs", "one.de", "one.de", code=4)
    assert refused(transformer, "book.txt", "--pairs", "one.de", "one.en", code=2).startswith(
        "TEXT and --pairs do not go"
    )
    assert refused(transformer, code=2).startswith("there is nothing to measure on\n")


def test_progress_is_told_with_the_time_left(monkeypatch, capsys) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    counting = Counting("sentences", 1000)
    for seconds, done in ((1, 10), (3, 30), (5, 60), (20, 400), (40, 1000)):
        now[0] = 100.0 + seconds
        counting.so_far(done)
    counting.clear()
    assert capsys.readouterr().err.splitlines() == [
        "30 of 1,000 sentences  10.0/s  1:37 left",
        "400 of 1,000 sentences  20.0/s  0:30 left",
    ]


def test_standard_input_is_given_out_in_pieces(tmp_path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"".join(b"%d\n" % number for number in range(1000)))
    with path.open("rb") as file:
        pieces = list(as_they_come(300, file))
    assert [line.text for piece in pieces for line in piece] == [str(number) for number in range(1000)]
    assert all(1 <= len(piece) <= 300 for piece in pieces)
    assert pieces[-1][-1].name == "line 1000 of standard input"
