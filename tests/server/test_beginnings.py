"""What the inspector begins with: each model's own words, whatever else lies in its folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from opus_mt import opus_mt_folder
from small_translators import saved_translator
from tiny import train_tiny, write_text
from tiny_pairs import train_tiny_pairs, write_pairs

from everysum.server.beginnings import TOKENS, samples, sentence_to_begin_with
from everysum.server.models import Models
from everysum.training.log import Log, read_log


def beginning(folder: Path) -> tuple[str, str | None]:
    told = Models([folder]).kind("0")
    return told["prompt"], told["target"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, its log ending as one that was killed while it wrote."""
    base = tmp_path_factory.mktemp("run")
    train_tiny(write_text(base), base / "run", {"schedule": {"steps": 16}})
    with (base / "run" / "log.jsonl").open("ab") as log:
        log.write('{"step": 17, "sample": "ä'.encode()[:-1])
    return base / "run"


def test_a_model_begins_as_what_it_wrote_last_in_its_training(run) -> None:
    written = [line["sample"] for line in read_log(run) if "sample" in line]
    assert samples(run) == written[::-1]
    prompt, target = beginning(run)
    first = next(line.strip() for line in written[-1].splitlines() if line.strip())
    assert prompt == first[:TOKENS]
    assert target is None


def test_a_translator_begins_with_the_sentence_that_it_translated_last_and_one_word_of_that(tmp_path) -> None:
    folder = saved_translator("transformer", tmp_path / "translator")
    log = Log(folder)
    log.write(step=1, loss=5.0)
    log.write(step=1, sample="Die Katze rief. → The the the")
    log.write(step=2, sample="Wo wohnst du? → Where do you live?")
    log.write(step=3, sample="Der Hund saß. → ")
    log.write(step=4, sample=f"Der Hund {'und der Hund ' * 20} → The dog")
    log.close()
    assert beginning(folder) == ("Wo wohnst du?", "Where")


@pytest.mark.slow
def test_so_does_one_that_was_just_trained(tmp_path_factory) -> None:
    base = tmp_path_factory.mktemp("pairs")
    train_tiny_pairs(write_pairs(base), base / "run", "transformer", {"schedule": {"steps": 60}})
    sentence, _, translation = samples(base / "run")[0].partition(" → ")
    assert beginning(base / "run") == (sentence, translation.split()[0])


def test_without_its_run_a_translator_begins_in_german_and_any_other_model_with_a_rhyme(run, tmp_path) -> None:
    assert beginning(saved_translator("transformer", tmp_path / "translator")) == ("Das Haus ist alt.", "")
    shutil.copytree(run, tmp_path / "moved")
    (tmp_path / "moved" / "log.jsonl").unlink()
    assert beginning(tmp_path / "moved") == ("Humpty Dumpt", None)


def test_a_published_translator_begins_in_its_own_languages(test_data, tmp_path) -> None:
    folder = opus_mt_folder(test_data / "parallel" / "multi30k", tmp_path)
    assert sentence_to_begin_with(folder) == ("The house is old.", "Das")


@pytest.mark.parametrize(
    "log",
    [b"", b"\xff\xfe", b"[]\n", b'{"sample": 3}\n', b'{"sample": "no arrow"}\n', b'{"sample": "' + b"x" * 300_000],
)
def test_a_log_that_says_nothing_is_as_good_as_none(log, tmp_path) -> None:
    folder = saved_translator("transformer", tmp_path / "translator")
    (folder / "log.jsonl").write_bytes(log)
    assert beginning(folder) == ("Das Haus ist alt.", "")
