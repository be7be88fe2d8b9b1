"""Files that are whole or not there: atomic writes, and folders committed once with a manifest of SHA-256 sums.

A file is written beside its place under a temporary name, flushed to the disk, and renamed; a folder likewise, with
`manifest.json` as its last file. A process killed at any moment leaves what was there before, or all of the new, and
perhaps a leftover whose name ends in `.temporary` or `.replaced`; `sweep_temporary` clears those away.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from everysum.errors import EverysumError, ModelFolderError, OutputError

MANIFEST = "manifest.json"
LARGEST_JSON = 2**26
"""Bytes of a JSON file; the longest that a person or a program has a use for here are vocabularies of some ten MB."""

_LEFTOVER = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.(?P<kind>temporary|replaced)")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_REASONS = {
    errno.EROFS: "it lies on a disk that may only be read",
    errno.EACCES: "permission denied",
    errno.EPERM: "the operation is not permitted",
    errno.EEXIST: "a file of that name is in the way",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "it is a folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EFBIG: "a file may not grow that large here",
    errno.EIO: "the disk reports an error of its own",
}


# --- one file ---------------------------------------------------------------------------------------------------------


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace the file by this content (a str as UTF-8), whole or not at all; missing parent folders are made.

    Raises OutputError when the disk is full or may not be written; what was there before is then intact.
    """
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write a large content to piece by piece; it takes the place of `path` when the block ends well."""
    with output_errors(path):
        target = path.resolve()
        _make_durably(target.parent)
        temporary = _beside(target, "temporary")
        try:
            with temporary.open("xb") as file, _held(temporary):
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _flush(target.parent)


def write_json(path: Path, value: Any) -> None:
    """Replace the file by this value as indented JSON, whole or not at all."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, error: type[EverysumError] = ModelFolderError, *, most: int = LARGEST_JSON) -> dict[str, Any]:
    """The JSON object in a file; `error` is raised, naming the file, when it is missing, broken or something else.

    A file of more than `most` bytes is not read.
    """
    try:
        if (size := path.stat().st_size) > most:
            raise error(f"{path} is too large", wanted=f"at most {most:,} bytes", came=f"{size:,} bytes")
        if not path.is_file():
            raise error(f"{path} is no file")
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror}") from problem
    except (ValueError, RecursionError) as problem:
        raise error(f"{path} is broken", wanted="a JSON object in UTF-8", came=str(problem)) from problem
    if not isinstance(value, dict):
        raise error(f"{path} holds something else", wanted="a JSON object", came=type(value).__name__)
    return value


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- one folder -------------------------------------------------------------------------------------------------------


@contextmanager
def commit_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder to write files in; when the block ends well it takes the place of `folder`, with a manifest.

    An older folder is replaced only where nothing but what its own manifest lists would be lost. Raises OutputError;
    whatever is raised, the temporary folder is removed and the older one is intact.
    """
    with output_errors(folder):
        target = folder.resolve()
        _refuse_to_lose_files(target)
        _make_durably(target.parent)
        temporary = _beside(target, "temporary")
        temporary.mkdir()
        with _held(temporary):
            try:
                yield temporary
                _seal(temporary)
                _put_in_place(temporary, target)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise


def verify_folder(folder: Path) -> None:
    """Check each file that the folder's manifest lists by size and SHA-256; files that it does not list are ignored.

    Raises ModelFolderError naming the file that is missing or damaged, or saying that there is no manifest.
    """
    for name, (size, sha256) in _manifest(folder).items():
        path = folder / name
        if not path.is_file():
            raise ModelFolderError(f"{path} is missing", wanted=f"the file that {folder / MANIFEST} lists")
        if path.stat().st_size != size:
            raise ModelFolderError(f"{path} is damaged", wanted=f"{size} bytes", came=f"{path.stat().st_size} bytes")
        if (came := sha256_of(path)) != sha256:
            raise ModelFolderError(f"{path} is damaged", wanted=f"SHA-256 {sha256}", came=f"SHA-256 {came}")


def sweep_temporary(parent: Path) -> None:
    """Clear away what killed processes left in this folder; an older folder caught in mid-replacement is put back.

    Files and folders that a living process is still writing are left to it.
    """
    if not parent.is_dir():
        return
    for path in sorted(parent.iterdir()):
        leftover = _LEFTOVER.fullmatch(path.name)
        if leftover is None or _is_held(path):
            continue
        with output_errors(path):
            original = parent / leftover["name"]
            if leftover["kind"] == "replaced" and not original.exists():
                path.rename(original)
            else:
                remove(path)


def remove(path: Path) -> None:
    """Delete a file, or a folder with all that is in it; nothing happens when it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _seal(folder: Path) -> None:
    """Flush every file of a folder to the disk, then write its manifest, the proof that all of them are there."""
    files: dict[str, dict[str, int | str]] = {}
    for path in sorted(folder.rglob("*")):
        _flush(path)
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "sha256": sha256_of(path)}
    write_json(folder / MANIFEST, {"files": files})


def _put_in_place(temporary: Path, target: Path) -> None:
    """Rename the new folder to its name; an older one steps aside first, since a rename replaces only empty folders."""
    if target.exists():
        aside = _beside(target, "replaced")
        with _held(target):
            target.rename(aside)
            try:
                temporary.rename(target)
            except BaseException:
                aside.rename(target)
                raise
            _flush(target.parent)
            shutil.rmtree(aside)
    else:
        temporary.rename(target)
        _flush(target.parent)


def _refuse_to_lose_files(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise OutputError(
            f"{target} cannot become a folder: a file of that name is in the way", advice="choose another"
        )
    try:
        listed = {MANIFEST, *_manifest(target)} if (target / MANIFEST).exists() else set()
    except ModelFolderError:
        return  # written by everysum and damaged since: nothing in it can be relied on
    if unknown := sorted(
        {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()} - listed
    ):
        raise OutputError(
            f"{target} holds files that everysum did not write there, and replacing it would lose them",
            came=", ".join(unknown[:5]) + (" …" if len(unknown) > 5 else ""),
            advice="choose another folder, or move these files elsewhere first",
        )


def _manifest(folder: Path) -> dict[str, tuple[int, str]]:
    path = folder / MANIFEST
    if not path.is_file():
        raise ModelFolderError(f"{folder} has no {MANIFEST}", wanted="a folder that was written to its end")
    try:
        entries = {name: (entry["size"], entry["sha256"]) for name, entry in read_json(path)["files"].items()}
    except (KeyError, TypeError, AttributeError) as problem:
        raise ModelFolderError(f"{path} is broken", wanted="a size and a SHA-256 for each file") from problem
    for name in entries:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ModelFolderError(f"{path} is broken", wanted="names of files inside the folder", came=name)
    return entries


# --- folders to write to, and what may go wrong with them -------------------------------------------------------------


def make_folder(path: Path) -> Path:
    """The folder, made with its parents where it is missing, and known to take files; OutputError otherwise."""
    with output_errors(path):
        _make_durably(path)
    check_writable(path)
    return path


def check_writable(path: Path) -> None:
    """Raise OutputError unless a file can be written in this folder: found out by writing one."""
    if not path.is_dir():
        raise OutputError(f"there is no folder {path} to write in", advice="make it first, or choose another")
    with output_errors(path):
        probe = _beside(path / "probe", "temporary")
        try:
            probe.write_bytes(b"everysum")
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn what an operating system says when it cannot write into an OutputError of one line about `path`.

    Libraries written in Rust wrap the system's error in their own; its number, kept in the text, is found there.
    """
    try:
        yield
    except EverysumError:
        raise
    except Exception as problem:
        number = _system_number(problem)
        if number in _NO_ROOM:
            raise OutputError(
                f"the disk is full: {path} needs more than the {_room(path)} free there; "
                "what was there before is intact, so make room or choose another disk, then start again"
            ) from problem
        if number in _REASONS:
            raise OutputError(f"{path} cannot be written: {_REASONS[number]}; choose another folder") from problem
        raise


def readable_size(count: float) -> str:
    """A number of bytes as people write it: 512 bytes, 3.1 MB."""
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"


def _room(path: Path) -> str:
    existing = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
    return readable_size(shutil.disk_usage(existing).free)


def _system_number(problem: Exception) -> int | None:
    if isinstance(problem, OSError):
        return problem.errno
    found = re.search(r"\(os error (\d+)\)", str(problem))
    return int(found[1]) if found else None


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.{kind}")


def _make_durably(folder: Path) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        _flush(path.parent)


def _flush(path: Path) -> None:
    """Make a file's content durable, or the names in a folder (Windows has no such call for folders)."""
    if sys.platform == "win32" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    """A lock that dies with its process and so tells work in progress from a leftover; yields whether it was free."""
    if sys.platform == "win32":
        yield True
        return
    import fcntl

    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        except OSError as problem:
            free = problem.errno != errno.EWOULDBLOCK  # a file system without locks holds nothing back
        yield free
    finally:
        os.close(descriptor)


def _is_held(path: Path) -> bool:
    with suppress(OSError), _held(path) as free:
        return not free
    return False


def cache_folder() -> Path:
    """Where what can be made again is kept: $EVERYSUM_CACHE, or everysum's folder in the user's cache."""
    if said := os.environ.get("EVERYSUM_CACHE"):
        return Path(said)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "everysum"
