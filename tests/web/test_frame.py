"""The frame of the page: quick, for everybody, from a telephone to a wall, and open to nobody else's code."""

from __future__ import annotations

import http.client
from urllib.parse import quote, urlsplit

import pytest
from browsing import violations

THEMES = [{"color_scheme": "light"}, {"color_scheme": "dark"}]
NARROW = {"viewport": {"width": 360, "height": 740}}
WIDE = {"viewport": {"width": 2560, "height": 1300}}


@pytest.mark.parametrize("watched", THEMES, indirect=True)
@pytest.mark.parametrize("route", ["/", "/chapter/network"])
def test_axe_finds_no_violation(route, watched) -> None:
    page = watched.open(route)
    page.get_by_role("heading", level=1).wait_for()
    if route != "/":
        watched.ready()
    assert violations(page) == []


@pytest.mark.parametrize("watched", [NARROW, WIDE], indirect=True)
@pytest.mark.parametrize("route", ["/", "/chapter/network"])
def test_nothing_sticks_out_at_the_side(route, watched) -> None:
    page = watched.open(route)
    page.get_by_role("heading", level=1).wait_for()
    if route != "/":
        watched.ready()
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("watched", [NARROW], indirect=True)
def test_on_a_telephone_the_chapters_are_behind_a_button(watched) -> None:
    page = watched.open("/")
    chapters = page.get_by_role("navigation", name="Chapters", exact=True)
    page.get_by_role("heading", level=1).wait_for()
    assert not chapters.is_visible()
    page.get_by_role("button", name="Chapters").click()
    chapters.get_by_role("link", name="Leaf or flower").click()
    page.get_by_role("heading", level=1, name="Leaf or flower").wait_for()
    watched.ready()
    assert not chapters.is_visible()


def test_the_keyboard_alone_goes_from_the_top_into_a_chapter(watched) -> None:
    page = watched.open("/")
    page.reload()
    page.get_by_role("link", name="Begin with the first network").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.textContent") == "Begin with the first network":
            break
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="Leaf or flower").wait_for()


def test_the_theme_that_is_chosen_stays(watched) -> None:
    page = watched.open("/")
    page.get_by_role("button", name="Colors: auto").click()
    page.get_by_role("button", name="Colors: light").click()
    background = "() => getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.reload()
    page.get_by_role("button", name="Colors: dark").wait_for()
    assert page.evaluate(background) == dark == "rgb(19, 22, 28)"


MAPS = """() => import('/heatmap.js').then(({ heatmap, held }) => {
  const map = () => heatmap(held(Float32Array.of(-1, 0, 0, 1), 2, 2), { label: 'four' }).element;
  const [stays, goes] = [map(), map()];
  document.querySelector('main').replaceChildren(stays, goes);
  goes.remove();
  window.told = [0, 0];
  for (const [number, element] of [stays, goes].entries())
    element.querySelector('.stage').addEventListener('everysum-colours', () => { window.told[number] += 1; });
  window.picture = () => {
    const canvas = stays.querySelector('.stage canvas');
    if (!canvas.width) return null;
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.some((number) => number) ? [...data].join() : null;
  };
})"""


def test_maps_take_the_colors_of_the_theme(watched) -> None:
    """Those on the page; one that is no longer there is told nothing, so nothing keeps it."""
    page = watched.open("/")
    page.get_by_role("heading", level=1).wait_for()
    page.get_by_role("button", name="Colors: auto").click()
    page.evaluate(MAPS)
    page.wait_for_function("() => { window.light = window.picture(); return window.light; }")
    page.get_by_role("button", name="Colors: light").click()
    page.wait_for_function("() => window.picture() !== window.light")
    assert page.evaluate("() => window.told") == [1, 0]


READS = """async () => {
  const { heatmap } = await import('/heatmap.js');
  const parts = [];
  const read = (part) => {
    parts.push(part);
    return { ...part, values: new Float32Array(part.rows * part.columns) };
  };
  const frame = () => new Promise(requestAnimationFrame);
  const { element } = heatmap({ rows: 50000, columns: 700, low: 0, high: 1, read }, { label: 'tall' });
  const main = document.querySelector('main');
  main.replaceChildren(element);
  for (let count = 0; count < 4; count += 1) await frame();
  const before = parts.length;
  element.remove();
  for (let count = 0; count < 4; count += 1) await frame();
  const there = ({ row, column, rows, columns }) => row >= 0 && column >= 0 && rows > 0 && columns > 0;
  return [before, parts.length, parts.every(there)];
}"""


def test_a_map_reads_a_part_that_there_is_and_nothing_once_it_is_gone(watched) -> None:
    page = watched.open("/")
    page.get_by_role("heading", level=1).wait_for()
    before, after, all_right = page.evaluate(READS)
    assert before >= 1
    assert after == before
    assert all_right


NAUGHTY = [
    "<script>window.pwned=1</script>",
    "\"'><img src=x onerror=window.pwned=1>",
    "javascript:window.pwned=1",
    "</title><svg onload=window.pwned=1>",
]


@pytest.mark.parametrize("text", NAUGHTY)
def test_whatever_stands_in_a_link_executes_nothing(text, watched) -> None:
    for route in (
        f"/chapter/{quote(text, safe='')}",
        f"/chapter/network?set={quote(text, safe='')}",
        f"/{quote(text)}",
    ):
        page = watched.open("/")
        page.get_by_role("heading", level=1).first.wait_for()
        watched.open(route)
        page.wait_for_timeout(150)
        assert page.evaluate("() => window.pwned") is None
        assert page.locator("img[src=x], main script, main svg[onload]").count() == 0
    watched.errors = [error for error in watched.errors if "Failed to load resource" not in error]


def test_the_policy_stops_code_that_got_in_all_the_same(watched) -> None:
    page = watched.open("/")
    page.get_by_role("heading", level=1).wait_for()
    injected = """() => {
      const image = document.createElement('img');
      try { image.setAttribute('onerror', 'window.pwned = 1'); } catch { window.refusedCode = true; }
      image.src = 'data:,';
      document.body.append(image);
      try { document.body.insertAdjacentHTML('beforeend', '<b>x</b>'); } catch { window.refused = true; }
    }"""
    page.evaluate(injected)
    page.wait_for_timeout(200)
    assert page.evaluate("() => [window.pwned ?? null, window.refused, window.refusedCode]") == [None, True, True]
    assert len(watched.errors) >= 1
    watched.errors.clear()


def test_no_file_beside_the_page_is_served(home, token) -> None:
    place = urlsplit(home)
    for path in (
        "/../app.py",
        "/..%2fapp.py",
        "/%2e%2e/app.py",
        "/app.py",
        "/api/source/everysum/files.py",
        "/.git/config",
    ):
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
        connection.putrequest("GET", path)
        connection.putheader("authorization", f"Bearer {token}")
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status in (400, 404), path
        assert b"import" not in answer.read()
        connection.close()
