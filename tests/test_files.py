"""Whole or not there: every write, killed or failing at any moment, leaves the old or the new."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from everysum.errors import InputError, ModelFolderError, OutputError
from everysum.files import (
    check_writable,
    commit_folder,
    make_folder,
    read_json,
    replacing,
    sha256_of,
    sweep_temporary,
    verify_folder,
    write_atomically,
    write_json,
)

SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def commit(folder: Path, version: int) -> None:
    with commit_folder(folder) as temporary:
        for name in ("weights.bin", "shards/one.bin"):
            (temporary / name).parent.mkdir(exist_ok=True)
            (temporary / name).write_bytes(f"{version} ".encode() * 1000)


def versions_in(folder: Path) -> set[str]:
    verify_folder(folder)
    return {word for path in folder.rglob("*.bin") for word in path.read_text().split()}


def test_a_written_file_holds_the_content_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "recipe.json"
    write_atomically(path, "naïve\r\n")
    assert path.read_bytes() == b"na\xc3\xafve\r\n"
    write_atomically(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert names_in(path.parent) == ["recipe.json"]


def test_writing_through_a_link_keeps_the_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_atomically(path, "old")
    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        file.write(b"%d" % (1 // 0))
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["log"]


def test_the_sha256_is_the_published_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_of(tmp_path / "file") == SHA256_OF_ABC


def test_a_committed_folder_lists_its_files_with_size_and_sum(tmp_path: Path) -> None:
    with commit_folder(tmp_path / "a" / "step") as temporary:
        (temporary / "state").write_bytes(b"abc")
    assert read_json(tmp_path / "a" / "step" / "manifest.json") == {
        "files": {"state": {"size": 3, "sha256": SHA256_OF_ABC}}
    }
    verify_folder(tmp_path / "a" / "step")
    assert names_in(tmp_path / "a") == ["step"]


def test_files_that_may_only_be_read_can_be_committed(tmp_path: Path) -> None:
    with commit_folder(tmp_path / "step") as temporary:
        (temporary / "tokenizer.json").write_bytes(b"abc")
        (temporary / "tokenizer.json").chmod(0o400)
    verify_folder(tmp_path / "step")


def test_a_failing_block_leaves_the_old_folder(tmp_path: Path) -> None:
    commit(tmp_path / "step", 1)
    with pytest.raises(ZeroDivisionError), commit_folder(tmp_path / "step") as temporary:
        (temporary / "weights.bin").write_bytes(b"%d" % (1 // 0))
    assert versions_in(tmp_path / "step") == {"1"}
    assert names_in(tmp_path) == ["step"]


def test_every_flipped_bit_is_found_and_its_file_named(tmp_path: Path) -> None:
    with commit_folder(tmp_path / "step") as temporary:
        (temporary / "state").write_bytes(b"abc")
    for name in ("state", "manifest.json"):
        good = (tmp_path / "step" / name).read_bytes()
        for bit in range(8 * len(good)):
            flipped = bytearray(good)
            flipped[bit // 8] ^= 1 << bit % 8
            (tmp_path / "step" / name).write_bytes(flipped)
            with pytest.raises(ModelFolderError):
                verify_folder(tmp_path / "step")
        (tmp_path / "step" / name).write_bytes(good)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "weights.bin").unlink(), "weights.bin is missing"),
        (lambda folder: os.truncate(folder / "weights.bin", 1999), "wanted: 2000 bytes\n  came: 1999 bytes"),
        (lambda folder: (folder / "shards/one.bin").write_bytes(b"x" * 2000), "shards/one.bin is damaged"),
        (lambda folder: (folder / "manifest.json").unlink(), "has no manifest.json"),
        (lambda folder: os.truncate(folder / "manifest.json", 40), "manifest.json is broken"),
        (lambda folder: write_json(folder / "manifest.json", {"files": {"a": 1}}), "manifest.json is broken"),
        (
            lambda folder: write_json(folder / "manifest.json", {"files": {"../a": {"size": 1, "sha256": ""}}}),
            "wanted: names of files inside the folder\n  came: ../a",
        ),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    commit(tmp_path / "step", 1)
    damage(tmp_path / "step")
    with pytest.raises(ModelFolderError) as refusal:
        verify_folder(tmp_path / "step")
    assert message in str(refusal.value)


def test_files_that_the_manifest_does_not_list_are_never_lost(tmp_path: Path) -> None:
    commit(tmp_path / "book", 1)
    (tmp_path / "book" / "my_notes.txt").write_text("precious")
    with pytest.raises(OutputError) as refusal:
        commit(tmp_path / "book", 2)
    assert "replacing it would lose them\n  came: my_notes.txt" in str(refusal.value)
    assert versions_in(tmp_path / "book") == {"1"}
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OutputError, match="cannot become a folder: a file of that name is in the way"):
        commit(tmp_path / "file", 2)
    assert (tmp_path / "file").read_text() == "precious"


def test_a_damaged_folder_may_be_written_anew(tmp_path: Path) -> None:
    commit(tmp_path / "step", 1)
    (tmp_path / "step" / "manifest.json").write_text("{")
    commit(tmp_path / "step", 2)
    assert versions_in(tmp_path / "step") == {"2"}


FAILING_COMMITS = """
import errno, os, sys
from pathlib import Path
from everysum.errors import OutputError
from everysum.files import commit_folder, sweep_temporary, verify_folder

root, how, made = Path(sys.argv[1]), sys.argv[2], 0

def commit(folder, version):
    with commit_folder(folder) as temporary:
        (temporary / "shards").mkdir()
        for name in ("weights.bin", "shards/one.bin"):
            (temporary / name).write_bytes(version * 1000)

def counted(original, point):
    def call(*arguments, **options):
        global made
        made += 1
        number = made
        if number == point and how == "dies before":
            os._exit(9)
        if number == point and how == "is refused":
            raise OSError(errno.ENOSPC, "No space left on device")
        try:
            return original(*arguments, **options)
        finally:
            if number == point and how == "dies after":
                os._exit(9)
    return call

def child(folder, point):
    for name in ("open", "mkdir", "fsync", "rename", "replace", "rmdir", "unlink"):
        setattr(os, name, counted(getattr(os, name), point))
    try:
        commit(folder, b"2")
        commit(folder, b"3")
    except OutputError:
        os._exit(9)
    os._exit(0 if made >= point else 8)

status, point = 0, 0
while status != 8:
    point += 1
    folder = root / str(point) / "step"
    commit(folder, b"1")
    process = os.fork()
    if process == 0:
        child(folder, point)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert status in (0, 8, 9), status
    sweep_temporary(folder.parent)
    verify_folder(folder)
    assert os.listdir(folder.parent) == ["step"], point
    (version,) = {path.read_bytes()[:1] for path in folder.rglob("*.bin")}
    print(version.decode())
"""


@pytest.mark.parametrize("how", ["dies before", "dies after", "is refused"])
def test_a_failure_at_any_call_to_the_system_leaves_the_old_or_the_new_folder(tmp_path: Path, how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILING_COMMITS, tmp_path, how], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 40, "too few calls were counted"
    assert set(done.stdout.split()) == {"1", "2", "3"}


WRITER = """
import sys
from pathlib import Path
from everysum.files import commit_folder
print("ready", flush=True)
for version in range(1_000_000):
    with commit_folder(Path(sys.argv[1])) as temporary:
        for name in ("weights.bin", "more.bin"):
            (temporary / name).write_bytes(f"{version} ".encode() * 1000)
"""


def killed_writer(folder: Path, seconds: float) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    with writer.stdout as output:
        output.readline()
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        writer.wait()


@pytest.mark.parametrize("trials", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_leaves_the_old_or_the_new_folder(tmp_path: Path, trials: int) -> None:
    folder, moments = tmp_path / "step", random.Random(trials)
    commit(folder, 0)
    for _ in range(trials):
        killed_writer(folder, moments.uniform(0, 0.15))
        sweep_temporary(tmp_path)
        assert len(versions_in(folder)) == 1
        assert names_in(tmp_path) == ["step"]


def test_sweeping_clears_leftovers_and_puts_back_what_stood_aside(tmp_path: Path) -> None:
    commit(tmp_path / "moved", 1)
    (tmp_path / "moved").rename(tmp_path / ".moved.0123abcd.replaced")
    (tmp_path / ".step.0123abcd.temporary").mkdir()
    (tmp_path / ".log.0123abcd.temporary").write_text("half")
    (tmp_path / ".mine.temporary").write_text("not ours")
    sweep_temporary(tmp_path)
    assert names_in(tmp_path) == [".mine.temporary", "moved"]
    assert versions_in(tmp_path / "moved") == {"1"}
    sweep_temporary(tmp_path / "nowhere")


def test_sweeping_leaves_alone_what_is_still_being_written(tmp_path: Path) -> None:
    with commit_folder(tmp_path / "step") as temporary, replacing(tmp_path / "log") as log:
        sweep_temporary(tmp_path)
        (temporary / "weights.bin").write_bytes(b"7")
        log.write(b"7")
    assert versions_in(tmp_path / "step") == {"7"}
    assert (tmp_path / "log").read_bytes() == b"7"


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full: {} needs more than the "),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "the disk is full: {} needs more than the "),
        (OSError(errno.EROFS, "Read-only file system"), "{} cannot be written: it lies on a disk that may only be"),
        (PermissionError(errno.EACCES, "Permission denied"), "{} cannot be written: permission denied; choose another"),
    ],
)
def test_a_system_that_refuses_to_write_is_told_in_one_line(tmp_path: Path, problem: Exception, message: str) -> None:
    with pytest.raises(OutputError) as refusal, commit_folder(tmp_path / "step"):
        raise problem
    assert str(refusal.value).startswith(message.format(tmp_path / "step"))
    assert "\n" not in str(refusal.value)


FILLER = """
import sys
from pathlib import Path
from everysum.errors import OutputError
from everysum.files import commit_folder, verify_folder, write_atomically
root = Path(sys.argv[1])
def commit(version, size):
    with commit_folder(root / "step") as temporary:
        (temporary / "weights.bin").write_bytes(version * size)
    write_atomically(root / "log", version * 10)
commit(b"1", 4096)
refused = 0
for size in range(0, 600_000, 20_000):
    try:
        commit(b"2", size)
    except OutputError as error:
        refused += 1
        assert str(error).startswith("the disk is full") and "what was there before is intact" in str(error), error
        assert len(str(error).splitlines()) == 1
    verify_folder(root / "step")
    assert sorted(path.name for path in root.iterdir()) == ["log", "step"]
print(refused)
"""


def test_a_full_disk_at_any_fill_level_leaves_the_last_good_folder(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=300k none {tmp_path} && exec {sys.executable} -c '{FILLER}' {tmp_path}"
    private = ["unshare", "--mount", "--user", "--map-root-user", "sh", "-c"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*private, f"mount -t tmpfs none {tmp_path}"], check=False).returncode
    ):
        pytest.skip("no small disk can be mounted here")
    done = subprocess.run([*private, mount], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 15


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "runs" / "book")
    assert names_in(tmp_path / "runs" / "book") == []
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OutputError, match=r"file cannot be written: a file of that name is in the way; choose another"):
        make_folder(tmp_path / "file")
    with pytest.raises(OutputError, match=r"book cannot be written: a part of the path is a file, not a folder"):
        make_folder(tmp_path / "file" / "book")
    with pytest.raises(OutputError, match="there is no folder"):
        check_writable(tmp_path / "nowhere")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="permission denied"):
        make_folder(tmp_path / "book")
    with pytest.raises(OutputError, match="permission denied"):
        check_writable(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is broken"),
        (b"\xff", "is broken"),
        (b"[" * 100_000, "is broken"),
        (b"[1]", "wanted: a JSON object\n  came: list"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_broken_json_is_refused_by_name(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)
    for error in (ModelFolderError, InputError):
        with pytest.raises(error) as refusal:
            read_json(path, error)
        assert str(refusal.value).startswith(f"{path} ")
        assert message in str(refusal.value)


def test_json_comes_back_as_it_was_written(tmp_path: Path) -> None:
    value = {"text": "Ünïcödé �", "numbers": [1, 2.5, None]}
    write_json(tmp_path / "value.json", value)
    assert read_json(tmp_path / "value.json") == value
