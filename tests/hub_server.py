"""A hub of our own on this machine: what huggingface-hub asks for, answered from a folder; run as a program."""

from __future__ import annotations

import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse

FOLDER = Path(sys.argv[1]) if __name__ == "__main__" else Path()
"""In it stand org/name/COMMIT/files, and org/name/main with the newest commit's hash."""


class Hub(BaseHTTPRequestHandler):
    """Every request is written to the file `requests` in the folder."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = unquote(urlparse(self.path).path).strip("/")
        with (FOLDER / "requests").open("a", encoding="utf-8") as requests:
            requests.write(f"{self.command} {path}\n")
        parts = path.split("/")
        if parts[:2] == ["api", "models"] and parts[4:5] == ["revision"]:
            self.describe("/".join(parts[2:4]), parts[5])
        elif parts[:2] == ["api", "models"] and parts[4:5] == ["tree"]:
            self.send(json.dumps([self.listed(file) for file in self.files("/".join(parts[2:4]), parts[5])]).encode())
        elif parts[2:3] == ["resolve"]:
            self.give("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self.send(b"", 404)

    def commit(self, name: str, revision: str) -> str | None:
        """The commit that a branch, a tag or a commit's own hash stands for."""
        mark = FOLDER / name / revision
        commit = mark.read_text(encoding="utf-8").strip() if mark.is_file() else revision
        return commit if (FOLDER / name / commit).is_dir() else None

    def describe(self, name: str, revision: str) -> None:
        if (FOLDER / name / "gated").exists():
            self.send(b"", 403, {"X-Error-Code": "GatedRepo"})
        elif not (FOLDER / name).is_dir():
            self.send(b"", 404, {"X-Error-Code": "RepoNotFound"})
        elif (commit := self.commit(name, revision)) is None:
            self.send(b"", 404, {"X-Error-Code": "RevisionNotFound"})
        else:
            siblings = [{"rfilename": self.listed(file)["path"]} for file in self.files(name, commit)]
            self.send(
                json.dumps({"id": name, "modelId": name, "sha": commit, "siblings": siblings, "tags": []}).encode()
            )

    def files(self, name: str, revision: str) -> list[Path]:
        folder = FOLDER / name / (self.commit(name, revision) or "")
        return sorted(path for path in folder.rglob("*") if path.is_file())

    def listed(self, file: Path) -> dict[str, str | int]:
        path = "/".join(file.relative_to(FOLDER).parts[3:])
        return {
            "type": "file",
            "path": path,
            "size": file.stat().st_size,
            "oid": hashlib.sha1(file.read_bytes()).hexdigest(),
        }

    def give(self, name: str, revision: str, path: str) -> None:
        commit = self.commit(name, revision)
        file = FOLDER / name / (commit or "") / path
        if commit is None or not file.is_file():
            self.send(b"", 404, {"X-Error-Code": "EntryNotFound"})
            return
        mark = {"ETag": f'"{hashlib.sha1(file.read_bytes()).hexdigest()}"', "X-Repo-Commit": commit}
        self.send(file.read_bytes(), 200, mark)

    def send(self, content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    print(server.server_port, flush=True)
    server.serve_forever()
