"""What a chapter lets one do by hand: each control does what it says, and what it draws is what Python computes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from chapter_pages import QUICK, control, number, opened, press
from playwright.sync_api import Locator, Page, expect

from everysum.lessons.course import lesson
from everysum.plain.writing import figure

MOVING = {"reduced_motion": "no-preference"}


def test_pointing_at_a_neuron_writes_its_sum_out(watched) -> None:
    page = opened(watched, "network")
    control(page).get_by_role("button", name="orange: −47.094").focus()
    told = control(page).locator("p.sum")
    expect(told).to_have_text("orange = −47.094 = 32 × −0.36 + 107 × −0.21 + 56 × −0.27 + 11.2 × 0.18")


def test_the_weights_of_a_neuron_that_is_chosen_can_be_changed_beside_it(watched) -> None:
    page = opened(watched, "network")
    own = control(page).get_by_role("group", name="weights of the blue neuron")
    expect(own).to_be_visible()
    control(page).get_by_role("button", name="orange: −47.094").focus()
    expect(own).to_be_visible()
    page.keyboard.press("Enter")
    own = control(page).get_by_role("group", name="weights of the orange neuron")
    own.get_by_label("volume", exact=True).fill("-0.18")
    expect(control(page).get_by_role("button", name="orange: −51.126")).to_be_visible()
    expect(control(page).locator("p.sum")).to_contain_text("11.2 × −0.18")
    control(page).get_by_role("button", name="leaf: ", exact=False).click()
    expect(control(page).get_by_role("group", name="weights of the output leaf")).to_be_visible()


def test_a_weight_among_the_readers_own_numbers_turns_the_verdict(watched) -> None:
    page = opened(watched, "network")
    own = page.locator("details.own")
    own.locator("fieldset", has_text="orange neuron").get_by_label("volume", exact=True).fill("-0.18")
    watched.ready(2)
    expect(control(page).get_by_role("button", name="orange: −51.126")).to_be_visible()
    expect(page.locator(".blocks .moved").first).to_be_visible()
    own.get_by_role("button", name="As it was").click()
    expect(control(page).get_by_role("button", name="orange: −47.094")).to_be_visible()


def test_an_epoch_at_a_press_lets_the_curve_fall(watched) -> None:
    page = opened(watched, "training", "epochs=1")
    seen = []
    for count in (1, 2, 3):
        watched.ready(count)
        expect(control(page).get_by_role("heading", name=f"What it says after {count} epochs")).to_be_visible()
        seen.append(control(page).locator("path.line").get_attribute("d"))
        press("One epoch more")(page)
    assert [path.count("L") for path in seen] == [0, 1, 2]
    rows = control(page).locator("table").first.locator("td.number").all_text_contents()
    assert abs(number(rows[0]) - number(rows[1])) < 1e-4


def test_the_window_slides_and_types(watched) -> None:
    page = opened(watched, "characters")
    spoken = lesson("characters", QUICK["characters"]).data()
    table = next(
        block for block in spoken["blocks"] if block["kind"] == "table" and block["rows"][0]["name"] == "after 0"
    )
    said = table["rows"][-1]["cells"][0].replace("␣", " ")
    sentence = said if said.startswith("humpty dumpt") else "humpty dumpt" + said
    press("Next character")(page)
    expect(control(page).locator("p.quiet").first).to_contain_text(f"It sees “{sentence[1:13]}”")
    press("Let it type")(page)
    expect(control(page).locator("p.quiet").first).to_have_text(f"It has said “{sentence[12:]}”.")


def test_words_that_change_places_behind_the_last_change_nothing(watched) -> None:
    page = opened(watched, "attention")
    taken = control(page).locator(".sums .result")
    before = taken.all_text_contents()
    words = control(page).get_by_role("listitem")
    words.nth(0).drag_to(words.nth(1))
    watched.ready(2)
    expect(words.first).to_contain_text("dumpty")
    assert taken.all_text_contents() == before
    words.nth(2).drag_to(words.nth(0))
    watched.ready(3)
    expect(control(page).get_by_role("heading", name="What humpty takes home")).to_be_visible()
    assert taken.all_text_contents() != before


def test_sums_around_the_layers_can_be_switched_off(watched) -> None:
    page = opened(watched, "residual")
    rows = next(
        b for b in lesson("residual").data()["blocks"] if b["kind"] == "table" and b["columns"] == ["without", "with"]
    )
    bars = control(page).locator(".bars .value")
    assert bars.all_text_contents() == [row["cells"][1] for row in rows["rows"]]
    press("Sums around the layers")(page)
    assert bars.all_text_contents() == [row["cells"][0] for row in rows["rows"]]
    expect(control(page)).to_contain_text("the gradient has vanished")


def test_each_kind_of_position_numbers_is_drawn(watched) -> None:
    page = opened(watched, "positions")
    for kind in ("sines", "unpaired sines and cosines", "fractions", "counting", "sines and cosines"):
        press(kind)(page)
        expect(control(page).get_by_role("img", name=f"position numbers, {kind}", exact=True)).to_be_visible()
    stage = control(page).get_by_role("application")
    stage.focus()
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    table = [b for b in lesson("positions").data()["blocks"] if b["kind"] == "table"][4]
    shown = control(page).locator(".reading").text_content()
    assert abs(number(shown.rsplit(": ", 1)[1]) - table["rows"][2]["values"][0]) < 1e-6


def test_merges_are_made_one_by_one_on_the_readers_own_sentence(watched) -> None:
    page = opened(watched, "sub-words", "text=the cat the hat", "merges=0")
    cut = control(page).locator(".tokens").first
    assert "".join(cut.locator(".token").all_text_contents()) == "the␣cat␣the␣hat"
    lengths = []
    for count in range(1, 4):
        watched.ready(count)
        lengths.append(cut.locator(".token").count())
        press("One merge more")(page)
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > lengths[-1]


# --- the map of characters --------------------------------------------------------------------------------------------


def map_of(*settings: str) -> dict[str, Any]:
    (block,) = [block for block in lesson("embedding", settings).data()["blocks"] if block["kind"] == "map"]
    return block


def moment(page: Page) -> Locator:
    """The slider over the rounds of training."""
    return control(page).get_by_role("slider", name="rounds of training")


def numbers_shown(page: Page) -> dict[str, list[str]]:
    rows = control(page).locator("details tbody tr")
    return dict(rows.evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.textContent))" + PARTED))


PARTED = ".map(([name, ...figures]) => [name, figures])"


def points(page: Page) -> dict[str, tuple[float, float]]:
    """Where each character is drawn, in units of the drawing."""
    drawn = control(page).locator("svg .point").evaluate_all("all => all.map(e => [e.textContent, e.style.transform])")
    return {name: tuple(map(float, re.findall(r"-?[\d.]+(?=px)", place))) for name, place in drawn}


def shown_figures(block: dict[str, Any], step: int) -> dict[str, list[str]]:
    return {name: [figure(x), figure(y)] for name, (x, y) in zip(block["names"], block["places"][step], strict=True)}


def test_characters_move_on_their_map_as_python_moves_them(watched) -> None:
    page = opened(watched, "embedding", "epochs=7")
    block = map_of("epochs=7")
    seen = []
    for step in range(8):
        expect(
            control(page).get_by_text(f"After round {step} of 7 the loss is {figure(block['losses'][step])}.")
        ).to_be_visible()
        assert numbers_shown(page) == shown_figures(block, step)
        seen.append(points(page))
        if step < 7:
            press("One round more")(page)
    assert moment(page).input_value() == "7"
    assert [control(page).locator("path.trail").first.get_attribute("d").count("L")] == [7]
    for places, drawn in zip(block["places"], seen, strict=True):
        numbers = dict(zip(block["names"], places, strict=True))
        one, other = block["names"][:2]
        for axis, sign in ((0, 1), (1, -1)):
            apart = numbers[other][axis] - numbers[one][axis]
            unit = sign * (drawn[other][axis] - drawn[one][axis]) / apart
            for name, at in drawn.items():
                expected = drawn[one][axis] + sign * unit * (numbers[name][axis] - numbers[one][axis])
                assert at[axis] == pytest.approx(expected, abs=0.02 + 0.02 * abs(numbers[name][axis] / apart))


def test_the_map_is_gone_through_by_keyboard(watched) -> None:
    page = opened(watched, "embedding", "epochs=5")
    block = map_of("epochs=5")
    moment(page).focus()
    page.keyboard.press("End")
    assert numbers_shown(page) == shown_figures(block, 5)
    page.keyboard.press("ArrowLeft")
    assert numbers_shown(page) == shown_figures(block, 4)
    assert moment(page).get_attribute("aria-valuetext") == "4 of 5"
    more = control(page).get_by_role("button", name="One round more")
    more.focus()
    for _ in range(3):
        page.keyboard.press("Enter")
    assert numbers_shown(page) == shown_figures(block, 5)
    assert more.evaluate("button => document.activeElement === button")
    expect(more).to_have_attribute("aria-disabled", "true")


@pytest.mark.parametrize("watched", [MOVING], indirect=True)
def test_the_map_plays_and_pauses(watched) -> None:
    page = opened(watched, "embedding", "epochs=120", "width=1")
    losses = map_of("epochs=120", "width=1")["losses"]
    press("Let it learn")(page)
    page.wait_for_function("() => Number(document.querySelector('.control .over').value) > 3")
    press("Pause")(page)
    paused = moment(page).input_value()
    page.wait_for_timeout(400)
    assert moment(page).input_value() == paused
    expect(control(page).get_by_text(f"the loss is {figure(losses[int(paused)])}.")).to_be_visible()
    press("From the start")(page)
    assert moment(page).input_value() == "0"


def test_who_wants_less_motion_is_shown_the_end_at_once(watched) -> None:
    page = opened(watched, "embedding", "epochs=40")
    press("Let it learn")(page)
    assert moment(page).input_value() == "40"
    expect(control(page).get_by_role("button", name="Let it learn")).to_be_visible()
    moved = control(page).locator("svg .point").first
    assert moved.evaluate("point => getComputedStyle(point).transitionDuration") == "0s"


def test_a_curve_of_every_fifth_round_is_read_in_rounds(watched) -> None:
    page = opened(watched, "dropout")
    table = [block for block in lesson("dropout", QUICK["dropout"]).data()["blocks"] if block["kind"] == "table"][-1]
    without, with_dropout = (row["cells"][-1] for row in table["rows"])
    read = control(page).locator(".curve")
    expect(read).to_contain_text(f"round 10: without dropout {without} · with dropout {with_dropout}")
    read.get_by_role("slider").press("ArrowLeft")
    expect(read).to_contain_text("round 5: ")


@pytest.mark.parametrize("watched", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
def test_a_drawing_is_made_anew_when_a_telephone_is_turned(watched) -> None:
    page = opened(watched, "network")
    drawn = control(page).locator("svg.drawing")
    upright = drawn.get_attribute("viewBox")
    page.set_viewport_size({"width": 1280, "height": 740})
    expect(drawn).not_to_have_attribute("viewBox", upright)
    page.set_viewport_size({"width": 360, "height": 740})
    expect(drawn).to_have_attribute("viewBox", upright)


@pytest.mark.parametrize("watched", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
def test_a_whole_alphabet_fits_a_telephone(watched) -> None:
    page = opened(watched, "one-hot")
    stage = control(page).locator(".stage")
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 6, box["y"] + box["height"] - 6)
    expect(control(page).locator(".reading")).to_contain_text("26 “␣”: 0")


def test_a_map_is_as_wide_as_what_it_shows(watched) -> None:
    page = opened(watched, "transformer")
    stage = control(page).locator(".stage")
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 6, box["y"] + box["height"] / 2)
    expect(control(page).locator(".reading")).to_contain_text("3 “?”: ")


STEPPERS = {
    "training": (["epochs=1"], "One epoch more", "Go on by itself", "From the start"),
    "characters": ([], "Next character", "Let it type", "From the start"),
    "sub-words": (["merges=0"], "One merge more", "Go on by itself", "Single characters"),
    "separator": ([], "Next word", "Go on by itself", "From the start"),
}
"""The figures that each begins with, and its buttons."""


@pytest.mark.parametrize("name", STEPPERS)
def test_steps_are_taken_and_taken_back_by_keyboard(name: str, watched) -> None:
    figures, *words = STEPPERS[name]
    page = opened(watched, name, *figures)
    step, play, start = (control(page).get_by_role("button", name=word, exact=True) for word in words)
    step.focus()
    shown = [control(page).inner_text()]
    for key in ("Enter", " "):
        page.keyboard.press(key)
        page.wait_for_function("before => document.querySelector('.control').innerText !== before", arg=shown[-1])
        assert page.evaluate("document.activeElement.textContent") == words[0]
        shown.append(control(page).inner_text())
    page.keyboard.press("Tab")
    assert play.evaluate("button => document.activeElement === button")
    page.keyboard.press("Tab")
    assert start.evaluate("button => document.activeElement === button")
    page.keyboard.press("Enter")
    page.wait_for_function("before => document.querySelector('.control').innerText !== before", arg=shown[-1])
