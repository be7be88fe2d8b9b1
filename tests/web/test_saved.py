"""A pass saved as one page: opened from disk, with no server, its sums computed by the page itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from browsing import Watched, context_of, violations
from playwright.sync_api import expect
from tiny import train_tiny, write_text

from everysum.errors import InputError
from everysum.explain.record import recorded
from everysum.explain.rules import RULES
from everysum.model import Model, load
from everysum.web import saved
from everysum.web.saved import save_page, tape_data, written_out

PROMPT = "humpty dumpt"
RHYME = "humpty dumpty sat on a wall.\n"


@pytest.fixture(scope="session")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Another kind of network: layer normalization, GELU, learned positions, biases."""
    folder = tmp_path_factory.mktemp("gpt")
    train_tiny(write_text(folder, RHYME * 60), folder / "gpt", {"network": {"kind": "gpt"}, "schedule": {"steps": 8}})
    return load(folder / "gpt", device="cpu")


@pytest.fixture(scope="session")
def sixteen(humpty_folder: Path) -> Model:
    """In bfloat16, where a small change is more often lost than kept."""
    return load(humpty_folder, device="cpu", dtype="bfloat16")


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
        pytest.param("marian", "Das", marks=pytest.mark.slow),
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


REPLAYED = """async ({ tensor, index, value }) => {
  const { opened } = await import('everysum/saved/pass.js');
  const { replayed } = await import('everysum/rules/replay.js');
  const { elementsOf } = await import('everysum/rules/tape.js');
  const saved = JSON.parse(document.querySelector('#saved').textContent);
  const pass = opened(saved);
  const after = await replayed(pass.tape, pass.placeIn(pass.tensor(tensor), index), value, async () => {});
  return Object.fromEntries(saved.tensors.map(({ name, view, time }) => {
    const row = after.tape.storages[view.storage].values(time);
    return [name, Array.from(elementsOf(view), ({ offset }) => String(row[offset]))];
  }));
}"""
NUDGED = """async (asked) => {
  const { answering } = await import('everysum/offline.js');
  const saved = JSON.parse(document.querySelector('#saved').textContent);
  const heard = [];
  const listener = { signal: new AbortController().signal, heard: (line) => heard.push(line) };
  try {
    const position = saved.pass.tokens.length - 1;
    return await answering(saved)('api/records/saved/nudge', { position, ...asked }, listener);
  } catch (problem) {
    return { problem: problem.parts.problem };
  }
}"""
FAR_APART = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""Of a tensor's largest number: what a kernel of this type and this page may differ by after a whole network."""

NUDGES = [
    ("humpty", "blocks.0.attention.query.weight", (3, 5), 2.0),
    ("humpty", "blocks.0.attention.attention_weights", (0, 0, 6, 1), 0.9),
    ("humpty", "blocks.1.feed_forward", (0, -1, 3), -4.0),
    ("humpty", "token_ids", (0, 2), 40.0),
    ("gpt", "blocks.0.attention_normalization.weight", (5,), -1.0),
    ("gpt", "blocks.0.feed_forward.up", (0, 2, 7), 3.0),
    ("translator", "encoder_blocks.0.attention.value.bias", (4,), 1.5),
    ("translator", "target_ids", (0, 1), 7.0),
    ("marian", "blocks.1.cross_attention.attention_weights", (0, 0, 1, 2), 0.9),
    ("sixteen", "blocks.0.feed_forward.up.weight", (8, 1), -0.5),
]


@pytest.mark.parametrize(
    ("which", "tensor", "index", "value"),
    [pytest.param(*nudge, marks=[pytest.mark.slow] if nudge[0] != "humpty" else []) for nudge in NUDGES],
)
def test_a_number_changed_in_the_page_moves_what_replay_moves(
    which, tensor, index, value, from_disk, tmp_path, request
) -> None:
    model = request.getfixturevalue(which)
    target = {"translator": "where do", "marian": "Das"}.get(which)
    page = opened(from_disk, model, tmp_path / "page.html", target=target).page
    with written_out(model):
        record = model.record(PROMPT, target=target)
    allowed = FAR_APART[record["logits"].dtype]
    index = tuple(place % size for place, size in zip(index, record[tensor].shape, strict=True))
    replay = record.replay({record[tensor][index]: value})
    asked = {"tensor": tensor, "index": list(index), "value": value}
    for name, numbers in page.evaluate(REPLAYED, asked).items():
        expected = replay[name].double().flatten()
        found = torch.tensor([float(text.replace("Infinity", "inf")) for text in numbers], dtype=torch.float64)
        scale = expected[expected.isfinite()].abs().amax() if expected.isfinite().any() else torch.tensor(1.0)
        torch.testing.assert_close(found, expected, rtol=0, atol=float(scale) * allowed, equal_nan=True)
    told = page.evaluate(NUDGED, asked)
    assert [each["tensor"] for each in told["differences"]] == [each.name for each in replay.differences]
    for theirs, ours in zip(told["differences"], replay.differences, strict=True):
        assert theirs["numbers"] == ours.tensor.view.count
        assert theirs["before"] == record[ours.name].tensor[tuple(theirs["largest_at"])].item()
        assert abs(theirs["changed"] - ours.changed) <= ours.tensor.view.count / 100 + 2
    for side, logits in (("before", record["logits"].tensor), ("after", replay["logits"])):
        best = logits[0, -1].double().softmax(-1).topk(12)
        assert [each["probability"] for each in told[side]["predictions"]] == pytest.approx(
            best.values.tolist(), rel=10 * allowed
        )


HELD = """async (data) => {
  const { opened } = await import('everysum/saved/pass.js');
  const { replayed } = await import('everysum/rules/replay.js');
  const { tape } = opened({ ...data, tensors: [], vocabulary: [] });
  const after = await replayed(tape, { storage: 0, offset: 1, time: 0 }, 5, async () => {});
  const { write, storage } = after.moved.at(-1);
  return {
    held: after.held.map(({ name }) => name),
    last: [...after.tape.storages[storage].values(write.time + 1)],
  };
}"""


def test_random_draws_and_what_left_pytorch_are_held_as_they_were(from_disk, humpty, tmp_path) -> None:
    page = opened(from_disk, humpty, tmp_path / "page.html").page
    x = torch.tensor([1.0, 2.0, 3.0])

    def computed() -> dict[str, torch.Tensor]:
        return {"out": x * 2 + torch.rand_like(x) + x.sum().item()}

    record = recorded(None, computed, {"x": x})
    replay = record.replay({record["x"][1]: 5.0})
    found = page.evaluate(HELD, tape_data(record))
    assert found["held"] == replay.held == ["aten.rand_like.default", "aten._local_scalar_dense.default"]
    assert found["last"] == replay["out"].tolist()


def test_numbers_are_kept_as_each_type_keeps_them(from_disk, humpty, tmp_path) -> None:
    page = opened(from_disk, humpty, tmp_path / "page.html").page
    drawn = torch.randn(500, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    scales = torch.logspace(-9, 6, 500, dtype=torch.float64)
    numbers = [*(drawn * scales).tolist(), 0.0, 65519.0, 65520.0, 2049.0, 2051.0, 1.00390625, 1.01171875, 2.0**-25]
    kept = """async ({ type, numbers }) => {
      const { keptIn } = await import('everysum/rules/types.js');
      return numbers.map((each) => String(keptIn(type)(each)));
    }"""
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        # kernels for 16 bits compute in 32, and so do their rules round
        single = torch.tensor(numbers, dtype=torch.float64).to(torch.promote_types(torch.float32, dtype))
        told = page.evaluate(kept, {"type": str(dtype).removeprefix("torch."), "numbers": single.double().tolist()})
        assert [float(each.replace("Infinity", "inf")) for each in told] == single.to(dtype).double().tolist()
    assert page.evaluate(kept, {"type": "int64", "numbers": [2.7, -2.7]}) == ["2", "-2"]
    assert page.evaluate(kept, {"type": "bool", "numbers": [0.0, -0.5]}) == ["0", "1"]


def test_what_a_change_cannot_move_stays_to_the_last_bit(from_disk, humpty, tmp_path) -> None:
    """Numbers before the changed token are not touched, whatever this page's rounding and that of the kernels are."""
    page = opened(from_disk, humpty, tmp_path / "page.html").page
    with written_out(humpty):
        logits = humpty.record(PROMPT)["logits"].tensor[0]
    asked = {"tensor": "blocks.0.attention", "index": [0, 7, 3], "value": 5}
    after = torch.tensor([float(each) for each in page.evaluate(REPLAYED, asked)["logits"]]).view_as(logits)
    assert torch.equal(after[:7], logits[:7])
    assert (after[7:] != logits[7:]).any(dim=-1).all()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"tensor": "token_ids", "index": [0, 1], "value": 10**6}, "has no place 1000000"),
        ({"tensor": "token_ids", "index": [0, 1], "value": 1.5}, "is a whole number"),
        ({"tensor": "probabilities", "index": [0, 0, 0], "way": [1], "value": 1}, "stands in no tensor"),
    ],
)
def test_what_cannot_be_changed_is_refused_in_words(asked, words, from_disk, humpty, tmp_path) -> None:
    page = opened(from_disk, humpty, tmp_path / "page.html").page
    assert words in page.evaluate(NUDGED, asked)["problem"]


def test_a_change_that_this_page_cannot_follow_says_what_to_run_instead(
    from_disk, humpty, tmp_path, monkeypatch
) -> None:
    monkeypatch.delitem(RULES, "aten.silu")
    page = opened(from_disk, humpty, tmp_path / "page.html").page
    page.locator(".diagram-of details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    page.locator('.chip[data-tensor="blocks.1.attention"]').click()
    expect(page.locator(".tensor h2")).to_have_text("blocks.1.attention")
    page.locator(".tensor").get_by_role("application").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    place = page.get_by_role("region", name="the sum behind a number")
    place.get_by_label("Change it to").fill("3")
    place.get_by_role("button", name="What moves?").click()
    expect(place.get_by_role("alert")).to_contain_text("no rule for aten.silu.default in blocks.1.feed_forward")
    expect(place.get_by_role("alert")).to_contain_text("everysum explain MODEL PROMPT --nudge")


def test_a_change_is_made_by_hand_and_shown_with_the_predictions_before_and_after(from_disk, humpty, tmp_path) -> None:
    page = opened(from_disk, humpty, tmp_path / "page.html").page
    page.get_by_role("list", name="the likeliest tokens").get_by_role("button").first.click()
    place = page.get_by_role("region", name="the sum behind a number")
    place.locator(".terms button").first.click()
    expect(place.get_by_role("navigation").get_by_role("listitem")).to_have_count(2)
    place.get_by_label("Change it to").fill("−9")
    place.get_by_role("button", name="What moves?").click()
    expect(place.get_by_role("heading", name="What moved")).to_be_visible()
    expect(place).to_contain_text("Computed in this page, from the rules in the file")
    with written_out(humpty):
        record = humpty.record(PROMPT)
    logit = record.prediction(count=1).candidates[0].logit
    replay = record.replay({logit.terms[0].terms[0]: -9.0})
    assert place.locator("table").last.locator("th").all_text_contents() == [each.name for each in replay.differences]
    for heading, logits in (("Before", record["logits"].tensor), ("After", replay["logits"])):
        side = place.locator("div", has=page.get_by_role("heading", name=heading, exact=True)).last
        best = logits[0, -1].double().softmax(-1).max().item()
        assert number(side.locator(".value").first.text_content().removesuffix(" %")) == pytest.approx(
            100 * best, abs=0.06
        )
    assert violations(page) == []


def test_a_long_change_shows_how_far_it_is_and_can_be_cancelled(from_disk, humpty, tmp_path) -> None:
    """The page's clock is put forward at each look, so that every pause is taken as in a pass of hours."""
    page = opened(from_disk, humpty, tmp_path / "page.html").page
    page.evaluate("() => { let at = 0; performance.now = () => (at += 100); }")
    page.get_by_role("list", name="the likeliest tokens").get_by_role("button").first.click()
    place = page.get_by_role("region", name="the sum behind a number")
    place.locator(".terms button").nth(1).click()
    expect(place.get_by_role("navigation").get_by_role("listitem")).to_have_count(2)
    place.get_by_label("Change it to").fill("2")
    place.get_by_role("button", name="What moves?").click()
    expect(place.locator(".said")).to_contain_text("from its rules")
    place.get_by_role("button", name="Cancel").click()
    expect(place.locator(".nudge + div")).to_have_text("Cancelled.")


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
