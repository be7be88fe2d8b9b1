"""The article's own figures as lessons show them, and what `--set` refuses."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import torch
from quick_lessons import teach

from everysum.errors import UsageError
from everysum.lessons.blocks import Block, Curve, Progress, Text
from everysum.lessons.course import Lesson, lesson
from everysum.lessons.figures import Given
from everysum.plain.characters import SENTENCE, place_of, windows
from everysum.plain.embedding import EmbeddedCharacters, random_embedding
from everysum.plain.rhymes import RHYMES
from everysum.plain.window import random_window_network


def told(data: dict[str, Any]) -> dict[str, list[str]]:
    """Every named sum of a lesson as it is written: the figure and its terms; names may come again."""
    found: dict[str, list[str]] = {}
    for block in data["blocks"]:
        for each in block["sums"] if block["kind"] == "sums" else ():
            number = each["number"]
            found.setdefault(each["name"], []).append(f"{number['figure']} = {' + '.join(number['terms'])}")
    return found


def cells(data: dict[str, Any]) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    for block in data["blocks"]:
        for row in block["rows"] if block["kind"] == "table" else ():
            found.setdefault(row["name"], []).append(row["cells"])
    return found


# --- the article's figures --------------------------------------------------------------------------------------------


def test_the_first_network_as_the_article_prints_it() -> None:
    sums, rows = told(teach("network")), cells(teach("network"))
    assert sums["blue"][0] == "−26.598 = 32 × 0.10 + 107 × −0.29 + 56 × −0.07 + 11.2 × 0.46"
    assert sums["grey"][0] == "2.522 = 32 × 0.12 + 107 × −0.05 + 56 × 0.04 + 11.2 × 0.16"
    assert sums["orange"][0] == "−47.094 = 32 × −0.36 + 107 × −0.21 + 56 × −0.27 + 11.2 × 0.18"
    assert sums["leaf"] == [
        "0.79584 = −26.598 × −0.17 + 2.522 × 0.39 + −47.094 × 0.10",
        "0.98358 = 0 × −0.17 + 2.522 × 0.39 + 0 × 0.10",
    ]
    assert [each.partition(" ")[0] for each in sums["flower"]] == ["0.25122", "−0.30264"]
    assert sums["leaf − flower"] == ["0.54462 = 0.79584 − 0.25122"]
    assert sums["blue"][1].startswith("−26.348 = ")
    assert sums["blue"][1].endswith(" + 0.25")
    assert rows["shares of their sum"] == [["0.76007", "0.23993"]]
    assert rows["softmax"] == [["0.63289", "0.36711"]]
    assert rows["→ leaf"] == [["−0.0062", "0.0088", "0.0005", "0.0022"]]
    assert rows["→ flower"] == [["0.005", "−0.0001", "0.0025", "−0.0034"]]


def test_the_sunflower_is_a_flower_and_with_relu_it_is_not() -> None:
    data = teach("network", "object=241 200 4 59.5")
    assert [each.partition(" ")[0] for each in told(data)["leaf"]] == ["0.3987", "11.154"]
    assert [each.partition(" ")[0] for each in told(data)["flower"]] == ["0.9927", "−3.432"]
    texts = [block["text"] for block in data["blocks"] if block["kind"] == "text"]
    assert any("this is a flower" in text for text in texts)
    assert any("Now the verdict is leaf" in text for text in texts)


def test_the_sign_that_one_picture_prints_wrongly_turns_the_verdict() -> None:
    data = teach("network", "orange.volume=-0.18")
    assert told(data)["orange"][0].startswith("−51.126 = ")
    assert told(data)["leaf"][0].startswith("0.39264 = ")
    assert told(data)["flower"][0].startswith("0.4125 = ")


def test_the_product_of_the_appendix() -> None:
    assert cells(teach("matrix"))["product, row 1"] == [["776", "812"]]
    assert cells(teach("matrix"))["product, row 2"] == [["1406", "1472"]]


def test_losses_as_the_article_adds_them_up() -> None:
    assert told(teach("training"))["loss"][0] == "0.4 = 0.2 + 0.2"
    losses = told(teach("cross-entropy"))
    assert (losses["outputs"][0], losses["wrong"][0]) == ("5 = 4 + 1", "2 = 1 + 1")


def test_humpty_dumpt_as_numbers() -> None:
    (shown,) = [block["lines"] for block in teach("characters")["blocks"] if block["kind"] == "diagram"]
    assert shown[1].split() == ["8", "21", "13", "16", "20", "25", "27", "4", "21", "13", "16", "20"]
    windows = cells(teach("characters"))
    assert windows["humpty␣dumpt"] == [["y"]]
    assert windows["sat␣on␣a␣wal"] == [["l"]]


def test_positions_tell_the_article_from_the_paper() -> None:
    rows = cells(teach("positions", "length=10", "width=2"))["position 1"]
    assert rows[0] == ["2", "2"]
    assert rows[1] == ["0.2", "0.2"]
    assert rows[3][1] == "0.9218"
    assert rows[4][1] == "0.5403"
    assert cells(teach("positions", "length=3", "width=1"))["position 0"][1] == ["0.33333"]


def test_swapping_two_words_changes_nothing_until_they_have_positions() -> None:
    blind = cells(teach("attention"))
    assert blind["humpty dumpty sat"] == blind["dumpty humpty sat"]
    seeing = cells(teach("positions"))
    assert seeing["humpty dumpty sat"] != seeing["dumpty humpty sat"]


def test_heads_of_the_article_and_of_the_standard_bring_home_the_same() -> None:
    for word in ("humpty", "dumpty", "sat"):
        article, standard = cells(teach("heads"))[word]
        assert article == standard


def test_llama_has_as_many_parameters_as_published() -> None:
    assert any("8,030,261,248 parameters" in block.get("text", "") for block in teach("llama")["blocks"])


def test_cats_is_cut_into_cat_and_s() -> None:
    rows = cells(teach("sub-words", "word=cats"))
    assert rows["merge 5"] == [["cat  s"]]
    assert rows["1"] == [["a + t", "at", "6", "256", "49"]]


@pytest.mark.parametrize(
    ("weight", "left", "fate"),
    [("0.5", "0.00097656", "has vanished"), ("2", "1024", "has exploded"), ("1", "1", "has kept its size")],
)
def test_a_gradient_vanishes_explodes_or_stays(weight: str, left: str, fate: str) -> None:
    data = teach("gradient", f"weight={weight}")
    assert cells(data)["floor 0"][0] == ["1", left]
    assert any(fate in block["text"] for block in data["blocks"] if block["kind"] == "text")


def test_learning_by_heart_makes_the_unseen_worse_and_dropout_less_so() -> None:
    """The loss on examples seen, the best on unseen ones, and the last on unseen ones."""
    rows = {
        name: [float(cell) for cell in found[0]]
        for name, found in cells(teach("dropout", "epochs=60")).items()
        if name in ("with", "without")
    }
    seen, best, last = rows["without"]
    assert seen < best < last
    assert rows["with"][2] < last


# --- learning for real ------------------------------------------------------------------------------------------------


def test_the_map_of_characters_is_moved_as_torch_moves_it() -> None:
    (block,) = [block for block in teach("embedding", "epochs=8", "seed=3")["blocks"] if block["kind"] == "map"]
    assert block["names"] == ["h", "u", "m", "p", "t", "y", "␣", "d", "s", "a", "o", "n", "w", "l"]
    random = Random(3)
    embedding = random_embedding(27, 2, random, 0.3)
    network = random_window_network(EmbeddedCharacters(embedding), random)
    layers = (network.hidden.weight, network.hidden.bias, network.output.weight, network.output.bias)
    vectors, first, bias, second, last = weights = [
        tensor(part).requires_grad_() for part in (embedding.weight, *layers)
    ]
    pairs = windows(SENTENCE)
    sentence = torch.tensor([[place_of(character) for character in window] for window, _ in pairs])
    following = torch.tensor([place_of(character) for _, character in pairs])
    shown = [place_of(name.replace("␣", " ")) for name in block["names"]]
    optimizer = torch.optim.SGD(weights, lr=0.2)
    for places, loss in zip(block["places"], block["losses"], strict=True):
        assert torch.allclose(torch.tensor(places, dtype=torch.float64), vectors.detach()[shown], rtol=1e-9, atol=1e-12)
        outputs = torch.relu(vectors[sentence].flatten(1) @ first.T + bias) @ second.T + last
        theirs = torch.nn.functional.cross_entropy(outputs, following)
        assert loss == pytest.approx(theirs.item(), rel=1e-9)
        optimizer.zero_grad()
        theirs.backward()
        optimizer.step()
    assert len(block["losses"]) == 9
    assert block["losses"][-1] < block["losses"][0]


def tensor(numbers: Any) -> torch.Tensor:
    def valued(part: Any) -> Any:
        return [valued(each) for each in part] if isinstance(part, list) else part.value

    return torch.tensor(valued(numbers), dtype=torch.float64)


def test_in_a_dozen_rounds_the_window_network_gets_better() -> None:
    (curve,) = [block["values"] for block in teach("characters", "epochs=12")["blocks"] if block["kind"] == "curve"]
    assert curve[-1] < curve[0] / 3


@pytest.mark.slow
def test_the_window_network_says_humpty_dumpty_sat_on_a_wall_from_humpty_dumpt() -> None:
    data = lesson("characters").data()
    assert cells(data)["after 300"] == [["humpty␣dumpty␣sat␣on␣a␣wall"]]
    assert cells(data)["after 0"] != cells(data)["after 300"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_gpt_learns_the_rhymes() -> None:
    data = lesson("gpt").data()
    (curve,) = [block["values"] for block in data["blocks"] if block["kind"] == "curve"]
    assert curve[0] > 2.5
    assert sum(curve[-50:]) / 50 < 0.8
    said = [block["lines"] for block in data["blocks"] if block["kind"] == "diagram"][-1]
    words = " ".join(said).split()
    assert sum(word in RHYMES.split() for word in words) > 0.7 * len(words)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "end"), [("separator", " <END>"), ("transformer", "")])
def test_both_ways_to_translate_learn_their_sentences(name: str, end: str) -> None:
    rows = cells(lesson(name).data())
    assert [f"Where do you live ?{end}"] in rows["Wo wohnst du ?"]
    assert [f"Where does he live ?{end}"] in rows["Wo wohnt er ?"]


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "assignment", "problem", "wanted", "came", "advice"),
    [
        ("atention", "", "there is no lesson 'atention'", "network or", None, "did you mean 'attention'?"),
        ("xyz", "", "there is no lesson 'xyz'", "network or", None, "`everysum lesson` lists them all"),
        (
            "network",
            "objekt=1",
            "the lesson network has no figure 'objekt'",
            "object or blue",
            None,
            "did you mean 'object'?",
        ),
        ("network", "object", "--set 'object' sets nothing", "name=value, such as object=32 107 56 11.2", None, None),
        (
            "network",
            "object=1,2",
            "the figure object (its color and its volume in ml) cannot be that",
            "4 numbers, each from 0 to 1000",
            "2 numbers, '1,2'",
            None,
        ),
        ("network", "object=red 1 2 3", "the figure object", "4 numbers", "'red'", None),
        ("network", "object=1 2 3 -4", "the figure object", "each from 0 to 1000", "'-4'", None),
        ("network", "bias=nan", "the figure bias", "a number from −100 to 100", "'nan'", None),
        ("network", "bias=inf", "the figure bias", "a number from −100 to 100", "'inf'", None),
        ("network", "bias=", "the figure bias", "a number from −100 to 100", "''", None),
        (
            "network",
            "blue.volum=1",
            "the figure blue has no part 'volum'",
            "red or green or blue or volume",
            None,
            "did you mean 'volume'?",
        ),
        ("network", "bias.red=1", "the figure bias has no part 'red'", "bias=value", None, None),
        ("training", "epochs=1.5", "the figure epochs", "a whole number from 1 to 500", "'1.5'", None),
        ("training", "epochs=many", "the figure epochs", "a whole number from 1 to 500", "'many'", None),
        ("characters", "sentence=humpty", "the figure sentence", "14 to 36 characters", "6 characters, 'humpty'", None),
        (
            "characters",
            "sentence=Humpty Dumpty sat",
            "the figure sentence",
            "14 to 36 characters of 'abcdefghijklmnopqrstuvwxyz '",
            "'H' in 'Humpty Dumpty sat'",
            None,
        ),
        ("cross-entropy", "wanted=lief", "the figure wanted", "leaf or flower", "'lief'", "did you mean 'leaf'?"),
        ("softmax", "temperature=0", "the figure temperature", "a number from 0.05 to 20", "'0'", None),
        (
            "llama",
            "key_value_heads=3",
            "the figure key_value_heads",
            "1 or 2 or 4",
            "'3'",
            None,
        ),
        (
            "llama",
            "heads=1",
            "1 query heads cannot be dealt out to 2 key/value heads",
            "no more key/value heads than heads",
            "heads=1, key_value_heads=2",
            None,
        ),
        ("separator", "sentence=   ", "the figure sentence has no word", "at least one", "'   '", None),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    name: str, assignment: str, problem: str, wanted: str, came: str | None, advice: str | None
) -> None:
    with pytest.raises(UsageError) as refused:
        lesson(name, [assignment] if assignment else [])
    assert refused.value.problem.startswith(problem)
    assert wanted in (refused.value.wanted or "")
    assert (refused.value.came, refused.value.advice) == (came, advice)


def test_a_single_number_of_a_list_is_set_by_its_label_or_its_place() -> None:
    assert lesson("network", ["blue.volume=1"]).given.text("blue") == "0.10 −0.29 −0.07 1"
    assert lesson("matrix", ["first.2=5"]).given.text("first") == "11 5 13 21 22 23"
    both = lesson("network", ["blue=1 1 1 1", "blue.red=2"]).given
    assert both.text("blue") == "2 1 1 1"
    assert both.changed() == ["blue"]
    assert not lesson("network").given.changed()


def test_numbers_that_grow_out_of_all_bounds_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def runaway(given: Given, progress: Progress) -> Iterator[Block]:
        yield Text("so far so good")
        yield Curve("loss", "step", (1.0, 1e300, math.inf))

    chosen = lesson("training", ["rate=0.5"])
    endless = Lesson(dataclasses.replace(chosen.chapter, teach=runaway), chosen.given)
    with pytest.raises(UsageError) as refused:
        list(endless.blocks())
    assert str(refused.value) == (
        "with these figures the numbers of the lesson training grow out of all bounds\n"
        "  came: rate=0.5\n"
        "  do: take smaller ones; where it trains, a smaller rate"
    )
