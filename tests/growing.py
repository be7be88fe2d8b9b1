"""Texts that grow side by side, computed in two ways: their logits have to be the same at every step."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from everysum.generation.windows import Texts


def grow_alike(one: Texts, other: Texts, steps: int, *, keep_at: int, keep: Sequence[int]) -> None:
    """Both go on with the same random tokens; behind the step `keep_at` only the rows in `keep` do."""
    generator = torch.Generator().manual_seed(1)
    for step in range(steps):
        ours, expected = one.logits(), other.logits()
        torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-12)
        token_ids = torch.randint(one.network.vocabulary_size, (len(ours),), generator=generator).tolist()
        for texts in (one, other):
            texts.append(token_ids)
            if step == keep_at:
                texts.keep(keep)
