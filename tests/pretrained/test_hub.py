"""Models by their name on the hub: a server of our own stands for it, and no test ever leaves this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_networks import small
from tiny import sentences

from everysum.errors import EverysumError, ModelFolderError, UsageError
from everysum.pretrained.folder import save_network
from everysum.pretrained.hub import folder_of, published
from everysum.tokenizers import train_tokenizer

pytest.importorskip("huggingface_hub")

OLD, NEW = "a" * 40, "b" * 40
NAME = "someone/tiny-model"
NEVER = ("evil.py", "pytorch_model.bin", "consolidated.safetensors", "onnx/model.onnx", "original/model.safetensors")


class Place:
    """A hub, and a cache of a user's own; programs that use both run as processes, for the library reads them once."""

    def __init__(self, folder: Path, port: str) -> None:
        self.folder, self.port, self.cache = folder / "hub", port, folder / "cache"

    def environment(self) -> dict[str, str]:
        mine = {"HF_ENDPOINT": f"http://127.0.0.1:{self.port}", "HF_HOME": str(self.cache), "HF_HUB_DISABLE_XET": "1"}
        mine |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1"}
        return {**{key: value for key, value in os.environ.items() if not key.startswith("HF_")}, **mine}

    def everysum(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        code = "import sys; sys.argv[0] = 'everysum'; from everysum.cli.main import run; run()"
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment(), check=False)

    def requests(self) -> list[str]:
        """What has been asked for since the last time that this was called."""
        file = self.folder / "requests"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A hub with one model in two versions, the newer one being main."""
    folder = tmp_path_factory.mktemp("place")
    model = folder / "hub" / NAME
    for seed, commit in enumerate((OLD, NEW)):
        tokenizer = train_tokenizer("byte_pair", sentences(seed=seed), 270)
        save_network(small("llama", vocabulary_size=270).float(), model / commit, end_of_text=tokenizer.end_of_text)
        tokenizer.save(model / commit)
        for name in NEVER:
            (model / commit / name).parent.mkdir(exist_ok=True)
            (model / commit / name).write_text("raise SystemExit('downloaded')")
    (model / "main").write_text(NEW)
    (model / "v1").write_text(OLD)
    (folder / "hub" / "someone" / "locked" / NEW).mkdir(parents=True)
    (folder / "hub" / "someone" / "locked" / "gated").write_text("")
    program = Path(__file__).parent.parent / "hub_server.py"
    server = subprocess.Popen([sys.executable, program, folder / "hub"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    yield Place(folder, server.stdout.readline().strip())
    server.terminate()
    server.wait()
    server.stdout.close()


@pytest.fixture(scope="module")
def downloaded(place: Place) -> dict[str, Any]:
    done = place.everysum("download", NAME, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_before_a_download_nothing_is_asked_of_anybody(place: Place) -> None:
    place.requests()
    done = place.everysum("generate", "nobody/nothing", "x")
    assert done.returncode == 4
    assert done.stderr == (
        "there is no model folder nobody/nothing\n"
        "  wanted: a folder with config.json, model.safetensors and tokenizer.json\n"
        "  do: if a model of the hub is meant: everysum download nobody/nothing\n"
    )
    assert place.requests() == []


def test_a_download_says_the_commit_and_brings_no_code_and_no_pickles(place: Place, downloaded: dict[str, Any]) -> None:
    assert downloaded["name"] == NAME
    assert downloaded["commit"] == NEW
    folder = Path(downloaded["folder"])
    assert folder.name == NEW
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_a_downloaded_model_is_opened_by_its_name_without_asking_anybody(
    place: Place, downloaded: dict[str, Any]
) -> None:
    place.requests()
    done = place.everysum("generate", NAME, "the", "--tokens", "5", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["prompt"] == "the"
    assert place.requests() == []


@pytest.mark.slow
def test_a_revision_is_its_own_commit_and_main_stays_what_was_downloaded(
    place: Place, downloaded: dict[str, Any]
) -> None:
    older = json.loads(place.everysum("download", f"{NAME}@v1", "--json").stdout)
    assert older["commit"] == OLD
    program = (
        "import everysum as es, sys; "
        f"print(es.load('{NAME}').folder.name, es.load('{NAME}', revision='v1').folder.name, "
        f"es.load('{NAME}@{OLD}').folder.name)"
    )
    place.requests()
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=place.environment(), check=False
    )
    assert done.stdout.split() == [NEW, OLD, OLD], done.stderr
    assert place.requests() == []


def test_the_same_from_python_downloads_when_told_to(place: Place) -> None:
    own = Place(place.folder.parent, place.port)
    own.cache = place.cache.with_name("cache-of-another")
    program = f"import everysum as es; print(es.load('{NAME}', download=True, revision='{OLD}').folder.name)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=own.environment(), check=False
    )
    assert done.stdout.split() == [OLD], done.stderr
    shutil.rmtree(own.cache)


@pytest.mark.slow
def test_training_goes_on_from_a_model_by_its_name_and_records_its_commit(
    place: Place, downloaded: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text(sentences())
    done = place.everysum(
        "train", str(tmp_path / "mine.txt"), "--from", NAME, "--set", "schedule.steps=2", "--out", str(tmp_path / "run")
    )
    assert done.returncode == 0, done.stderr
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert recipe["base"]["model"] == NAME
    assert Path(recipe["base"]["folder"]).name == NEW


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["someone/nowhere"], 4, "the hub has no model someone/nowhere, or not for you\n"),
        ([NAME, "--revision", "v9"], 4, f"{NAME} has no revision 'v9'\n  wanted: a branch, a tag or a commit\n"),
        (["someone/locked"], 4, "someone/locked is given only to those who have accepted its licence\n"),
        (
            ["just-a-word"],
            2,
            "'just-a-word' is no name of a model on the hub\n  wanted: org/name or org/name@revision\n",
        ),
        ([f"{NAME}@v1", "--revision", "main"], 2, f"two revisions of {NAME}\n  wanted: one\n  came: v1 and main\n"),
        (["someone/-odd-"], 2, "someone/-odd- is no name of a model on the hub\n"),
    ],
)
def test_what_cannot_be_downloaded_is_refused(place: Place, arguments: list[str], code: int, said: str) -> None:
    done = place.everysum("download", *arguments)
    assert done.stderr.startswith(said)
    assert done.returncode == code
    assert done.stdout == ""


def test_a_hub_that_does_not_answer_is_a_fault_of_the_connection(place: Place) -> None:
    away = Place(place.folder.parent, "9")  # nobody listens there
    done = away.everysum("download", "someone/else")
    assert done.returncode == 7
    assert done.stderr.startswith("someone/else could not be downloaded\n  came: ")


@pytest.mark.slow
def test_a_part_of_a_download_is_refused(place: Place, downloaded: dict[str, Any], tmp_path: Path) -> None:
    own = Place(place.folder.parent, place.port)
    own.cache = tmp_path / "cache"
    shutil.copytree(place.cache, own.cache, symlinks=True)
    next(own.cache.rglob(f"snapshots/{NEW}/model.safetensors")).unlink()
    done = own.everysum("generate", NAME, "the")
    assert done.returncode == 4
    assert done.stderr == (f"only a part of {NAME} has been downloaded\n  do: get the rest: everysum download {NAME}\n")


# --- names and folders ------------------------------------------------------------------------------------------------


def test_a_folder_comes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "name").mkdir(parents=True)
    assert folder_of("org/name") == Path("org/name")
    for asked in ({"download": True}, {"revision": "main"}):
        with pytest.raises(UsageError, match="org/name is a folder here, not a model of the hub"):
            folder_of("org/name", **asked)


@pytest.mark.parametrize("model", ["none", "a/b/c", "/a/b", "./a", "../a/b", "a/b@", "a b/c", ""])
def test_what_is_no_name_is_a_missing_folder(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EverysumError) as refused:
        folder_of(model if model else tmp_path / "none")
    assert str(refused.value).startswith("there is no model folder ")
    with pytest.raises(UsageError, match="is no name of a model on the hub"):
        folder_of(model or "none", download=True)


def test_a_file_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "file").write_text("x")
    with pytest.raises(ModelFolderError, match="there is no model folder org/file"):
        folder_of("org/file")


def test_without_the_library_a_name_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", None)
    with pytest.raises(ModelFolderError, match=r"do: if a model of the hub is meant: pip install 'everysum\[hub\]'"):
        published("org/name")
    with pytest.raises(EverysumError, match="models of the hub need the library huggingface-hub") as refused:
        published("org/name", download=True)
    assert refused.value.exit_code == 7
