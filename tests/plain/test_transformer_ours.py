"""The transformer beside `models/transformer.py`."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch
from plain_and_torch import assert_held_together, take_over
from small_networks import randomized

from everysum.plain.normalization import layer_norm
from everysum.plain.residual import WIRINGS
from everysum.plain.transformer import random_transformer

torch_transformer = pytest.importorskip("everysum.models.transformer")


@pytest.mark.parametrize("wiring", WIRINGS)
def test_every_logit_and_every_gradient_is_torchs(wiring: str) -> None:
    theirs = randomized(
        torch_transformer.Transformer(
            vocabulary_size=7,
            source_vocabulary_size=5,
            context_length=8,
            width=8,
            encoder_layers=2,
            decoder_layers=2,
            heads=2,
            inner_width=12,
            wiring=wiring,
            shared=False,
            tied=False,
        )
    )
    ours = random_transformer(5, 7, Random(1), context_length=8, width=8, layers=2, heads=2, inner_width=12)
    ours.output.bias, ours.embedding_scale = None, math.sqrt(8)
    for block in [*ours.encoder_blocks, *ours.blocks]:
        block.wiring = WIRINGS[wiring]
    if wiring == "pre_norm":
        ours.encoder_normalization, ours.normalization = layer_norm(8), layer_norm(8)
    pairs = take_over(ours, theirs)
    source, target = [0, 3, 4, 1], [2, 6, 5]
    expected = theirs.head(theirs(torch.tensor([source]), torch.tensor([target])))[0]
    assert_held_together(ours.decode(target, ours.encode(source)), expected, pairs)
