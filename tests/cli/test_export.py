"""`everysum export`: a folder that transformers opens, a file that llama.cpp opens, and nothing written over."""

from __future__ import annotations

import json

import pytest
import torch

from everysum.model import load


def test_a_folder_in_another_form_opens_in_transformers(everysum, tiny_run, tmp_path) -> None:
    outcome = everysum("export", tiny_run, tmp_path / "half", "--dtype", "bfloat16")
    assert (outcome.code, outcome.out) == (0, f"{tmp_path / 'half'}\n")
    assert outcome.err.endswith(" bytes\n")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "half")
    assert theirs.dtype is torch.bfloat16
    ours = load(tiny_run)
    ids = torch.tensor([ours.tokenizer.encode("Tom sat")])
    assert AutoTokenizer.from_pretrained(tmp_path / "half")("Tom sat")["input_ids"] == ids[0].tolist()
    with torch.no_grad():
        logits = theirs(ids).logits.float()
    assert (logits - ours.logits(ids)).abs().max() < 0.05 * logits.abs().max()


def test_a_gguf_file_and_a_folder_at_once_as_json(everysum, tiny_run, tmp_path) -> None:
    outcome = everysum("export", tiny_run, tmp_path / "copy", "--gguf", tmp_path / "model.gguf", "--json")
    told = json.loads(outcome.out)
    assert told == {"gguf": str(tmp_path / "model.gguf"), "folder": str(tmp_path / "copy"), "dtype": "float32"}
    assert (tmp_path / "model.gguf").read_bytes()[:4] == b"GGUF"
    prompt = {"tokens": 8, "temperature": 0.0}
    assert load(tmp_path / "copy").generate("Tom", **prompt) == load(tiny_run).generate("Tom", **prompt)


def test_nothing_is_written_over(everysum, tiny_run, tmp_path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    (tmp_path / "full.gguf").write_text("dear")
    for arguments in ([tmp_path / "full"], [tmp_path / "full" / "letter.txt"], ["--gguf", tmp_path / "full.gguf"]):
        outcome = everysum("export", tiny_run, *arguments)
        assert outcome.code == 5
        assert f"{arguments[-1]} is taken" in outcome.err
    assert (tmp_path / "full" / "letter.txt").read_text() == (tmp_path / "full.gguf").read_text() == "dear"


def test_something_must_be_asked_for(everysum, tiny_run) -> None:
    outcome = everysum("export", tiny_run)
    assert (outcome.code, outcome.err) == (2, "nothing to write\n  wanted: a FOLDER, or --gguf FILE\n")


@pytest.mark.slow
def test_what_cannot_be_exported_leaves_nothing_behind(everysum, home, few_steps) -> None:
    made = everysum("train", "book.txt", "--out", "run", "--set", "tokenizer.kind=characters", *few_steps[:6])
    assert made.code == 0, made.err
    outcome = everysum("export", "run", "--gguf", home / "model.gguf")
    assert outcome.code == 2
    assert "this tokenizer has no form in GGUF" in outcome.err
    assert not (home / "model.gguf").exists()
