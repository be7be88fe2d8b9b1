from __future__ import annotations

import pytest
import torch
from growing import grow_alike

from everysum.generation.windows import CachedTexts, RecomputedTexts, window
from everysum.models.network import Network


def test_a_full_context_keeps_its_last_half() -> None:
    assert [window(length, 8) for length in range(1, 20)] == [1, 2, 3, 4, 5, 6, 7, 8, 4, 5, 6, 7, 8, 4, 5, 6, 7, 8, 4]
    assert [window(length, 5) for length in range(1, 12)] == [1, 2, 3, 4, 5, 2, 3, 4, 5, 2, 3]
    assert [window(length, 2) for length in range(1, 6)] == [1, 2, 1, 2, 1]
    assert [window(length, 1) for length in range(1, 4)] == [1, 1, 1]


@pytest.mark.parametrize("context_length", range(1, 10))
def test_a_window_grows_by_one_until_it_is_full(context_length: int) -> None:
    seen = 0
    for length in range(1, 60):
        seen = seen + 1 if seen < context_length else max(1, context_length // 2)
        assert window(length, context_length) == seen


@pytest.mark.parametrize("kind", ["gpt", "llama"])
@pytest.mark.parametrize("context_length", [1, 2, 3, 8])
def test_cached_logits_are_the_recomputed_ones_while_windows_move(build, kind: str, context_length: int) -> None:
    network: Network = build(kind, context_length=context_length)
    prompts = [[token_id % 23 for token_id in range(5, 5 + count)] for count in (1, 2, 3, 8) if count <= context_length]
    cached, recomputed = CachedTexts(network, prompts, longest=99), RecomputedTexts(network, prompts)
    grow_alike(cached, recomputed, 25, keep_at=10, keep=[len(prompts) - 1, 0, len(prompts) - 1])


def test_a_token_costs_one_position(build, monkeypatch: pytest.MonkeyPatch) -> None:
    network: Network = build("llama", context_length=8)
    forward, shapes = network.forward, []
    monkeypatch.setattr(network, "forward", lambda ids, **more: shapes.append(tuple(ids.shape)) or forward(ids, **more))
    texts = CachedTexts(network, [[1, 2, 3], [4, 5]], longest=12)
    for _ in range(10):
        texts.logits()
        texts.append([6, 7])
    # the first row's window moves with its 9th and 14th token, the second's one step later each time
    step = (2, 1)
    assert shapes == [(2, 3), *[step] * 5, step, (1, 4), step, (1, 4), *[step] * 2]


@pytest.mark.parametrize("kind", ["gpt", "llama"])
def test_dropout_is_off_also_in_the_middle_of_training(build, kind: str) -> None:
    network: Network = build(kind, dropout=0.5)
    expected = RecomputedTexts(network, [[1, 2, 3]]).logits()
    network.train()
    for texts in (RecomputedTexts(network, [[1, 2, 3]]), CachedTexts(network, [[1, 2, 3]], longest=8)):
        torch.testing.assert_close(texts.logits(), expected)
        assert network.training
        assert network.blocks[0].dropout.training
