"""Check that the built wheel works by itself: in a bare environment, away from this checkout, it runs the demo."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
NEEDED = (
    "everysum/py.typed",
    "everysum/data/nursery/nursery.txt",
    "everysum/generation/native/tower.cpp",
    "everysum/generation/native/products.h",
    "everysum/web/page/index.html",
    "everysum/web/page/inspect/diagram.js",
    "licenses/LICENSE",
)
DEMO = ("train", "--demo", "--set", "schedule.steps=20", "--out", "demo")


def run(*command: str | Path, folder: Path) -> str:
    """Run a command, show what it said if it fails, and end."""
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
        run(sys.executable, *build, folder=folder)
        (wheel,) = folder.glob("everysum-*.whl")
        inside = zipfile.ZipFile(wheel).namelist()
        if missing := [path for path in NEEDED if not any(entry.endswith(path) for entry in inside)]:
            sys.exit(f"{wheel.name} lacks {', '.join(missing)}")
        venv.create(folder / "bare", with_pip=True)
        python = folder / "bare" / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wheel, folder=folder)
        everysum = folder / "bare" / "bin" / "everysum"
        version = run(everysum, "--version", folder=folder).strip()
        run(everysum, *DEMO, folder=folder)
        text = run(everysum, "generate", "demo", "Humpty", "--tokens", "20", folder=folder)
        if not (folder / "demo" / "model.safetensors").is_file() or not text.strip():
            sys.exit("the demo's command left no model that generates")
        print(f"wheel: {wheel.name} ({version}) trains on the shipped text and generates in a bare environment")


if __name__ == "__main__":
    main()
