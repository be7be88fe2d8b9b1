"""What a translator looked at: its cross-attention as an alignment of the words of a sentence and its translation.

Each token of the translation is chosen while cross-attention mixes the source's tokens in some proportions. These are
the weights that are shown, the mean over heads; of words that are several tokens, a source word has the sum of its
tokens' weights, a target word the mean. Attention is what was mixed, not why: it need not be where a word comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from everysum.errors import ModelFolderError, UsageError
from everysum.generation.beams import remembered
from everysum.generation.translation import Translator
from everysum.generation.windows import evaluating
from everysum.layers.attention import Visible, attention_weights
from everysum.models.network import Network
from everysum.models.transformer import DecoderBlock, Transformer
from everysum.tokenizers.tokenizer import Tokenizer

WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
END = "(end)"
"""How the token behind a text is shown."""


@dataclass(frozen=True)
class Alignment:
    """How much each word of a translation looked at each word of its source: `weights[target][source]`.

    Both sides end with the end of the text; a row sums to 1. `layers` are the decoder's layers, counted from 1, over
    whose heads the mean was taken.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    layers: tuple[int, ...]
    heads: int


def align(
    network: Network, tokenizer: Tokenizer, source: str, token_ids: Sequence[int], layers: Sequence[int] | None = None
) -> Alignment:
    """What the network looks at in `source` while it says these tokens of a translation, and the end.

    Without `layers` all layers are shown together. Raises ModelFolderError for a network without cross-attention,
    UsageError for a layer that it does not have.
    """
    if not isinstance(network, Transformer):
        raise ModelFolderError(
            "this translator has no cross-attention to look at: it reads source and translation in one row",
            wanted="an encoder-decoder, which `everysum train --pairs` makes without --recipe separator",
            came=f"a {type(network).__name__} with a separator",
        )
    chosen = tuple(layers or range(1, len(network.blocks) + 1))
    for layer in chosen:
        if not 1 <= layer <= len(network.blocks):
            raise UsageError(
                f"the decoder has no layer {layer}", wanted=f"a layer from 1 to {len(network.blocks)}", came=str(layer)
            )
    source_ids, translator = tokenizer.encode(source), Translator.of(network, tokenizer)
    weights = cross_attention(network, translator.source(source_ids), token_ids, translator.start)
    mean = weights[[layer - 1 for layer in chosen]].mean((0, 1))
    source_words, source_places = words_of(source_ids, tokenizer)
    target_words, target_places = words_of(token_ids, tokenizer)
    by_source = mean.new_zeros(len(mean), len(source_words)).index_add(1, source_places, mean)
    by_word = mean.new_zeros(len(target_words), len(source_words)).index_add(0, target_places, by_source)
    by_word /= target_places.bincount(minlength=len(target_words))[:, None]
    rows = tuple(tuple(row) for row in by_word.tolist())
    return Alignment(source_words, target_words, rows, chosen, weights.shape[1])


@torch.inference_mode()
def cross_attention(
    network: Transformer, source_ids: Sequence[int], token_ids: Sequence[int], start: int
) -> Float[Tensor, "layers heads target source"]:
    """The weights with which each token, and the end behind them, was said."""
    memory = remembered(network, [source_ids])
    with evaluating(network), recorded(network) as weights:
        network.decode(torch.tensor([[start, *token_ids]], device=network.device), memory)
    return torch.cat(weights).to(torch.promote_types(weights[0].dtype, torch.float32)).cpu()


@contextmanager
def recorded(network: Transformer) -> Iterator[list[Tensor]]:
    """Inside, every cross-attention computes as its definition reads and keeps its weights, layer by layer."""
    kept: list[Tensor] = []

    def keeping(query: Tensor, key: Tensor, value: Tensor, visible: Visible) -> Tensor:
        kept.append(attention_weights(query, key, visible))
        return kept[-1] @ value

    attentions = [cast(DecoderBlock, block).cross_attention for block in network.blocks]
    engines = [attention.engine for attention in attentions]
    try:
        for attention in attentions:
            attention.engine = keeping
        yield kept
    finally:
        for attention, engine in zip(attentions, engines, strict=True):
            attention.engine = engine


def words_of(token_ids: Sequence[int], tokenizer: Tokenizer) -> tuple[tuple[str, ...], Tensor]:
    """The words of a text, its end the last of them, and for each token, the end's included, which word it is of.

    A token belongs to the word in which its first byte that is no space stands; a space alone to the word behind it.
    """
    pieces = [tokenizer.token_bytes(token_id) for token_id in token_ids]
    text = b"".join(pieces).decode("utf-8", errors="replace")
    ends, words = list[int](), list[str]()
    for word in WORD.finditer(text):
        words.append(word[0])
        ends.append(len(text[: word.end()].encode()))
    places, start = list[int](), 0
    for piece in pieces:
        first = start + min(len(piece) - len(piece.lstrip()), max(len(piece) - 1, 0))
        places.append(sum(first >= end for end in ends))
        start += len(piece)
    last = max(len(words) - 1, 0)
    return (*words, END), torch.tensor([min(place, last) for place in places] + [len(words)])
