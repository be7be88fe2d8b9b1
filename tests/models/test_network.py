"""What holds for every network, whatever it is made of."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import CONTEXT, VARIANTS, VOCABULARY, assert_same, logits, randomized, small, tokens
from torch import Tensor
from torch.nn import functional

from everysum.errors import EverysumError, UsageError
from everysum.layers.attention import ENGINES
from everysum.layers.dropout import seed_dropout
from everysum.layers.layer import initialize
from everysum.models.gpt import GPT
from everysum.models.llama import Llama
from everysum.models.network import Network, head_size_of

each_variant = pytest.mark.parametrize("variant", VARIANTS)
each_engine = pytest.mark.parametrize("engine", ENGINES)

NETWORKS = {(variant, engine): small(variant, engine=engine) for variant in VARIANTS for engine in ENGINES}


# --- the future, and other documents ----------------------------------------------------------------------------------


@given(
    st.sampled_from(sorted(NETWORKS)),
    st.lists(st.integers(0, VOCABULARY - 1), min_size=2, max_size=CONTEXT),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_future_tokens_cannot_change_the_past(kind: tuple[str, str], token_ids: list[int], data: st.DataObject) -> None:
    network = NETWORKS[kind]
    start = data.draw(st.integers(1, len(token_ids) - 1), label="first changed token")
    future = data.draw(
        st.lists(st.integers(0, VOCABULARY - 1), min_size=len(token_ids) - start, max_size=len(token_ids) - start)
    )
    before, after = torch.tensor([token_ids]), torch.tensor([token_ids[:start] + future])
    assert torch.equal(logits(network, before)[:, :start], logits(network, after)[:, :start])
    if not torch.equal(before, after):
        assert not torch.equal(logits(network, before)[:, start:], logits(network, after)[:, start:])


@each_engine
@each_variant
def test_every_past_token_counts(variant: str, engine: str) -> None:
    network, token_ids = NETWORKS[variant, engine], tokens(1, CONTEXT)
    last = logits(network, token_ids)[0, -1]
    # through a sliding window of five, two layers look back eight positions
    reach = CONTEXT if variant != "mistral" else 9
    for position in range(CONTEXT):
        changed = token_ids.clone()
        changed[0, position] = (changed[0, position] + 1) % VOCABULARY
        same = torch.allclose(logits(network, changed)[0, -1], last, rtol=0, atol=1e-6)
        assert same == (position < CONTEXT - reach), position


def within_documents(lengths: list[int]) -> Tensor:
    """Causal, and each position sees its own document only."""
    document = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    return ((document[:, None] == document) & torch.ones(len(document), len(document)).tril().bool())[None, None]


@each_engine
@pytest.mark.parametrize("variant", [variant for variant in VARIANTS if not variant.startswith("gpt")])
def test_a_document_in_a_packed_window_has_the_logits_it_has_alone(variant: str, engine: str) -> None:
    """Rotary positions leave only differences of positions, and these are the same wherever the document stands."""
    network, lengths = NETWORKS[variant, engine], [5, 1, 7, 3]
    packed = tokens(1, CONTEXT)
    ours = logits(network, packed, within_documents(lengths))
    alone = [logits(network, document) for document in packed.split(lengths, dim=1)]
    assert_same(ours, torch.cat(alone, dim=1))


@each_engine
@pytest.mark.parametrize("variant", [variant for variant in VARIANTS if variant.startswith("gpt")])
def test_learned_positions_keep_documents_apart_but_not_their_places(variant: str, engine: str) -> None:
    """What another document says changes nothing; but only the first stands where it would stand alone."""
    network, lengths = NETWORKS[variant, engine], [5, 4, 7]
    packed, visible = tokens(1, CONTEXT), within_documents([5, 4, 7])
    ours = logits(network, packed, visible)
    for changed in range(3):
        other = packed.clone()
        start = sum(lengths[:changed])
        place = slice(start, start + lengths[changed])
        other[:, place] = (other[:, place] + 1) % VOCABULARY
        theirs = logits(network, other, visible)
        same = torch.ones(CONTEXT, dtype=torch.bool)
        same[place] = False
        assert torch.equal(theirs[:, same], ours[:, same])
        assert not torch.equal(theirs[:, place], ours[:, place])
    assert_same(ours[:, :5], logits(network, packed[:, :5]))
    assert not torch.allclose(ours[:, 5:9], logits(network, packed[:, 5:9]))


@each_variant
def test_each_row_of_a_batch_is_computed_as_if_alone(variant: str) -> None:
    network, batch = NETWORKS[variant, "fused"], tokens(3, 9)
    alone = torch.cat([logits(network, row[None]) for row in batch])
    assert_same(logits(network, batch), alone)


@each_variant
def test_the_two_engines_agree(variant: str) -> None:
    batch = tokens(2, CONTEXT)
    for visible in (None, within_documents([6, 10])):
        written_out = logits(NETWORKS[variant, "written_out"], batch, visible)
        assert_same(logits(NETWORKS[variant, "fused"], batch, visible), written_out)


# --- the cache --------------------------------------------------------------------------------------------------------


@each_engine
@each_variant
@pytest.mark.parametrize("pieces", [[16], [1] * 16, [5, 1, 1, 9], [1, 15]])
def test_cached_logits_are_the_uncached_ones_in_whatever_pieces(variant: str, engine: str, pieces: list[int]) -> None:
    network, batch = NETWORKS[variant, engine], tokens(2, CONTEXT)
    cache = network.new_cache(2, CONTEXT)
    cached = [logits(network, piece, cache=cache) for piece in batch.split(pieces, dim=1)]
    assert_same(torch.cat(cached, dim=1), logits(network, batch))


@given(
    st.sampled_from(sorted(NETWORKS)),
    st.lists(st.integers(1, 8), min_size=1, max_size=4),
    st.lists(st.integers(1, 4), max_size=2),
    st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_prompts_of_different_lengths_share_a_batch(
    kind: tuple[str, str], lengths: list[int], steps: list[int], spare: int
) -> None:
    """Shorter rows are padded on the right and grow into their padding; each row is as if alone and uncached."""
    network, longest, grown = NETWORKS[kind], max(lengths), sum(steps)
    texts = [tokens(length + grown, seed=row) for row, length in enumerate(lengths)]
    cache = network.new_cache(len(texts), longest + grown + spare)
    prompts = [
        functional.pad(text[:length], (0, longest - length)) for text, length in zip(texts, lengths, strict=True)
    ]
    prefill = logits(network, torch.stack(prompts), cache=cache)
    cache.set_lengths(torch.tensor(lengths))
    seen = [[prefill[row, :length]] for row, length in enumerate(lengths)]
    done = 0
    for step in steps:
        starts = [length + done for length in lengths]
        piece = torch.stack([text[start : start + step] for text, start in zip(texts, starts, strict=True)])
        for row, new in enumerate(logits(network, piece, cache=cache)):
            seen[row].append(new)
        done += step
    for text, parts in zip(texts, seen, strict=True):
        assert_same(torch.cat(parts), logits(network, text[None])[0])


@each_variant
def test_selected_rows_go_on_as_copies(variant: str) -> None:
    network, batch = NETWORKS[variant, "fused"], tokens(3, 6)
    cache = network.new_cache(3, 8)
    logits(network, batch, cache=cache)
    rows = torch.tensor([2, 0, 2, 2])
    cache.select(rows)
    new = tokens(4, 2, seed=9)
    ours = logits(network, new, cache=cache)
    assert_same(ours, logits(network, torch.cat([batch[rows], new], dim=1))[:, 6:])


def test_a_cache_keeps_only_the_shared_keys_and_values_in_the_networks_precision() -> None:
    cache = small("llama_tied_grouped").bfloat16().new_cache(3, 11)
    assert len(cache.keys) == len(cache.values) == 2
    assert {tuple(tensor.shape) for tensor in (*cache.keys, *cache.values)} == {(3, 2, 11, 6)}
    assert cache.keys[0].dtype == torch.bfloat16


@each_variant
def test_a_full_cache_refuses_more_and_names_its_size(variant: str) -> None:
    network = NETWORKS[variant, "fused"]
    cache = network.new_cache(1, 6)
    logits(network, tokens(1, 4), cache=cache)
    with pytest.raises(EverysumError, match="the cache holds 6 positions; 4 \\+ 3 do not fit"):
        logits(network, tokens(1, 3), cache=cache)


def test_a_mask_beside_a_cache_is_refused() -> None:
    network = NETWORKS["llama", "fused"]
    with pytest.raises(ValueError, match="a cache decides itself what is visible"):
        logits(network, tokens(1, 3), within_documents([3]), network.new_cache(1, 6))


# --- head, precision, dropout, gradients ------------------------------------------------------------------------------


@each_variant
def test_tied_networks_give_logits_by_their_embeddings_rows(variant: str) -> None:
    network = NETWORKS[variant, "fused"]
    tied = "output.weight" not in dict(network.named_parameters())
    assert tied == (VARIANTS[variant].get("tied", variant.startswith("gpt")))
    assert (network.head_weight is network.token_embedding.weight) == tied
    hidden = torch.randn(1, 2, 24, dtype=torch.float64)
    assert_same(network.head(hidden), hidden @ network.head_weight.T)


@each_variant
def test_embedding_and_head_may_be_stored_more_precisely_than_the_blocks_compute(variant: str) -> None:
    network = small(variant).float()
    single = logits(network, tokens(1, 6))
    for name, parameter in network.named_parameters():
        if "embedding" not in name and name != "output.weight":
            parameter.data = parameter.data.bfloat16()
    mixed = logits(network, tokens(1, 6))
    assert network.dtype == mixed.dtype == network.new_cache(1, 1).keys[0].dtype == torch.bfloat16
    assert (mixed.float() - single).abs().max() < 0.1 * single.abs().max()


@each_variant
def test_dropout_acts_in_training_and_not_otherwise(variant: str) -> None:
    network, without = small(variant, dropout=0.3), small(variant)
    token_ids = tokens(1, 8)
    assert torch.equal(logits(network, token_ids), logits(without, token_ids))
    network.train()
    seed_dropout(network, "1")
    first, second = logits(network, token_ids), logits(network, token_ids)
    assert not torch.allclose(first, second)
    seed_dropout(network, "1")
    assert torch.equal(logits(network, token_ids), first)


@each_engine
@pytest.mark.parametrize(
    ("kind", "settings_"),
    [
        (GPT, {"wiring": "pre_norm", "tied": False}),
        (GPT, {"wiring": "post_norm"}),
        (Llama, {"normalize_heads": True, "key_value_heads": 1, "inner_width": 3}),
    ],
)
def test_gradients_of_a_whole_network_by_nudging(kind: type[Network], settings_: dict[str, Any], engine: str) -> None:
    sizes = {"vocabulary_size": 3, "context_length": 3, "width": 4, "layers": 1, "heads": 2}
    if kind is GPT:
        sizes["inner_width"] = 3
    network = randomized(kind(**sizes, **settings_, engine=engine))
    parameters = dict(network.named_parameters())
    head_name = "output.weight" if "output.weight" in parameters else "token_embedding.weight"
    token_ids, targets = torch.tensor([[0, 2, 1]]), torch.tensor([2, 1, 1])

    def loss(*values: Tensor) -> Tensor:
        hidden = torch.func.functional_call(network, dict(zip(parameters, values, strict=True)), (token_ids,))
        head = values[list(parameters).index(head_name)]
        return functional.cross_entropy(hidden[0] @ head.T, targets)

    assert torch.autograd.gradcheck(loss, [value.detach().requires_grad_() for value in parameters.values()])


# --- heads that do not divide the width -------------------------------------------------------------------------------


def test_heads_that_do_not_divide_the_width_are_refused_with_those_that_do() -> None:
    with pytest.raises(UsageError) as refusal:
        small("gpt", width=128, heads=6)
    assert str(refusal.value) == (
        "6 heads cannot share a width of 128 evenly\n"
        "  wanted: a number of heads that divides the width\n"
        "  came: width 128, heads 6\n"
        "  do: for this width take 2, 4, 8 heads, or a width of 126"
    )


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_what_the_refusal_advises_is_accepted(width: int, heads: int) -> None:
    try:
        assert head_size_of(width, heads) * heads == width
    except UsageError as refusal:
        *counts, other_width = (int(number) for number in re.findall(r"\d+", refusal.advice or ""))
        assert counts
        assert all(head_size_of(width, count) * count == width for count in counts)
        assert head_size_of(other_width, heads) * heads == other_width
        nearest = min((count for count in range(1, width + 1) if width % count == 0), key=lambda c: abs(c - heads))
        assert min(abs(count - heads) for count in counts) == abs(nearest - heads)


@pytest.mark.parametrize("heads", [0, -2])
def test_no_heads_at_all_are_refused(heads: int) -> None:
    with pytest.raises(UsageError, match=f"{heads} heads cannot share a width of 24 evenly"):
        head_size_of(24, heads)


def test_an_untrained_gpt_says_nearly_nothing() -> None:
    """Its loss is that of guessing evenly: ln V."""
    network = GPT(vocabulary_size=500, context_length=32, width=64, layers=2, heads=4)
    initialize(network, 3)
    token_ids = torch.randint(500, (4, 32), generator=torch.Generator().manual_seed(1))
    loss = functional.cross_entropy(logits(network, token_ids)[:, :-1].flatten(0, 1), token_ids[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(500), rel=0.03)
