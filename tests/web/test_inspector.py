"""The inspector: any number of a recorded pass looked at, asked down to the weights, and changed."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import torch
from browsing import Watched, violations
from inspecting import SEVEN, ask, explanation, number, value
from playwright.sync_api import Page, expect

from everysum.explain.stream import residual_of

PROMPT = "humpty dumpt"


def opened(watched: Watched, prompt: str = PROMPT) -> Page:
    watched.open("/inspect")
    page = watched.page
    page.get_by_label("Prompt").wait_for()
    watched.ready()
    if prompt != page.get_by_label("Prompt").input_value():
        page.get_by_label("Prompt").fill(prompt)
        page.get_by_role("button", name="Look inside").click()
        watched.ready(2)
    return page


def test_predictions_are_the_models(watched, humpty) -> None:
    page = opened(watched)
    logits = humpty.logits(torch.tensor([humpty.token_ids(PROMPT)]))[0, -1].double()
    chances = page.get_by_role("list", name="the likeliest tokens")
    for temperature in (1.0, 2.5):
        page.locator(".predictions").get_by_label("temperature", exact=True).fill(str(temperature))
        page.wait_for_timeout(300)
        best = (logits / temperature).softmax(-1).topk(12)
        shown = chances.locator(".value").all_text_contents()
        for text, chance, token in zip(shown, best.values.tolist(), best.indices.tolist(), strict=True):
            percentage, logit = text.split(" · ")
            assert number(logit) == pytest.approx(logits[token].item(), rel=1e-3)
            assert "<" in percentage or float(percentage.removesuffix(" %")) == pytest.approx(100 * chance, abs=0.06)


def test_a_logit_is_asked_down_to_a_weight_and_back(watched, humpty) -> None:
    page = opened(watched)
    record = humpty.record(PROMPT)
    page.get_by_role("list", name="the likeliest tokens").get_by_role("button").first.click()
    place = explanation(page)
    expect(place.get_by_role("heading", level=2)).to_contain_text("logits[0, 11,")
    token = int(humpty.logits(torch.tensor([humpty.token_ids(PROMPT)]))[0, -1].argmax())
    logit = record["logits"][0, -1, token]
    assert value(page, "recorded") == pytest.approx(logit.value, rel=SEVEN)
    assert value(page, "recomputed") == pytest.approx(logit.recomputed, rel=SEVEN)
    assert value(page, "difference") == pytest.approx(logit.difference, rel=0.06, abs=1e-12)
    terms = [number(text) for text in place.locator(".terms tbody td:first-child").all_text_contents()]
    assert terms == pytest.approx(list(logit.terms.values[:20]), rel=1e-4)
    rest = place.get_by_role("button", name="more terms").text_content()
    assert number(rest.rsplit(" ", 1)[1]) == pytest.approx(float(logit.terms.values[20:].sum()), rel=1e-4)
    first = logit.terms[0].terms
    place.locator(".terms button").nth(0).click()
    expect(place.get_by_role("navigation").get_by_role("listitem")).to_have_count(2)
    assert value(page, "recorded") == pytest.approx(first[0].value, rel=SEVEN)
    place.get_by_role("navigation").get_by_role("button").first.click()
    expect(place.locator(".terms tbody tr")).to_have_count(20)
    place.locator(".terms button").nth(1).click()
    expect(place.locator("p.quiet").first).to_have_text("a weight")
    assert value(page, "recorded") == pytest.approx(first[1].value, rel=SEVEN)


def test_the_residual_stream_adds_up_to_the_logit(watched, humpty) -> None:
    page = opened(watched)
    page.get_by_role("list", name="the likeliest tokens").get_by_role("button").first.click()
    record = humpty.record(PROMPT)
    token = int(record["logits"].tensor[0, -1].argmax())
    parts = residual_of(record, record["logits"][0, -1, token])
    view = page.locator(".stream-view")
    expect(view.locator(".bars .value")).to_have_count(len(parts.contributions))
    shown = [number(text) for text in view.locator(".bars .value").all_text_contents()]
    assert shown == pytest.approx([part.value for part in parts.contributions], rel=1e-4)
    assert sum(shown) == pytest.approx(record["logits"][0, -1, token].value, rel=1e-3)


@pytest.mark.parametrize(
    ("tensor", "moves", "index"),
    [
        ("blocks.0.attention.attention_weights", ("ArrowDown", "ArrowDown", "ArrowRight"), (0, 0, 2, 1)),
        ("blocks.1.feed_forward.down.weight", ("ArrowDown", "End"), (1, -1)),
        ("blocks.0.feed_forward", ("End", "ArrowDown"), (0, 1, -1)),
        ("token_ids", ("ArrowRight", "ArrowRight", "ArrowRight"), (0, 3)),
    ],
)
def test_every_tensor_is_a_map_and_each_number_in_it_can_be_asked(tensor, moves, index, watched, humpty) -> None:
    page = opened(watched)
    ask(page, tensor, *moves)
    asked = humpty.record(PROMPT)[tensor][index]
    expect(explanation(page).get_by_role("heading", level=2)).to_contain_text(asked.name)
    assert value(page, "recorded") == pytest.approx(asked.value, rel=SEVEN, abs=1e-7)
    told = page.locator(".tensor .reading").text_content()
    assert number(told.rsplit(": ", 1)[1]) == pytest.approx(asked.value, rel=SEVEN, abs=1e-7)


def test_a_changed_number_moves_what_replay_moves(watched, humpty) -> None:
    page = opened(watched)
    ask(page, "blocks.0.attention", "PageDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight")
    record = humpty.record(PROMPT)
    changed = record["blocks.0.attention"][0, -1, 3]
    expect(explanation(page).get_by_role("heading", level=2)).to_contain_text(changed.name)
    explanation(page).get_by_label("Change it to").fill("5")
    explanation(page).get_by_role("button", name="What moves?").click()
    expect(explanation(page).get_by_role("heading", name="What moved")).to_be_visible()
    replay = record.replay({changed: 5.0})
    for heading, logits in (("Before", record["logits"].tensor), ("After", replay["logits"])):
        best = logits[0, -1].double().softmax(-1).topk(12).values.tolist()
        list_ = (
            explanation(page)
            .locator("div", has=page.get_by_role("heading", name=heading, exact=True))
            .last.locator(".value")
        )
        for text, chance in zip(list_.all_text_contents(), best, strict=True):
            assert "<" in text or float(text.removesuffix(" %")) == pytest.approx(100 * chance, abs=0.06)
    named = explanation(page).locator("table").last.locator("th").all_text_contents()
    assert named == [difference.name for difference in replay.differences]


def test_text_goes_on_as_the_model_says(watched, humpty) -> None:
    page = opened(watched)
    page.get_by_role("button", name="Let it go on").click()
    tape = page.locator(".tape")
    expect(tape).to_have_text(
        PROMPT + humpty.generate(PROMPT, tokens=40, temperature=1.0, seed=1), use_inner_text=False
    )


SENTENCE, SO_FAR = "wo wohnst du?", "where do"


@pytest.mark.parametrize("translator_watched", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
def test_a_translator_is_asked_with_its_translation_so_far(translator_watched, translator) -> None:
    page = opened(translator_watched)
    so_far = page.get_by_label("Its translation so far")
    expect(so_far).to_be_hidden()
    page.get_by_label("Model", exact=True).select_option("1")
    expect(so_far).to_be_visible()
    page.get_by_label("Sentence to translate").fill(SENTENCE)
    so_far.fill(SO_FAR)
    page.get_by_role("button", name="Look inside").click()
    translator_watched.ready(3)
    record = translator.record(SENTENCE, target=SO_FAR)
    source, said = (rows[0] for rows in record.token_texts.values())
    shown = page.get_by_role("list", name="the tokens of the sentence").get_by_role("listitem")
    assert shown.all_text_contents() == [text.replace(" ", "␣") for text in source]
    shown = page.get_by_role("list", name="the tokens", exact=True).get_by_role("button")
    assert shown.all_text_contents() == [text.replace(" ", "␣") for text in said]
    expect(shown.last).to_have_attribute("aria-pressed", "true")
    page.get_by_role("list", name="the likeliest tokens").get_by_role("button").first.click()
    best = record.prediction(count=1).candidates[0].logit
    expect(explanation(page).get_by_role("heading", level=2)).to_contain_text(best.name)
    assert value(page, "recorded") == pytest.approx(best.value, rel=SEVEN)
    ask(page, "blocks.1.cross_attention.attention_weights", "ArrowDown", "ArrowRight")
    asked = record["blocks.1.cross_attention.attention_weights"][0, 0, 1, 1]
    expect(explanation(page).get_by_role("heading", level=2)).to_contain_text(asked.name)
    assert value(page, "recorded") == pytest.approx(asked.value, rel=SEVEN)
    page.get_by_role("button", name="Let it translate").click()
    expect(page.locator(".tape .own")).to_have_text(translator.translate(SENTENCE) or "(nothing)")
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    assert violations(page) == []
    page.get_by_label("Model", exact=True).select_option("0")
    expect(so_far).to_be_hidden()
    expect(page.get_by_label("Prompt")).to_have_value(SENTENCE)


def test_a_link_to_a_translator_s_pass_opens_it_again(translator_watched, translator) -> None:
    page = translator_watched.open(f"/inspect?model=1&prompt={quote(SENTENCE)}&target={quote(SO_FAR)}")
    translator_watched.ready()
    expect(page.get_by_label("Its translation so far")).to_have_value(SO_FAR)
    count = len(translator.record(SENTENCE, target=SO_FAR).token_texts["target_ids"][0])
    expect(page.get_by_role("list", name="the tokens", exact=True).get_by_role("button")).to_have_count(count)


def test_each_of_thirty_clicks_on_a_number_is_answered(watched) -> None:
    """How fast is a benchmark's to say: what else the machine has to do is not the page's doing."""
    page = opened(watched)
    rows = page.get_by_role("list", name="the likeliest tokens").get_by_role("button")
    rows.first.click()
    expect(explanation(page).locator(".terms")).to_be_visible()
    answers = """async () => {
      const shown = [];
      for (let round = 0; round < 30; round += 1) {
        const place = document.querySelector('.explanation');
        const row = document.querySelectorAll('.predictions .bars button')[1 + (round % 5)];
        row.click();
        await new Promise((done) => new MutationObserver((_, watching) => { watching.disconnect(); done(); })
          .observe(place, { childList: true }));
        shown.push(place.textContent);
      }
      return shown;
    }"""
    shown = page.evaluate(answers)
    assert shown == 6 * shown[:5]
    assert len(set(shown)) == 5


@pytest.mark.parametrize(
    "watched", [{"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}], indirect=True
)
def test_the_inspector_is_for_everybody_and_fits_a_telephone(watched) -> None:
    page = opened(watched)
    page.get_by_role("list", name="the likeliest tokens").get_by_role("button").first.click()
    expect(explanation(page).locator(".terms")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    assert violations(page) == []


NAUGHTY = [
    "<script>window.pwned=1</script>",
    "\"'><img src=x onerror=pwned=1>",
    "{{7*7}}",
    "\u202eevil\u0000\ufffd",
    "😀" * 3,
]


@pytest.mark.parametrize("text", NAUGHTY)
def test_naughty_prompts_execute_nothing(text, watched) -> None:
    page = opened(watched)
    page.get_by_label("Prompt").fill(text)
    page.get_by_role("button", name="Look inside").click()
    watched.ready(2)
    assert page.evaluate("() => window.pwned") is None
    assert page.locator("main script, main img").count() == 0


@pytest.mark.parametrize(("prompt", "refusal"), [("x" * 100, "context"), ("y" * 21_000, "at most 20000")])
def test_a_prompt_that_is_too_long_is_refused_in_words(prompt, refusal, watched) -> None:
    page = opened(watched)
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_role("button", name="Look inside").click()
    watched.ready(2)
    expect(page.get_by_role("alert")).to_contain_text(refusal)
    watched.errors = [error for error in watched.errors if "400" not in error]


def test_without_a_model_the_inspector_says_how_to_open_one(bare_watched) -> None:
    page = bare_watched.open("/inspect")
    bare_watched.ready()
    expect(page.locator("main")).to_contain_text("everysum open runs/book")


def test_a_large_matrix_is_drawn_once_a_frame_however_often_it_is_moved(watched) -> None:
    page = watched.open("/")
    page.get_by_role("heading", level=1).wait_for()
    drawn = """async () => {
      const { heatmap, held } = await import('/heatmap.js');
      const [rows, columns] = [1024, 768];
      const values = Float32Array.from({ length: rows * columns }, (_, at) => Math.sin(at / 97) * Math.cos(at / 1013));
      const map = heatmap(held(values, rows, columns), { label: 'large' });
      document.querySelector('main').replaceChildren(map.element);
      const frame = () => new Promise(requestAnimationFrame);
      await frame(); await frame();
      const context = map.element.querySelector('canvas').getContext('2d');
      const clear = context.clearRect.bind(context);
      let drawings = 0;
      context.clearRect = (...box) => { drawings += 1; clear(...box); };
      for (let step = 0; step < 40; step += 1) {
        for (let often = 0; often < 5; often += 1)
          if (step < 20) map.zoom(1.15 ** 0.2); else map.move(step * 20, step * 15 + often);
        await frame();
      }
      await frame();
      return { drawings, reading: map.element.querySelector('.reading').textContent, number: values[780 * 768 + 589] };
    }"""
    seen = page.evaluate(drawn)
    assert 20 <= seen["drawings"] <= 42
    told, number = seen["reading"].split(": ")
    assert told == "row 780, column 589"
    assert float(number.replace("−", "-")) == pytest.approx(seen["number"], rel=1e-5)


@pytest.mark.slow
def test_a_prompt_of_2048_tokens_is_shown_and_its_attention_opened(long_watched) -> None:
    page = long_watched.open("/inspect")
    long_watched.ready()
    page.get_by_label("Prompt").fill(("humpty dumpty sat on a wall.\n" * 80)[:2048].replace("\n", " "))
    page.get_by_role("button", name="Look inside").click()
    long_watched.ready(2, seconds=200)
    expect(page.get_by_role("list", name="the tokens").get_by_role("button")).to_have_count(2048)
    page.locator(".diagram-of details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    page.locator('.chip[data-tensor="blocks.0.attention.attention_weights"]').click()
    expect(page.locator(".tensor h2")).to_have_text("blocks.0.attention.attention_weights", timeout=60_000)
    expect(page.locator(".tensor .under")).to_contain_text("each point is the largest of", timeout=60_000)
