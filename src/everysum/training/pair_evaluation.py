"""Measuring a translator on pairs that it has not learned from: every token of each target scored once."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from everysum.data.pair_batches import Layout, PairBatch, measuring_batches
from everysum.data.pair_files import PairFile
from everysum.errors import InputError
from everysum.models.network import Network
from everysum.parallel import Team
from everysum.training.evaluation import Measurement
from everysum.training.loss import token_losses

TOKENS_AT_ONCE = 4096


def evaluate_pairs(
    network: Network,
    pairs: PairFile,
    layout: Layout,
    sizes: Tensor,
    *,
    most: int | None = None,
    team: Team | None = None,
) -> Measurement:
    """The loss at each token of the targets, given the source and the target so far, sentence by sentence.

    `sizes` are the bytes of each token (see `token_sizes`), so that bits per byte are those of the targets; `most`
    scores only pairs of about so many tokens, spread evenly. Pairs longer than the context do not count. Raises
    InputError when none is left.
    """
    context_length, was_training = network.context_length, network.training
    network.eval()
    batches = measuring_batches(pairs, layout, batch_tokens=TOKENS_AT_ONCE, context_length=context_length, most=most)
    total, count, seen_bytes = 0.0, 0, 0
    for losses, targets in (team or Team(1)).each(partial(score_pairs, network), batches):
        total += float(losses.sum(dtype=torch.float64))
        count += len(targets)
        seen_bytes += int(sizes[targets].sum())
    network.train(was_training)
    if not count:
        raise InputError("there is no pair to measure on", wanted=f"sentences of at most {context_length} tokens")
    return Measurement(total / count, count, max(1, seen_bytes), context_length, context_length)


@torch.inference_mode()
def score_pairs(network: Network, batch: PairBatch) -> tuple[Float[Tensor, " scored"], Int[Tensor, " scored"]]:
    """The losses of the tokens that count, and these tokens."""
    device = str(network.device)
    moved = batch.to(device)
    hidden = network(*moved.given)[moved.scored]
    targets = moved.targets[moved.scored]
    bias = getattr(network, "head_bias", None)
    return token_losses(hidden, network.head_weight, targets, bias).cpu(), batch.targets[batch.scored]
