"""Check the page's modules with TypeScript's compiler, which reads the types in their comments.

Needs Node and npm. The compiler is fetched once from npm's registry into the user's cache, in the version that stands
here. Where that cannot be, it is said loudly, and the check passes: the rest of everysum needs no Node.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

TYPESCRIPT = "7.0.2"
PAGE = Path(__file__).parent.parent / "src" / "everysum" / "web" / "page"
OPTIONS = {
    "allowJs": True,
    "checkJs": True,
    "strict": True,
    "noEmit": True,
    "noUnusedLocals": True,
    "noUnusedParameters": True,
    "noImplicitReturns": True,
    "target": "es2022",
    "module": "es2022",
    "moduleResolution": "bundler",
    "lib": ["es2023", "dom", "dom.iterable"],
    "types": [],
}


def cache() -> Path:
    return Path(os.environ.get("EVERYSUM_CACHE") or Path.home() / ".cache" / "everysum") / "tools"


def compiler() -> Path | None:
    """The compiler's program, fetched if it is not there yet; None where it cannot be had."""
    folder = cache() / f"typescript-{TYPESCRIPT}"
    program = folder / "node_modules" / ".bin" / "tsc"
    npm = shutil.which("npm")
    if program.is_file() or npm is None or shutil.which("node") is None:
        return program if program.is_file() else None
    folder.mkdir(parents=True, exist_ok=True)
    fetch = (npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", f"typescript@{TYPESCRIPT}")
    subprocess.run(fetch, check=False, capture_output=True)
    return program if program.is_file() else None


def main() -> int:
    program = compiler()
    if program is None:
        missing = "Node and npm are not here" if shutil.which("npm") is None else "npm's registry does not answer"
        print(f"\n!!! page: the types of its modules were NOT CHECKED: {missing}\n")
        return 0
    modules = sorted(PAGE.rglob("*.js"))
    settings = cache() / "page.tsconfig.json"
    settings.write_text(json.dumps({"compilerOptions": OPTIONS, "files": [str(module) for module in modules]}))
    checked = subprocess.run([program, "--project", settings], check=False)
    if checked.returncode == 0:
        print(f"page: the types of {len(modules)} modules fit (TypeScript {TYPESCRIPT})")
    return checked.returncode


if __name__ == "__main__":
    sys.exit(main())
