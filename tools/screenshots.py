"""Screenshots of every chapter and of the inspector, in both themes and two widths, for somebody to look at.

python tools/screenshots.py FOLDER [--only network attention] [--widths 360 2560] [--model runs/book] [--whole]
"""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from browsing import Watched, context_of, find, started

from everysum.server.guard import Admission
from everysum.server.lessons import chapter_list
from everysum.server.limits import Limits
from everysum.server.listening import listen, running
from everysum.web.app import page_application

WIDTHS = (390, 1440)
"""Of a telephone and of a desk, in pixels of the page."""
THEMES = ("light", "dark")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", help="names of chapters, home or inspect")
    parser.add_argument("--themes", nargs="*", default=THEMES)
    parser.add_argument("--widths", nargs="*", type=int, default=WIDTHS, help="in pixels of the page")
    parser.add_argument("--model", type=Path, action="append", default=[])
    parser.add_argument("--whole", action="store_true", help="the whole length of each page")
    asked = parser.parse_args()
    if find() is None:
        sys.exit("there is no Chromium here; install Debian's package chromium")
    asked.folder.mkdir(parents=True, exist_ok=True)
    names = asked.only or ["home", *(chapter["name"] for chapter in chapter_list()), "inspect"]
    admission, limits, bound = Admission(token=secrets.token_urlsafe()), Limits(), listen("127.0.0.1", 0)
    home = f"http://127.0.0.1:{bound.getsockname()[1]}/"
    with running(page_application(admission, limits, asked.model), bound, limits), started() as browser:
        for theme in asked.themes:
            for width in asked.widths:
                size = {"width": width, "height": 844 if width < 600 else 900}
                watched = Watched(context_of(browser, viewport=size, color_scheme=theme), home)
                watched.page.goto(f"{home}?token={admission.token}")
                for name in names:
                    take(watched, name, asked.folder / f"{name}-{theme}-{width}.png", asked.whole)
                watched.context.close()
                print(
                    "\n".join(watched.accuse())
                    or f"{theme}, {width} wide: {len(names)} pages, nothing to complain about"
                )


def take(watched: Watched, name: str, path: Path, whole: bool) -> None:
    route = {"home": "/", "inspect": "/inspect"}.get(name, f"/chapter/{name}")
    page = watched.open(route)
    if name != "home":
        watched.ready(seconds=600)  # the GPT is trained in plain Python
    if name == "inspect" and page.locator(".predictions").count():
        page.locator(".predictions .bars button").first.click()
        page.locator(".stream-view .bars").wait_for()
    if name == "embedding":
        page.get_by_role("slider", name="rounds of training").press("End")
    if name == "sub-words":
        page.get_by_role("heading", name="The same sentence in the models that are open").wait_for()
    page.wait_for_timeout(300)
    page.screenshot(path=path, full_page=whole)


if __name__ == "__main__":
    main()
