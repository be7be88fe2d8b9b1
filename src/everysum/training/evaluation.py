"""Measuring a model on text that it has not learned from: every token scored once, in the context of those before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import islice
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from everysum.data.batches import EvaluationBatch, evaluation_batches
from everysum.data.token_files import TokenFile
from everysum.errors import InputError
from everysum.models.network import Network
from everysum.parallel import Team
from everysum.tokenizers.tokenizer import Tokenizer
from everysum.training.loss import token_losses

POSITIONS_AT_ONCE = 2048
LARGEST_WINDOW = 2048
"""However far a model looks back: beyond it, a longer context improves the loss little and costs far more."""


@dataclass(frozen=True)
class Measurement:
    """How well a model predicts a text. Windows of `window` tokens move on by `stride`; a token is scored once."""

    loss: float
    """The mean of −ln probability over all tokens, ends of texts included, in nats."""
    tokens: int
    bytes: int
    window: int
    stride: int

    @property
    def perplexity(self) -> float:
        """Among how many equally likely tokens the model is as good as choosing: e to the loss."""
        return math.exp(min(self.loss, 700.0))

    @property
    def bits_per_byte(self) -> float:
        """Bits that the model needs for each byte of text: comparable between vocabularies."""
        return self.loss * self.tokens / math.log(2) / self.bytes

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "perplexity": self.perplexity, "bits_per_byte": self.bits_per_byte}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Measurement:
        return cls(**{field.name: values[field.name] for field in fields(cls)})


def token_sizes(tokenizer: Tokenizer) -> Tensor:
    """How many bytes of text each token of a vocabulary stands for."""
    return torch.tensor([len(tokenizer.token_bytes(token_id)) for token_id in range(tokenizer.vocabulary_size)])


def evaluate_tokens(
    network: Network,
    tokens: TokenFile,
    sizes: Tensor,
    *,
    stride: int | None = None,
    most: int | None = None,
    team: Team | None = None,
) -> Measurement:
    """Score a token file, `sizes` being the bytes of each token of the vocabulary (see `token_sizes`).

    Windows are as long as the context, and at most `LARGEST_WINDOW`. `stride` is half of that when not given; `most`
    scores only about so many tokens, spread evenly (a quick look); a `team` scores several batches side by side, which
    changes nothing in the result.

    Raises InputError when the text has no token to predict.
    """
    if len(tokens) < 2:
        raise InputError("there is no token to predict", wanted="a text of at least one token")
    window = min(network.context_length, LARGEST_WINDOW, max(1, len(tokens) - 1))
    stride = min(window, stride or max(1, window // 2))
    was_training = network.training
    network.eval()
    total, count, seen_bytes = 0.0, 0, 0
    rows = max(1, POSITIONS_AT_ONCE // window)
    batches: Iterable[EvaluationBatch] = evaluation_batches(tokens, window, stride, rows)
    if most is not None:
        count_of_batches = math.ceil(len(tokens) / (rows * stride))
        enough = min(count_of_batches, math.ceil(most / (rows * stride)))
        every = count_of_batches // enough
        batches = islice(batches, 0, every * enough, every)
    for losses, targets in (team or Team(1)).each(partial(score, network), batches):
        total += float(losses.sum(dtype=torch.float64))
        count += len(targets)
        seen_bytes += int(sizes[targets].sum())
    network.train(was_training)
    return Measurement(total / count, count, seen_bytes, window, stride)


@torch.inference_mode()
def score(network: Network, batch: EvaluationBatch) -> tuple[Float[Tensor, " scored"], Int[Tensor, " scored"]]:
    """The losses of the tokens of a batch that count, and these tokens."""
    device, scored = network.device, batch.scored.flatten()
    visible = None if batch.visible is None else batch.visible.to(device)
    hidden = network(batch.inputs.to(device), visible).flatten(0, 1)
    losses = token_losses(hidden, network.head_weight, batch.targets.flatten().to(device)).cpu()
    return losses[scored], batch.targets.flatten()[scored]
