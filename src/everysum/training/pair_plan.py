"""The plan for pairs of sentences: sizes from how much text there is and how many sums fit into the time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from everysum.training.choices import chosen_heads, count_in

CONTEXT = 256
"""Tokens of a side, or of both where they stand in a row: sentences are seldom longer than a quarter of it."""
MOST_EPOCHS = 40
"""How often pairs are worth being seen: with dropout and smoothed labels a translator gets better for longer than a
network that goes on with a text does."""
ENOUGH_EPOCHS = 6
"""Before a network is taken larger, it should see the pairs so often."""
LABEL_SMOOTHING = 0.1
USUAL_LENGTH = 24
"""Tokens of a sentence, where speed is measured."""

SHAPES = ((64, 2), (96, 2), (128, 2), (128, 3), (192, 3), (256, 3), (256, 4), (320, 4), (384, 5), (512, 6))
"""Widths, and numbers of layers of encoder and decoder each, to choose from."""
VOCABULARIES = (
    (100_000, 512, 2.2), (400_000, 1024, 2.7), (1_000_000, 2048, 3.2), (2_500_000, 4096, 3.8), (10_000_000, 6144, 4.2),
    (50_000_000, 8192, 4.4), (math.inf, 16384, 4.7),
)  # fmt: skip
"""Up to so many bytes of both sides: a joint vocabulary of this size, and about how many bytes a token then has."""


@dataclass(frozen=True)
class PairSizes:
    """What can be chosen before anything is measured, and about how often such a run will see the pairs."""

    vocabulary_size: int
    width: int
    layers: int
    batch_tokens: int
    epochs: float


def chosen_sizes(train_bytes: int, operations: float, *, joined: bool) -> PairSizes:
    """Sizes for pairs of so many bytes and a run of so many additions and multiplications.

    On Multi30k, 3 + 3 layers of width 192 and a vocabulary of 6,000 came to 36.7 BLEU on the validation pairs after
    three passes, without search; that is where these formulas start from, and what lies far from it is untried.
    `joined` is one tower that reads both sides in a row, with as many layers as encoder and decoder have together.
    """
    _, vocabulary_size, bytes_a_token = next(row for row in VOCABULARIES if train_bytes <= row[0])
    tokens = train_bytes / bytes_a_token

    def affordable(shape: tuple[int, int]) -> float:
        """How many epochs: half of the tokens pass the encoder, the other half the decoder and the head."""
        width, layers = shape
        parameters = layers * width**2 * (24 if joined else 14) + vocabulary_size * width / 2
        return operations / (1.2 * 6 * parameters * tokens)

    fitting = [shape for shape in SHAPES if block_parameters(shape) <= 1.5 * train_bytes] or [SHAPES[0]]
    shape = next((shape for shape in reversed(fitting) if affordable(shape) >= ENOUGH_EPOCHS), fitting[0])
    epochs = min(MOST_EPOCHS, affordable(shape))
    batch_tokens = 2 ** round(math.log2(1024 * max(1.0, epochs * tokens / 1e6) ** 0.5))
    return PairSizes(vocabulary_size, *shape, min(8192, batch_tokens), epochs)


def block_parameters(shape: tuple[int, int]) -> int:
    """About how many parameters encoder and decoder of this width and number of layers have."""
    width, layers = shape
    return 28 * layers * width**2


def chosen_dropout(epochs: float) -> float:
    """The more often the pairs are seen, the more keeps the network from learning them by heart."""
    return 0.0 if epochs <= 4 else min(0.3, round(0.1 * math.log2(epochs / 4), 2))


def chosen_values(train_bytes: int, operations: float, wished: Mapping[str, Any]) -> dict[str, Any]:
    """What is chosen for a run on pairs where nothing is wished; an encoder-decoder unless a tower is wished for."""
    kind = wished.get("kind", "transformer")
    sizes = chosen_sizes(train_bytes, operations, joined=kind != "transformer")
    width = count_in(wished, "width", sizes.width)
    layers = {"encoder_layers": sizes.layers, "decoder_layers": sizes.layers}
    return {
        "tokenizer": {"vocabulary_size": sizes.vocabulary_size},
        "network": {
            "kind": kind,
            "width": width,
            "heads": count_in(wished, "heads", chosen_heads(width, 32 if width <= 256 else 64)),
            "context_length": CONTEXT,
            "dropout": chosen_dropout(sizes.epochs),
            **(layers if kind == "transformer" else {"layers": 2 * sizes.layers}),
        },
        "optimizer": {"label_smoothing": LABEL_SMOOTHING, "embedding_rate": 0.005},
        "schedule": {"batch_size": sizes.batch_tokens},
    }
