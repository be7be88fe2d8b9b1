"""The inspector in a browser: how long from a click to the answer on the screen, and does anything stutter or freeze?

    python benchmarks/page.py [--clicks 200] [--tokens 64] [--quick] [--only paint clicks matrix prompt]

Needs Chromium, and GPT-2's tokenizer in the folder that EVERYSUM_TEST_DATA names. How long the page takes to its first
paint. Then real mouse clicks on numbers chosen
at random in tensors chosen at random, of a pass of a GPT-2 of 124 million random weights: from the moment at which the
browser got the click to behind the first frame that shows the explanation. Then, for a matrix of 1,024 × 768, the time
of every frame while it is moved and zoomed, by wheel and drag; and the longest task while a prompt of 2,048 tokens is
recorded, shown and looked into. Times are wall-clock times: run it on a machine that does nothing else. `--quick` is a
small network and few clicks, to see that it runs.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from browsing import Watched, context_of, find, started
from playwright.sync_api import Browser, Page

from everysum.model import Model
from everysum.models.gpt import GPT
from everysum.tokenizers.files import load_tokenizer

SIZES = {"width": 768, "layers": 12, "heads": 12}
QUICK = {"width": 96, "layers": 2, "heads": 4}
TEXT = "Humpty Dumpty sat on a wall. All the king's horses and all the king's men came by and looked. "
STATION = ".diagram-of details"
CLICKS_EACH = 4
"""In each tensor that is opened."""


# --- the page --------------------------------------------------------------------------------------------------------


def saved_gpt(folder: Path, sizes: dict[str, int], context_length: int) -> Path:
    """A GPT-2 with random weights, as its file would have them: small ones, and normalizations at 1."""
    data = os.environ.get("EVERYSUM_TEST_DATA")
    if not data:
        sys.exit("EVERYSUM_TEST_DATA names no folder: GPT-2's tokenizer is needed")
    tokenizer = load_tokenizer(Path(data) / "tokenizers" / "gpt2")
    network = GPT(vocabulary_size=tokenizer.vocabulary_size, context_length=context_length, **sizes)
    torch.manual_seed(0)
    for name, parameter in network.named_parameters():
        parameter.data.normal_(1.0 if "normalization.weight" in name else 0.0, 0.02)
    print(f"\n{sum(parameter.numel() for parameter in network.parameters()):,} parameters\n", flush=True)
    Model(network.float().eval(), tokenizer).save(folder)
    return folder


@contextmanager
def inspected(browser: Browser, folder: Path) -> Iterator[Watched]:
    """The page as `everysum open` serves it, by a process of its own."""
    command = [str(Path(sys.executable).parent / "everysum"), "open", "--no-browser", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        link = server.stdout.readline().strip()
        watched = Watched(context_of(browser), link.partition("?")[0])
        watched.page.set_default_timeout(600_000)
        watched.page.goto(link)
        yield watched
        watched.context.close()
        server.terminate()
    if complaints := watched.accuse():
        sys.exit("\n".join(complaints))


def head() -> None:
    print("| | measured | wanted |\n|---|---|---|")


def row(what: str, measured: str, wanted: str = "") -> None:
    print(f"| {what} | {measured} | {wanted} |", flush=True)


def told(milliseconds: Sequence[float]) -> str:
    ordered = sorted(milliseconds)
    late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"{statistics.median(ordered):.0f} ms, 95 % within {late:.0f} ms, longest {ordered[-1]:.0f} ms"


# --- the first paint -------------------------------------------------------------------------------------------------

PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def paint(browser: Browser, folder: Path) -> None:
    """The beginning, a chapter and the inspector, each opened five times."""
    with inspected(browser, folder) as watched:
        for route in ("/", "/chapter/network", "/inspect"):
            found = []
            for _ in range(5):
                page = watched.open(route)
                page.reload()
                page.wait_for_function(PAINTED)
                found.append(page.evaluate(PAINTED))
            row(f"first paint of {route}", told(found), "1,000 ms")


# --- clicks ----------------------------------------------------------------------------------------------------------

WATCH = """() => {
  window.answered = null;
  const place = document.querySelector('.explanation');
  let came = 0;
  for (const kind of ['pointerup', 'click'])
    addEventListener(kind, (event) => { came = event.timeStamp; }, { capture: true });
  new MutationObserver(() => requestAnimationFrame(() => setTimeout(() => {
    window.answered ??= performance.now() - came;
  }))).observe(place, { childList: true });
}"""
"""From the browser's own time of the click to behind the frame in which the explanation is painted."""


def clicked(page: Page, click: Callable[[], None]) -> float:
    """Milliseconds from a click to its answer on the screen; then whatever came along with it is waited for."""
    page.evaluate("() => { window.answered = null; }")
    click()
    page.wait_for_function("() => window.answered !== null")
    found = float(page.evaluate("() => window.answered"))
    page.wait_for_function("() => !document.querySelector('.stream-view .waiting')")
    return found


def open_tensor(page: Page, name: str) -> None:
    """Open a tensor's map as far as that its numbers can be clicked."""
    page.locator(f'.chip[data-tensor="{name}"]').first.dispatch_event("click")
    page.wait_for_function("name => document.querySelector('.tensor h2')?.textContent === name", arg=name)
    page.locator(".tensor .stage").scroll_into_view_if_needed()
    page.wait_for_timeout(100)


def on_a_number(page: Page, chosen: random.Random) -> tuple[float, float]:
    """Move the mouse to some number of the map that is open."""
    while True:
        box = page.locator(".tensor .stage canvas").bounding_box()
        assert box is not None
        x, y = (box[start] + chosen.random() * box[size] for start, size in (("x", "width"), ("y", "height")))
        page.locator(".tensor .reading").evaluate("reading => reading.replaceChildren()")
        page.mouse.move(x, y)
        if page.locator(".tensor .reading").text_content():
            return x, y


def clicks(browser: Browser, folder: Path, tokens: int, count: int) -> None:
    chosen = random.Random(1)
    with inspected(browser, folder) as watched:
        began = time.perf_counter()
        text = (TEXT * (tokens // 8 + 1)).split()[: tokens * 3 // 4]
        page = watched.open(f"/inspect?model=0&prompt={' '.join(text)}")
        watched.ready(seconds=600)
        seen = page.get_by_role("list", name="the tokens").get_by_role("button").count()
        row(f"{seen} tokens: opened, recorded and named", f"{time.perf_counter() - began:.1f} s")
        page.evaluate(WATCH)
        page.locator(STATION).evaluate_all("all => all.forEach(each => { each.open = true; })")
        names = page.locator(".chip").evaluate_all("all => all.map(chip => chip.dataset.tensor)")
        fused = [name for name in names if name.endswith(".attention.mixed")]
        taken: dict[str, list[float]] = {"first clicks into a fused attention": [], "other clicks on numbers": []}
        taken["clicks on the largest term of a sum"] = []
        slowest = (0.0, "")
        for name in [*fused, *(chosen.choice(names) for _ in range(count // CLICKS_EACH))]:
            open_tensor(page, name)
            for number in range(CLICKS_EACH):
                place = on_a_number(page, chosen)
                milliseconds = clicked(page, lambda place=place: page.mouse.click(*place))
                taken[list(taken)[number > 0 or name not in fused]].append(milliseconds)
                slowest = max(slowest, (milliseconds, name))
                term = page.locator(".explanation .terms button")
                if term.count():
                    taken["clicks on the largest term of a sum"].append(clicked(page, term.first.click))
                page.locator(".tensor .stage").scroll_into_view_if_needed()
        for what, times in taken.items():
            row(f"{len(times)} {what}", told(times), "50 ms")
        row("the slowest of all", f"{slowest[0]:.0f} ms, {slowest[1]}")


# --- a large matrix --------------------------------------------------------------------------------------------------

TASKS = """() => {
  window.tasks = [];
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) window.tasks.push(duration);
  }).observe({ type: 'longtask' });
}"""
SHOW = """async ([rows, columns]) => {
  const { heatmap, held } = await import('/heatmap.js');
  const values = Float32Array.from({ length: rows * columns }, (_, at) => Math.sin(at / 97) * Math.cos(at / 1013));
  const map = heatmap(held(values, rows, columns), { label: 'large' });
  document.querySelector('main').replaceChildren(map.element);
  window.frames = [];
  let last = 0;
  const frame = (now) => {
    if (window.watching && last) window.frames.push(now - last);
    last = window.watching ? now : 0;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""


def matrix(browser: Browser, folder: Path) -> None:
    with inspected(browser, folder) as watched:
        page = watched.open("/")
        page.get_by_role("heading", level=1).wait_for()
        page.evaluate(TASKS)
        page.evaluate(SHOW, [1024, 768])
        stage = page.locator(".stage")
        stage.click()
        box = stage.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        for what, act in {
            "zoomed by wheel until its numbers can be read": lambda step: zoomed(page, -40),
            "moved by wheel over its numbers": lambda step: page.mouse.wheel(30, 40),
            "dragged over its numbers": lambda step: dragged(page, x, y, step),
            "zoomed out by wheel": lambda step: zoomed(page, 40),
        }.items():
            page.evaluate("() => { window.frames = []; window.tasks = []; window.watching = true; }")
            for step in range(60):
                act(step)
            page.wait_for_timeout(100)
            page.evaluate("() => { window.watching = false; }")
            frames, tasks = page.evaluate("() => [window.frames, window.tasks]")
            row(f"1,024 × 768 {what}: between frames", told(frames), "17 ms")
            row("tasks over 50 ms in it", f"{len(tasks)}", "0")


def zoomed(page: Page, much: float) -> None:
    page.keyboard.down("Control")
    page.mouse.wheel(0, much)
    page.keyboard.up("Control")


def dragged(page: Page, x: float, y: float, step: int) -> None:
    if step == 0:
        page.mouse.down()
    page.mouse.move(x - step * 5, y - step * 3)
    if step == 59:
        page.mouse.up()
        page.mouse.move(x, y)


# --- a long prompt ---------------------------------------------------------------------------------------------------


def prompt(browser: Browser, folder: Path, tokens: int) -> None:
    with inspected(browser, folder) as watched:
        page = watched.open("/inspect?model=0&prompt=Humpty")
        watched.ready(seconds=600)
        page.evaluate(TASKS)
        began = time.perf_counter()
        page.get_by_label("Prompt").fill(" wall" * tokens)
        page.get_by_role("button", name="Look inside").click()
        watched.ready(2, seconds=600)
        seen = page.get_by_role("list", name="the tokens").get_by_role("button").count()
        row(f"a prompt of {seen:,} tokens, recorded and shown", f"{time.perf_counter() - began:.1f} s")
        stage(page, "while it was recorded and shown")
        page.locator(STATION).evaluate_all("all => all.forEach(each => { each.open = true; })")
        for name in ("blocks.0.attention.attention_weights", "logits"):
            began = time.perf_counter()
            with page.expect_response(lambda response: "/tile?" in response.url) as came:
                page.locator(f'.chip[data-tensor="{name}"]').first.dispatch_event("click")
            came.value.finished()
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
            row(f"its {name} opened", f"{time.perf_counter() - began:.1f} s")
            stage(page, "while that came")


def stage(page: Page, when: str) -> None:
    tasks = page.evaluate("() => { const found = window.tasks; window.tasks = []; return found; }")
    row(f"the longest task {when}", f"{max(tasks, default=0):.0f} ms, {len(tasks)} over 50 ms", "200 ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clicks", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=["paint", "clicks", "matrix", "prompt"])
    asked = parser.parse_args()
    if find() is None:
        sys.exit("there is no Chromium here; install Debian's package chromium")
    sizes = QUICK if asked.quick else SIZES
    count = 12 if asked.quick else asked.clicks
    with tempfile.TemporaryDirectory() as base, started() as browser:
        folder = saved_gpt(Path(base) / "gpt-2", sizes, 1024)
        head()
        if "paint" in asked.only:
            paint(browser, folder)
        if "clicks" in asked.only:
            clicks(browser, folder, asked.tokens, count)
        if "matrix" in asked.only:
            matrix(browser, folder)
        if "prompt" in asked.only:
            long = saved_gpt(Path(base) / "long", {**sizes, "layers": 1}, 2048)
            head()
            prompt(browser, long, 200 if asked.quick else 2048)


if __name__ == "__main__":
    main()
