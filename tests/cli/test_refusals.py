"""What cannot be done is refused in one clear message, with the exit code of its kind, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

MODEL = "model"
HELP = "{} explains everything"


def lines(problem: str, *, wanted: str = "", came: str = "", do: str = "") -> str:
    parts = [
        problem,
        *(f"  {label}: {text}" for label, text in (("wanted", wanted), ("came", came), ("do", do)) if text),
    ]
    return "\n".join(parts) + "\n"


REFUSED_TEXTS = [
    ("train boko.txt", 3, lines("there is no file boko.txt", do="did you mean book.txt?")),
    ("train book.txt --valid q", 3, lines("there is no file q")),
    ("train empty.txt", 3, lines("{}/empty.txt is empty", wanted="a file with text in it")),
    (
        "train binary.txt",
        3,
        lines(
            "{}/binary.txt is not text in UTF-8: it looks binary",
            came="the byte 0x00 at offset 4",
            do="convert or mend the file, or use --errors replace to read each bad byte as � (U+FFFD)",
        ),
    ),
    (
        "train latin.txt",
        3,
        lines(
            "{}/latin.txt is not text in UTF-8",
            came="the byte 0xe9 at offset 3",
            do="convert or mend the file, or use --errors replace to read each bad byte as � (U+FFFD)",
        ),
    ),
    (
        "train short.txt",
        3,
        lines(
            "the text is too short to train on",
            wanted="at least 1,000 bytes; from 100,000 on it begins to be worth while",
            came="6 bytes in {}/short.txt",
        ),
    ),
    (
        "train -",
        3,
        lines("standard input is empty", wanted="a text, such as from: zcat book.txt.gz | everysum …"),
    ),
    ("train - -", 2, lines("standard input can be read only once", wanted="one -", came="2")),
    (
        "train book.txt --demo",
        2,
        lines("--demo and TEXT do not go together", wanted="one of them", came="--demo and book.txt"),
    ),
    (
        "train",
        2,
        lines(
            "there is no text to train on",
            wanted="everysum train TEXT…: files, folders, or - for standard input",
            do="to see how it goes, `everysum train --demo` trains on the nursery stories that ship with it",
        ),
    ),
    ("evaluate model empty.txt", 3, lines("empty.txt is empty", wanted="a file with text in it")),
]

REFUSED_RECIPES = [
    (
        "train book.txt --set network.widht=64",
        2,
        lines(
            "no recipe has the key 'network.widht'",
            do="did you mean 'network.width'? `everysum train --print-recipe` shows every key",
        ),
    ),
    (
        "train book.txt --set network.width=64 --set network.heads=5",
        2,
        lines(
            "5 heads cannot share a width of 64 evenly",
            wanted="a number of heads that divides the width",
            came="width 64, heads 5",
            do="for this width take 2, 4, 8 heads, or a width of 65",
        ),
    ),
    ("train book.txt --set foo", 2, lines("--set 'foo' sets nothing", wanted="key=value, such as schedule.steps=500")),
    (
        "train book.txt --recipe defualt",
        2,
        lines(
            "there is no recipe 'defualt'",
            wanted="one of default, llama, gpt, article, transformer, separator, tiny-translator, or a recipe file "
            "such as runs/book/recipe.json",
            do="did you mean 'default'?",
        ),
    ),
    (
        "train book.txt --minutes 0",
        2,
        lines("--minutes cannot be 0", wanted="a number above 0, such as 5 or 0.5"),
    ),
    (
        "train book.txt --minutes nan",
        2,
        lines("--minutes cannot be nan", wanted="a number above 0, such as 5 or 0.5"),
    ),
    (
        "train book.txt --device gpu",
        2,
        lines("there is no device called 'gpu'", wanted="auto or cpu or cuda or mps"),
    ),
]

REFUSED_FOLDERS = [
    (
        "train book.txt --out binary.txt/run",
        5,
        "binary.txt/run cannot be written: a part of the path is a file, not a folder; choose another folder\n",
    ),
    (
        "train book.txt --out model",
        5,
        lines(
            "model exists already and holds checkpoints and 4 more",
            wanted="a new or empty folder",
            do="give another --out, or go on with that run: everysum train --resume --out model",
        ),
    ),
    (
        "train --resume",
        2,
        lines("--resume needs the run to go on with", wanted="everysum train --resume --out RUN"),
    ),
    (
        "train --resume --out nowhere",
        3,
        lines(
            "nowhere holds no run to go on with",
            wanted="a folder with recipe.json, as `everysum train` makes it",
            do="leave --resume out to begin a run there",
        ),
    ),
    (
        "train --resume model --seed 3",
        2,
        lines(
            "--resume goes on with the text and the recipe of the run, which cannot be changed",
            wanted="everysum train --resume --out RUN",
            came="model, --seed",
            do="for another run like it: everysum train TEXT --recipe RUN/recipe.json",
        ),
    ),
    (
        "generate nowhere hello",
        4,
        lines(
            "there is no model folder nowhere", wanted="a folder with config.json, model.safetensors and tokenizer.json"
        ),
    ),
    ("tokenize nowhere hello", 4, "nowhere cannot be read: No such file or directory\n"),
]

REFUSED_PROMPTS = [
    (
        ("generate", MODEL, ""),
        3,
        lines(
            "the prompt is empty",
            wanted="at least one character",
            do="leave the prompt out to let the model start a new text",
        ),
    ),
    (
        ("generate", MODEL, "0123456789" * 3),
        3,
        lines(
            "the prompt is longer than the model's context",
            wanted="at most 16 tokens",
            came="30 tokens",
            do="shorten it, or take a model with a longer context",
        ),
    ),
    (
        ("generate", MODEL, "Tom", "--stop", ""),
        2,
        "a stop string cannot be empty: it would end every text before its first character\n",
    ),
    (
        ("generate", MODEL, "Tom", "--chances", "0"),
        2,
        lines("--chances cannot be 0", wanted="a whole number, 1 or more"),
    ),
    (
        ("generate", MODEL, "Tom", "--chances", "--continuations", "3"),
        2,
        lines("--chances and --continuations do not go together", wanted="one of them"),
    ),
    (
        ("generate", MODEL, "Tom", "--seed", "-1"),
        2,
        lines("this seed cannot be", wanted="a whole number from 0 to 2⁶³ − 1", came="-1"),
    ),
    (
        ("generate", MODEL, "--prompts", "gap.txt"),
        3,
        lines("line 2 of the prompts is empty", wanted="a prompt on each line"),
    ),
    (
        ("generate", MODEL, "--prompts", "latin.txt"),
        3,
        lines("latin.txt is not text in UTF-8", came="the byte 0xe9 at offset 3"),
    ),
    (
        ("evaluate", MODEL, "book.txt", "--stride", "0"),
        2,
        lines("--stride cannot be 0", wanted="a whole number, 1 or more"),
    ),
]

REFUSED_WORDS = [
    (
        "trian",
        lines(
            "there is no command 'trian'",
            wanted="train or generate or chat or evaluate or translate or export or tokenize or download or "
            "lesson or open or explain or doctor",
            do="did you mean `everysum train`?",
        ),
    ),
    (
        "zzz",
        lines(
            "there is no command 'zzz'",
            wanted="train or generate or chat or evaluate or translate or export or tokenize or download or "
            "lesson or open or explain or doctor",
            do="`everysum --help` shows all",
        ),
    ),
    (
        "train --minuts 3",
        lines(
            "`everysum train` has no option --minuts",
            do="did you mean --minutes? `everysum train --help` explains everything",
        ),
    ),
    (
        "generate",
        lines(
            "missing argument 'MODEL'",
            wanted="everysum generate [OPTIONS] MODEL [PROMPT]",
            do="`everysum generate --help` explains everything",
        ),
    ),
]


@pytest.fixture
def bad_things(home: Path, tiny_run: Path) -> Path:
    (home / "empty.txt").touch()
    (home / "binary.txt").write_bytes(b"\x7fELF\0" + b"\0" * 2000)
    (home / "latin.txt").write_bytes("café au lait".encode("latin-1") * 200)
    (home / "short.txt").write_text("short\n", encoding="utf-8")
    (home / "gap.txt").write_text("one\n\ntwo\n", encoding="utf-8")
    shutil.copytree(tiny_run, home / MODEL)
    return home


def listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_size) for path in folder.rglob("*") if path.is_file() or path.is_dir())


@pytest.mark.parametrize(("words", "code", "text"), REFUSED_TEXTS + REFUSED_RECIPES + REFUSED_FOLDERS)
def test_a_refusal_says_what_was_wanted_what_came_and_what_to_do(words, code, text, everysum, bad_things) -> None:
    before = listing(bad_things)
    outcome = everysum(*words.split())
    assert (outcome.code, outcome.err, outcome.out) == (code, text.replace("{}", str(bad_things)), "")
    assert listing(bad_things) == before


@pytest.mark.parametrize(("arguments", "code", "text"), REFUSED_PROMPTS)
def test_a_prompt_that_cannot_be_used_is_refused(arguments, code, text, everysum, bad_things) -> None:
    outcome = everysum(*arguments)
    assert (outcome.code, outcome.err, outcome.out) == (code, text, "")


@pytest.mark.parametrize(("words", "text"), REFUSED_WORDS)
def test_a_word_that_does_not_exist_is_refused_with_the_nearest_that_does(words, text, everysum) -> None:
    outcome = everysum(*words.split())
    assert (outcome.code, outcome.err, outcome.out) == (2, text, "")


def test_a_value_of_the_wrong_type_is_refused_with_its_option(everysum) -> None:
    outcome = everysum("generate", "x", "--tokens", "many")
    assert outcome.code == 2
    assert outcome.err.startswith("invalid value for '--tokens': ")
    assert "  wanted: everysum generate [OPTIONS] MODEL [PROMPT]\n" in outcome.err


def test_a_choice_that_there_is_not_is_refused_with_those_that_there_are(everysum) -> None:
    outcome = everysum("generate", "run", "x", "--weights", "int3")
    assert outcome.code == 2
    assert outcome.err.startswith("invalid value for '--weights': 'int3' is not one of 'auto', 'float32', 'bf16',")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what is asked for in vain")
def test_a_device_that_is_not_here_is_refused(everysum, home) -> None:
    outcome = everysum("train", "book.txt", "--device", "cuda")
    assert outcome.code == 7
    assert outcome.err.startswith("this machine has no cuda that torch can use\n  wanted: cuda\n  came: ")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("harm", ["missing", "cut off"])
def test_a_broken_model_folder_is_refused_with_the_name_of_the_file(name, harm, everysum, bad_things) -> None:
    path = bad_things / MODEL / name
    if harm == "missing":
        path.unlink()
        if name == "config.json":
            (bad_things / MODEL / "recipe.json").unlink()  # with it, the folder is an unfinished run
    else:
        path.write_bytes(path.read_bytes()[:50])
    outcome = everysum("generate", MODEL, "Tom")
    assert (outcome.code, outcome.out) == (4, "")
    assert outcome.err.startswith(f"{MODEL}/{name} ")
    assert "Traceback" not in outcome.err


def test_with_json_a_refusal_is_json_too(everysum, home) -> None:
    outcome = everysum("train", "boko.txt", "--json")
    assert outcome.code == 3
    assert json.loads(outcome.err) == {
        "error": {
            "kind": "InputError",
            "exit_code": 3,
            "problem": "there is no file boko.txt",
            "advice": "did you mean book.txt?",
        }
    }


def test_a_bad_byte_can_be_replaced_instead(everysum, bad_things, tiny_run) -> None:
    outcome = everysum("evaluate", MODEL, "latin.txt", "--errors", "replace", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["bytes"] == len(("caf\ufffd au lait" * 200).encode())
