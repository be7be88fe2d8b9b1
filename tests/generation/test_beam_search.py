"""Beam search: transformers' meaning, caches that change nothing, texts that do not disturb each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import pytest
import torch
from small_networks import randomized

from everysum.errors import UsageError
from everysum.generation.beam_search import CHUNK, Hypothesis, Search, as_extensions, beam_search, likeliest_extensions
from everysum.generation.beams import (
    Beams,
    CachedContinuations,
    CachedTranslations,
    RecomputedContinuations,
    RecomputedTranslations,
)
from everysum.generation.generate import generate
from everysum.generation.sampling import Sampling
from everysum.models.gpt import GPT
from everysum.models.llama import Llama
from everysum.models.network import Network
from everysum.models.transformer import Transformer

VOCABULARY, END = 19, 18
FIVE = Search(5)
GREEDY = Sampling(temperature=0.0)
SOURCES = [[3, 7, 1, END], [12, END], [5, 5, 9, 14, 2, 0, 11, END], [8, 8, END], [17, 4, 16, 10, END]]
LONGEST = 14
SETTINGS = [Search(2, 1.0, True), Search(5, 0.0, False), Search(5, 1.0, False), Search(4, 2.0, "never")]


def named(search: Search) -> str:
    return f"{search.beams} beams, penalty {search.length_penalty}, stopping {search.early_stopping}"


def small_transformer(vocabulary: int = VOCABULARY, seed: int = 3, **changes: Any) -> Transformer:
    sizes = {"vocabulary_size": vocabulary, "context_length": 32, "width": 16, "heads": 4, "inner_width": 24}
    network = Transformer(**{**sizes, "encoder_layers": 2, "decoder_layers": 2, **changes})
    return randomized(network, seed)


def small_decoder(kind: str, vocabulary: int = VOCABULARY) -> Network:
    sizes = {"vocabulary_size": vocabulary, "context_length": 32, "width": 16, "layers": 2, "heads": 4}
    if kind == "gpt":
        return randomized(GPT(**sizes))
    return randomized(Llama(**sizes, key_value_heads=2, inner_width=24, normalize_heads=True))


NETWORKS = {
    "post-norm": small_transformer,
    "pre-norm": lambda: small_transformer(wiring="pre_norm", shared=False, tied=False),
    "gpt": lambda: small_decoder("gpt"),
    "llama": lambda: small_decoder("llama"),
}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Network:
    return NETWORKS[request.param]()


def cached(network: Network, sources: Sequence[Sequence[int]], start: int = END) -> Beams:
    if isinstance(network, Transformer):
        return CachedTranslations(network, sources, start)
    return CachedContinuations(network, sources)


def recomputed(network: Network, sources: Sequence[Sequence[int]]) -> Beams:
    if isinstance(network, Transformer):
        return RecomputedTranslations(network, sources, END)
    return RecomputedContinuations(network, sources)


def searched(
    network: Network,
    sources: Sequence[Sequence[int]] = SOURCES,
    search: Search = FIVE,
    *,
    beams: Callable[[Network, Sequence[Sequence[int]]], Beams] = cached,
    longest: int = LONGEST,
    count: int | None = None,
) -> list[list[Hypothesis]]:
    texts = beams(network, sources)
    return beam_search(texts, [longest] * len(sources), end=END, search=search, count=count or search.beams)


def assert_same(ours: list[list[Hypothesis]], theirs: list[list[Hypothesis]], tolerance: float = 1e-10) -> None:
    assert [[found.token_ids for found in row] for row in ours] == [
        [found.token_ids for found in row] for row in theirs
    ]
    for name in ("score", "log_probability"):
        values = [[[getattr(found, name) for found in row] for row in rows] for rows in (ours, theirs)]
        torch.testing.assert_close(torch.tensor(values[0]), torch.tensor(values[1]), rtol=0.0, atol=tolerance)


@pytest.mark.parametrize("search", SETTINGS, ids=named)
def test_the_caches_change_nothing(network: Network, search: Search) -> None:
    assert_same(searched(network, search=search), searched(network, search=search, beams=recomputed))


@pytest.mark.parametrize("search", SETTINGS[::2], ids=named)
def test_a_text_is_what_it_would_be_alone(network: Network, search: Search) -> None:
    alone = [searched(network, [source], search)[0] for source in SOURCES]
    assert_same(searched(network, search=search), alone)


def test_one_beam_is_greedy() -> None:
    network = small_decoder("gpt")
    greedy = generate(network, SOURCES, tokens=LONGEST, sampling=GREEDY, end_of_text=END)
    for early_stopping in (True, False, "never"):
        found = searched(network, search=Search(1, 1.0, early_stopping))  # type: ignore[arg-type]
        assert [row[0].token_ids for row in found] == [text.token_ids for text in greedy]


def test_one_beam_of_a_translator_is_greedy() -> None:
    network = small_transformer()
    for source, (found,) in zip(SOURCES, searched(network, search=Search(1)), strict=True):
        text = [END]
        while len(text) <= LONGEST:
            hidden = network(torch.tensor([source]), torch.tensor([text]))
            text.append(int(network.head(hidden[0, -1]).argmax()))
            if text[-1] == END:
                break
        assert list(found.token_ids) == [token_id for token_id in text[1:] if token_id != END]
        assert found.ended == (text[-1] == END)


@pytest.mark.parametrize("kind", ["post-norm", "gpt"])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_beams_enough_for_every_text_find_the_best_of_all(kind: str, length_penalty: float) -> None:
    """Every text of up to three tokens from a vocabulary of four, scored one by one."""
    vocabulary, end, longest = 4, 3, 3
    network = small_transformer(vocabulary) if kind == "post-norm" else small_decoder("gpt", vocabulary)
    source = [1, 0, 2]
    texts = [text for length in (1, 2, 3) for text in product(range(vocabulary), repeat=length)]
    complete = [text for text in texts if end not in text[:-1] and (text[-1] == end or len(text) == longest)]
    scored = sorted(((total(network, source, text, end), text) for text in complete), key=lambda pair: -pair[0])
    ranked = sorted(scored, key=lambda pair: -(pair[0] / len(pair[1]) ** length_penalty))

    texts_of = (
        CachedTranslations(network, [source], end) if isinstance(network, Transformer) else cached(network, [source])
    )
    search = Search(len(complete), length_penalty, early_stopping="never")
    (found,) = beam_search(texts_of, [longest], end=end, search=search, count=len(complete))
    wanted = [tuple(token for token in text if token != end) for _, text in ranked]
    assert [hypothesis.token_ids for hypothesis in found] == wanted
    torch.testing.assert_close(
        torch.tensor([hypothesis.log_probability for hypothesis in found]), torch.tensor([value for value, _ in ranked])
    )


def total(network: Network, source: list[int], text: Sequence[int], end: int) -> float:
    """The logarithm of a text's probability, one token after another."""
    with torch.no_grad():
        if isinstance(network, Transformer):
            hidden = network(torch.tensor([source]), torch.tensor([[end, *text[:-1]]]))[0]
        else:
            hidden = network(torch.tensor([[*source, *text[:-1]]]))[0, len(source) - 1 :]
        after = network.head(hidden).log_softmax(-1)
    return float(sum(after[place, token_id] for place, token_id in enumerate(text)))


@pytest.mark.parametrize("shape", [(3, 1, 700), (2, 5, 1000), (4, 5, 64 * 9), (2, 3, 70), (1, 2, 5)])
def test_chunks_find_what_sorting_everything_finds(shape: tuple[int, int, int]) -> None:
    generator = torch.Generator().manual_seed(5)
    logits = 3 * torch.randn(shape, generator=generator)
    scores = -5 * torch.rand(shape[:2], generator=generator)
    scores[:, 1:2] = -torch.inf
    count = min(2 * shape[1], shape[1] * shape[2])
    assert CHUNK == 64
    after = (logits.log_softmax(-1) + scores[..., None]).flatten(1)
    for ours, plain in zip(
        likeliest_extensions(logits, scores, count), as_extensions(after, count, shape[2]), strict=True
    ):
        torch.testing.assert_close(ours, plain, rtol=0.0, atol=0.0)


def test_a_text_of_the_greatest_length_is_taken_without_an_end() -> None:
    network = small_transformer()
    found = [row[0] for row in searched(network, longest=2, search=Search(4))]
    assert any(not text.ended and len(text.token_ids) == 2 for text in found)
    assert all(len(text.token_ids) + text.ended <= 2 for text in found)


def test_each_row_has_a_greatest_length_of_its_own() -> None:
    network = small_transformer()
    together = beam_search(cached(network, SOURCES), [1, 2, 3, 4, 5], end=END, search=Search(3), count=3)
    alone = [
        beam_search(cached(network, [source]), [longest], end=END, search=Search(3), count=3)[0]
        for longest, source in enumerate(SOURCES, 1)
    ]
    assert_same(together, alone)


def test_texts_of_a_network_in_training_are_searched_for_without_dropout() -> None:
    network = small_transformer(dropout=0.5)
    before = searched(network)
    network.train()
    assert_same(searched(network), before)
    assert network.training


def test_what_cannot_be_searched_for_is_refused() -> None:
    with pytest.raises(UsageError, match="beam search needs a beam"):
        Search(0)
    with pytest.raises(UsageError, match="this length penalty cannot be"):
        Search(2, float("nan"))
    with pytest.raises(UsageError, match="2 beams cannot give 3 texts"):
        searched(small_transformer(), search=Search(2), count=3)


def test_no_text_is_no_work() -> None:
    assert beam_search(cached(small_decoder("gpt"), []), [], end=END, search=Search()) == []
