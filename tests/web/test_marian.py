"""A translator in Helsinki-NLP's layout in the inspector: its own cuts, both sides, and every number of them."""

from __future__ import annotations

import pytest
from browsing import violations
from inspecting import SEVEN, ask, explanation, value
from playwright.sync_api import expect

SENTENCE, SO_FAR = "The house is old.", "Das"


def test_it_is_opened_with_a_sentence_of_its_own_down_to_a_number_inside_of_its_attention(
    marian_watched, marian
) -> None:
    page = marian_watched.open("/inspect")
    marian_watched.ready()
    expect(page.get_by_label("Sentence to translate")).to_have_value(SENTENCE)
    expect(page.get_by_label("Its translation so far")).to_have_value(SO_FAR)
    record = marian.record(SENTENCE, target=SO_FAR)
    source, said = (rows[0] for rows in record.token_texts.values())
    shown = page.get_by_role("list", name="the tokens of the sentence").get_by_role("listitem")
    assert shown.all_text_contents() == [text.replace(" ", "␣") for text in source]
    shown = page.get_by_role("list", name="the tokens", exact=True).get_by_role("button")
    assert shown.all_text_contents() == [text.replace(" ", "␣") for text in said]
    best = [candidate.logit for candidate in record.prediction(count=12).candidates]
    rows = page.get_by_role("list", name="the likeliest tokens").get_by_role("button")
    expect(rows).to_have_count(12)
    rows.nth(1).click()
    expect(explanation(page).get_by_role("heading", level=2)).to_contain_text(best[1].name)
    assert value(page, "recorded") == pytest.approx(best[1].value, rel=SEVEN)
    ask(page, "blocks.1.cross_attention.attention_weights", "ArrowDown", "ArrowRight", "ArrowRight")
    asked = record["blocks.1.cross_attention.attention_weights"][0, 0, 1, 2]
    expect(explanation(page).get_by_role("heading", level=2)).to_contain_text(asked.name)
    assert value(page, "recorded") == pytest.approx(asked.value, rel=SEVEN)
    assert value(page, "recomputed") == pytest.approx(asked.recomputed, rel=SEVEN)
    explanation(page).get_by_label("Change it to").fill("0.9")
    explanation(page).get_by_role("button", name="What moves?").click()
    expect(explanation(page).get_by_role("heading", name="What moved")).to_be_visible()
    named = explanation(page).locator("table").last.locator("th").all_text_contents()
    assert named == [difference.name for difference in record.replay({asked: 0.9}).differences]
    page.get_by_role("button", name="Let it translate").click()
    expect(page.locator(".tape .own")).to_have_text(marian.translate(SENTENCE) or "(nothing)", timeout=60_000)
    assert violations(page) == []
