"""A pass saved as one page: opened from disk, with no server, its sums computed by the page itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Watched, context_of, violations
from playwright.sync_api import expect
from tiny import train_tiny, write_text

from everysum.errors import InputError
from everysum.model import Model, load
from everysum.web import saved
from everysum.web.saved import save_page, written_out

PROMPT = "humpty dumpt"
RHYME = "humpty dumpty sat on a wall.\n"


@pytest.fixture(scope="session")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Another kind of network: layer normalization, GELU, learned positions, biases."""
    folder = tmp_path_factory.mktemp("gpt")
    train_tiny(write_text(folder, RHYME * 60), folder / "gpt", {"network": {"kind": "gpt"}, "schedule": {"steps": 8}})
    return load(folder / "gpt", device="cpu")


@pytest.fixture
def from_disk(request: pytest.FixtureRequest, tmp_path: Path, chromium: None) -> Iterator[Watched]:
    context = context_of(request.getfixturevalue("browser"), offline=True)
    page = Watched(context, tmp_path.as_uri())
    yield page
    context.close()
    assert page.accuse() == []


def opened(
    watched: Watched,
    model: Model,
    path: Path,
    prompt: str = PROMPT,
    title: str = "humpty",
    target: str | None = None,
) -> Watched:
    save_page(model, prompt, path, title, target=target)
    watched.page.goto(path.as_uri())
    watched.ready()
    return watched


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def test_it_opens_from_disk_and_explains_a_logit_as_python_does(from_disk, humpty, tmp_path) -> None:
    page = opened(from_disk, humpty, tmp_path / "page.html").page
    with written_out(humpty):
        record = humpty.record(PROMPT)
    logits = record["logits"]
    token = int(logits.tensor[0, -1].argmax())
    logit = logits[0, -1, token]
    page.get_by_role("list", name="the likeliest tokens").get_by_role("button").first.click()
    place = page.get_by_role("region", name="the sum behind a number")
    expect(place.get_by_role("heading", level=2)).to_contain_text(logit.name)
    terms = [number(text) for text in place.locator(".terms tbody td:first-child").all_text_contents()]
    assert terms == pytest.approx(list(logit.terms.values[:20]), rel=1e-4)
    place.locator(".terms button").first.click()
    first = logit.terms[0].terms[0]
    expect(place.get_by_role("heading", level=2)).to_contain_text(first.name)
    shown = place.locator(".values dd").first.text_content()
    assert number(shown) == pytest.approx(first.value, rel=1e-6)
    assert violations(page) == []


EVERYWHERE = """async ({ most }) => {
  const { answering } = await import('everysum/offline.js');
  const saved = JSON.parse(document.querySelector('#saved').textContent);
  const answer = answering(saved);
  const found = { asked: 0, ruled: 0, wrong: [], silent: {} };
  for (const { name, shape } of saved.tensors) {
    const count = shape.reduce((one, other) => one * other, 1);
    const stride = Math.max(1, Math.floor(count / most));
    for (let at = 0; at < count; at += stride) {
      let rest = at;
      const index = [];
      for (const size of [...shape].reverse()) {
        index.unshift(rest % size);
        rest = Math.floor(rest / size);
      }
      const told = answer('api/records/saved/explain', { tensor: name, index });
      found.asked += 1;
      if (told.recomputed !== null) {
        found.ruled += 1;
        if (!told.agrees) found.wrong.push([told.name, told.value, told.recomputed]);
      } else if (told.kind !== 'given') found.silent[told.made_by] = (found.silent[told.made_by] ?? 0) + 1;
    }
  }
  return found;
}"""


@pytest.mark.parametrize(
    ("which", "target"),
    [
        ("humpty", None),
        pytest.param("gpt", None, marks=pytest.mark.slow),
        pytest.param("translator", "where do", marks=pytest.mark.slow),
    ],
)
def test_the_page_s_own_evaluator_gives_every_recorded_number_again(
    which, target, from_disk, tmp_path, request
) -> None:
    model = request.getfixturevalue(which)
    page = opened(from_disk, model, tmp_path / "page.html", target=target).page
    found = page.evaluate(EVERYWHERE, {"most": 20})
    assert found["wrong"] == []
    assert found["silent"] == {}
    assert found["ruled"] > 1000


@pytest.mark.parametrize("where", ["logits", "blocks.1.attention.attention_weights", "blocks.0.feed_forward"])
def test_its_terms_are_python_s(where, from_disk, humpty, tmp_path) -> None:
    page = opened(from_disk, humpty, tmp_path / "page.html").page
    with written_out(humpty):
        record = humpty.record(PROMPT)
    tensor = record[where]
    index = [size // 2 for size in tensor.shape]
    asked = tensor[tuple(index)]
    told = page.evaluate(
        """async (asked) => {
          const { answering } = await import('everysum/offline.js');
          const saved = JSON.parse(document.querySelector('#saved').textContent);
          return answering(saved)('api/records/saved/explain', asked);
        }""",
        {"tensor": where, "index": index},
    )
    assert told["value"] == asked.value
    assert told["recomputed"] == pytest.approx(asked.recomputed, rel=1e-12)
    assert told["terms_in_all"] == len(asked.terms)
    assert [term["value"] for term in told["terms"]] == pytest.approx(
        [term.value for term in asked.terms[:20]], rel=1e-12
    )


def test_a_translator_s_page_shows_both_sides_and_predicts_behind_the_last_token(
    from_disk, translator, tmp_path
) -> None:
    page = opened(from_disk, translator, tmp_path / "page.html", "wo wohnst du?", target="where do").page
    with written_out(translator):
        record = translator.record("wo wohnst du?", target="where do")
    source, said = (rows[0] for rows in record.token_texts.values())
    expect(page.get_by_role("list", name="the tokens of the sentence").get_by_role("listitem")).to_have_count(
        len(source)
    )
    expect(page.get_by_role("list", name="the tokens", exact=True).get_by_role("button")).to_have_count(len(said))
    page.get_by_role("list", name="the likeliest tokens").get_by_role("button").first.click()
    best = record.prediction(count=1).candidates[0].logit
    place = page.get_by_role("region", name="the sum behind a number")
    expect(place.get_by_role("heading", level=2)).to_contain_text(best.name)
    expect(place.locator(".stream-view")).to_contain_text("cross_attention, head 1")
    assert violations(page) == []


HOSTILE = "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>"


def test_what_stands_in_a_saved_page_executes_nothing(from_disk, humpty, tmp_path) -> None:
    page = opened(from_disk, humpty, tmp_path / "page.html", HOSTILE[:14], HOSTILE).page
    assert page.evaluate("() => window.pwned") is None
    assert page.locator("main img").count() == 0
    expect(page.locator(".lead")).to_contain_text(HOSTILE)


def test_it_asks_nothing_of_anybody(humpty, tmp_path) -> None:
    save_page(humpty, PROMPT, tmp_path / "page.html", "humpty")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", text)
    data = json.loads(re.search(r'id="saved">(.*?)</script>', text, re.DOTALL)[1])
    assert len(data["operations"]) > 100


def test_a_pass_too_large_for_a_page_is_refused_before_it_is_written(humpty, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(saved, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match="too large for one page"):
        save_page(humpty, PROMPT, tmp_path / "page.html", "humpty")
    assert not (tmp_path / "page.html").exists()


def test_attention_is_as_it_was_afterwards(humpty, tmp_path) -> None:
    before = humpty.generate(PROMPT, tokens=10, temperature=0)
    engines = [part.engine for part in humpty.network.modules() if hasattr(part, "engine")]
    save_page(humpty, PROMPT, tmp_path / "page.html", "humpty")
    assert [part.engine for part in humpty.network.modules() if hasattr(part, "engine")] == engines
    assert humpty.generate(PROMPT, tokens=10, temperature=0) == before
