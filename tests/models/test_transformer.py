"""The encoder-decoder: what each position may know, caches, padding, gradients, refusals; in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from small_networks import CONTEXT, VOCABULARY, assert_same, randomized, tokens
from torch import Tensor, nn

from everysum.errors import UsageError
from everysum.layers.layer import declared_parameters, initialize
from everysum.layers.positions import sines_and_cosines
from everysum.models.transformer import Transformer, real_positions

SIZES: dict[str, Any] = {
    "vocabulary_size": VOCABULARY,
    "context_length": CONTEXT,
    "width": 24,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "heads": 4,
    "inner_width": 40,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "post_norm": {"wiring": "post_norm"},
    "pre_norm": {"wiring": "pre_norm"},
    "two tables, a head of its own": {"shared": False, "tied": False, "source_vocabulary_size": VOCABULARY + 2},
    "not scaled, with a bias, written out": {"scaled": False, "head_bias": True, "engine": "written_out"},
}
each_variant = pytest.mark.parametrize("variant", VARIANTS)


def small(variant: str = "pre_norm", **changes: Any) -> Transformer:
    return randomized(Transformer(**{**SIZES, **VARIANTS[variant], **changes}))


def logits(network: Transformer, source: Tensor, target: Tensor, lengths: list[int] | None = None) -> Tensor:
    visible = None if lengths is None else real_positions(torch.tensor(lengths), source.shape[1])
    with torch.no_grad():
        return network.head(network(source, target, visible))


@each_variant
def test_the_future_of_the_target_cannot_change_the_past(variant: str) -> None:
    network, source, target = small(variant), tokens(2, 7), tokens(2, 9, seed=1)
    changed = target.clone()
    changed[:, 5] = (changed[:, 5] + 1) % VOCABULARY
    before, after = logits(network, source, target), logits(network, source, changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert (before[:, 5:] != after[:, 5:]).all(dim=-1).all()


@each_variant
def test_every_word_of_the_source_matters_to_every_word_of_the_target(variant: str) -> None:
    network, source, target = small(variant), tokens(1, 7), tokens(1, 4, seed=1)
    before = logits(network, source, target)
    for place in range(7):
        changed = source.clone()
        changed[0, place] = (changed[0, place] + 1) % VOCABULARY
        assert (logits(network, changed, target) != before).any(dim=-1).all()


@each_variant
def test_the_order_of_the_source_matters(variant: str) -> None:
    network, target = small(variant), tokens(1, 4, seed=1)
    one, other = (logits(network, torch.tensor([ids]), target) for ids in ([3, 5, 7], [7, 5, 3]))
    assert (one - other).abs().max() > 0.01


@given(some.lists(some.integers(1, 8), min_size=2, max_size=4), some.integers(0, 99), some.sampled_from(list(VARIANTS)))
@settings(max_examples=15, deadline=None)
def test_padding_changes_nothing(lengths: list[int], seed: int, variant: str) -> None:
    network, longest = small(variant), max(lengths)
    source, target = tokens(len(lengths), longest + 1, seed=seed), tokens(len(lengths), 5, seed=seed + 1)
    together = logits(network, source, target, lengths)
    for row, length in enumerate(lengths):
        alone = logits(network, source[row : row + 1, :length], target[row : row + 1])
        assert_same(together[row : row + 1], alone, 1e-10)


@each_variant
def test_cached_equals_uncached(variant: str) -> None:
    network, source, target = small(variant), tokens(3, 6), tokens(3, 8, seed=1)
    visible = real_positions(torch.tensor([6, 3, 1]), 6)
    with torch.no_grad():
        expected = network(source, target, visible)
        memory = network.remember(network.encode(source, visible), visible)
        cache = network.new_cache(3, 8)
        parts = [network.decode(target[:, start:stop], memory, cache) for start, stop in ((0, 3), (3, 4), (4, 8))]
    assert_same(torch.cat(parts, dim=1), expected, 1e-12)


def test_a_memory_keeps_the_rows_that_are_chosen_in_their_order() -> None:
    network, source, target = small(), tokens(3, 6), tokens(3, 4, seed=1)
    visible, rows = real_positions(torch.tensor([6, 3, 5]), 6), torch.tensor([2, 0, 2])
    with torch.no_grad():
        memory = network.remember(network.encode(source, visible), visible).select(rows)
        assert_same(network.decode(target, memory), network(source[rows], target, visible[rows]), 1e-12)


@pytest.mark.parametrize("wiring", ["post_norm", "pre_norm"])
def test_the_towers_are_torchs_own_transformer(wiring: str) -> None:
    """`torch.nn.Transformer` with the same weights; what it lacks, embeddings and positions, is put in by hand."""
    network, first = small(wiring, decoder_layers=2), wiring == "pre_norm"
    sizes = {"d_model": 24, "nhead": 4, "dim_feedforward": 40, "dropout": 0.0, "batch_first": True}
    sizes |= {"norm_first": first, "dtype": torch.float64}
    norms = [nn.LayerNorm(24, dtype=torch.float64) if first else None for _ in range(2)]
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(**sizes), 2, norms[0], enable_nested_tensor=False)
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(**sizes), 2, norms[1])
    theirs = nn.Transformer(24, 4, custom_encoder=encoder, custom_decoder=decoder, batch_first=True)
    for ours, blocks in ((network.encoder_blocks, theirs.encoder.layers), (network.blocks, theirs.decoder.layers)):
        for our_block, block in zip(ours, blocks, strict=True):
            copy_block(our_block, block)
    if first:
        theirs.encoder.norm.load_state_dict(network.encoder_normalization.state_dict())
        theirs.decoder.norm.load_state_dict(network.normalization.state_dict())
    source, target = tokens(2, 6), tokens(2, 5, seed=1)
    rows, waves = network.token_embedding.weight.detach(), sines_and_cosines(CONTEXT, 24)
    embedded = [rows[ids] * 24**0.5 + waves[: ids.shape[1]] for ids in (source, target)]
    causal = nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    with torch.no_grad():
        expected = theirs.eval()(*embedded, tgt_mask=causal, tgt_is_causal=True)
        assert_same(network(source, target), expected, 1e-10)


def copy_block(ours: nn.Module, theirs: nn.Module) -> None:
    """Our weights under torch's names."""
    attentions = [(ours.attention, theirs.self_attn)]
    norms = [ours.attention_normalization, ours.feed_forward_normalization]
    if hasattr(ours, "cross_attention"):
        attentions.append((ours.cross_attention, theirs.multihead_attn))
        norms.insert(1, ours.cross_attention_normalization)
    for our_part, part in attentions:
        parts = (our_part.query, our_part.key, our_part.value)
        part.in_proj_weight.data = torch.cat([each.weight.data for each in parts])
        part.in_proj_bias.data = torch.cat([each.bias.data for each in parts])
        part.out_proj.load_state_dict(our_part.output.state_dict())
    theirs.linear1.load_state_dict(ours.feed_forward.up.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.down.state_dict())
    for number, norm in enumerate(norms, 1):
        getattr(theirs, f"norm{number}").load_state_dict(norm.state_dict())


@each_variant
def test_gradients_by_nudging(variant: str) -> None:
    """Along a random direction of all parameters together, the loss changes as the gradient says."""
    network, source, target = small(variant), tokens(2, 5), tokens(2, 4, seed=1)
    visible = real_positions(torch.tensor([5, 3]), 5)

    def loss() -> Tensor:
        return network.head(network(source, target, visible)).log_softmax(dim=-1)[..., 3].mean()

    parameters = list(network.parameters())
    gradients = torch.autograd.grad(loss(), parameters)
    generator = torch.Generator().manual_seed(1)
    directions = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in parameters]
    expected = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))
    found = []
    with torch.no_grad():
        for nudge in (1e-6, -2e-6):
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter.add_(direction, alpha=nudge)
            found.append(loss().item())
    assert (found[0] - found[1]) / 2e-6 == pytest.approx(expected, rel=1e-4)


def test_every_parameter_declares_its_role_and_starts_from_seed_and_name() -> None:
    with torch.device("meta"):
        network = Transformer(**SIZES, tied=False, shared=False, head_bias=True)
    network = network.to_empty(device="cpu")
    initialize(network, 4)
    roles = {name: declaration.role for name, _, declaration in declared_parameters(network)}
    assert roles["token_embedding.weight"] == roles["source_embedding.weight"] == "embedding"
    assert roles["output.weight"] == "head"
    assert roles["head_bias"] == roles["blocks.2.cross_attention_normalization.bias"] == "vector"
    assert roles["blocks.0.cross_attention.key.weight"] == roles["encoder_blocks.1.feed_forward.up.weight"] == "matrix"
    assert all(bool(parameter.isfinite().all()) for parameter in network.parameters())
    assert network.token_embedding.weight.std().item() == pytest.approx(24**-0.5, rel=0.1)


def test_shared_tables_are_one_and_only_pre_norm_normalizes_at_the_end() -> None:
    assert small("pre_norm").source_embedding is None
    assert small("pre_norm").encoder_normalization is not None
    assert small("pre_norm").normalization is not None
    assert small("post_norm").encoder_normalization is None
    assert small("post_norm").normalization is None


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(UsageError, match="5 heads cannot share a width of 24 evenly"):
        Transformer(**{**SIZES, "heads": 5})
