"""The same weights in transformers' generate: the same texts and scores, whatever length penalty and early stopping."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
import torch
import transformers
from small_networks import randomized

from everysum.generation.beam_search import Search, beam_search
from everysum.generation.beams import Beams, CachedContinuations, CachedTranslations
from everysum.models.gpt import GPT
from everysum.models.transformer import Transformer
from everysum.pretrained.folder import save_network

VOCABULARY, END = 19, 18
SOURCES = [[3, 7, 1, END], [12, END], [5, 5, 9, 14, 2, 0, 11, END], [8, 8, END], [17, 4, 16, 10, END]]
LONGEST = 14
each_setting = pytest.mark.parametrize(
    ("beams", "length_penalty", "early_stopping"),
    [*product((2, 5), (0.0, 1.0), (True, False, "never")), (5, 0.6, False), (3, 2.0, "never"), (4, -1.0, "never")],
)


def padded(rows: Sequence[Sequence[int]], *, left: bool) -> dict[str, torch.Tensor]:
    """Rows of one length, and which of their numbers are real."""
    longest = max(map(len, rows))
    real = [[1] * len(row) for row in rows]
    sides = [([0] * (longest - len(row)) if left else [], [] if left else [0] * (longest - len(row))) for row in rows]
    ids = [[*before, *row, *after] for row, (before, after) in zip(rows, sides, strict=True)]
    mask = [[*before, *row, *after] for row, (before, after) in zip(real, sides, strict=True)]
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


def theirs(model: Any, inputs: dict[str, torch.Tensor], skipped: int, **settings: Any) -> list[tuple[list[int], float]]:
    found = model.generate(
        **inputs,
        **settings,
        num_return_sequences=settings["num_beams"],
        max_new_tokens=LONGEST,
        do_sample=False,
        eos_token_id=END,
        pad_token_id=END,
        return_dict_in_generate=True,
        output_scores=True,
    )
    texts = [[token for token in row[skipped:].tolist() if token != END] for row in found.sequences]
    return list(zip(texts, found.sequences_scores.tolist(), strict=True))


@pytest.fixture(scope="module")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> tuple[GPT, Any]:
    sizes = {"vocabulary_size": VOCABULARY, "context_length": 32, "width": 16, "layers": 2, "heads": 4}
    network, folder = randomized(GPT(**sizes)), tmp_path_factory.mktemp("gpt")
    save_network(network, folder, end_of_text=END)
    return network, transformers.GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64).eval()


@pytest.fixture(scope="module", params=["post_norm", "pre_norm"])
def translator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Transformer, Any]:
    """A MarianMTModel and a PegasusForConditionalGeneration."""
    sizes = {"vocabulary_size": VOCABULARY, "context_length": 32, "width": 16, "heads": 4, "inner_width": 24}
    network = Transformer(**sizes, encoder_layers=2, decoder_layers=2, wiring=request.param)
    folder = tmp_path_factory.mktemp(request.param)
    save_network(randomized(network, 3), folder, end_of_text=END)
    return network, transformers.AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float64).eval()


def assert_same_as_theirs(texts: Beams, search: Search, expected: list[tuple[list[int], float]]) -> None:
    limits = [LONGEST] * len(SOURCES)
    found = beam_search(texts, limits, end=END, search=search, count=search.beams)
    flat = [text for row in found for text in row]
    assert [list(text.token_ids) for text in flat] == [ids for ids, _ in expected]
    # transformers adds up log-probabilities in float32
    assert [text.score for text in flat] == pytest.approx([score for _, score in expected], rel=1e-5, abs=1e-5)


@each_setting
def test_a_gpt_finds_the_same_texts(
    gpt: tuple[GPT, Any], beams: int, length_penalty: float, early_stopping: Any
) -> None:
    network, model = gpt
    inputs = padded(SOURCES, left=True)
    settings = {"num_beams": beams, "length_penalty": length_penalty, "early_stopping": early_stopping}
    expected = theirs(model, inputs, inputs["input_ids"].shape[1], **settings)
    assert_same_as_theirs(
        CachedContinuations(network, SOURCES), Search(beams, length_penalty, early_stopping), expected
    )


@each_setting
def test_an_encoder_decoder_finds_the_same_translations(
    translator: tuple[Transformer, Any], beams: int, length_penalty: float, early_stopping: Any
) -> None:
    network, model = translator
    settings = {"num_beams": beams, "length_penalty": length_penalty, "early_stopping": early_stopping}
    expected = theirs(model, padded(SOURCES, left=False), 1, **settings)
    assert_same_as_theirs(
        CachedTranslations(network, SOURCES, END), Search(beams, length_penalty, early_stopping), expected
    )


def test_asked_for_nothing_in_particular_transformers_searches_as_we_do(translator: tuple[Transformer, Any]) -> None:
    """The folder says so: five beams, up to the context's end (their first token counts, ours does not)."""
    network, model = translator
    made = model.generate(**padded(SOURCES, left=False))
    limits = [network.context_length - 1] * len(SOURCES)
    found = beam_search(CachedTranslations(network, SOURCES, END), limits, end=END, search=Search(5))
    texts = [[token for token in row[1:].tolist() if token != END] for row in made]
    assert texts == [list(row[0].token_ids) for row in found]
