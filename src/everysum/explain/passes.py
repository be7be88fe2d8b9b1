"""The passes of our models that are recorded: over a prompt, or over a source and its translation so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from everysum.errors import InputError
from everysum.explain.record import Record, recorded
from everysum.explain.recorder import Watch
from everysum.generation.generate import refuse_unusable
from everysum.generation.translation import Translator
from everysum.models.network import Network
from everysum.models.transformer import Transformer
from everysum.tokenizers.tokenizer import Tokenizer

TokenText = Callable[[int], str]


def record_prompt(
    network: Network, token_ids: Sequence[int], token_text: TokenText, watch: Watch | None = None
) -> Record:
    """The pass of a language model over these tokens."""
    refuse_unusable(network, [token_ids], 0)
    return record_ids(network, {"token_ids": token_ids}, token_text, watch)


def record_translation(
    network: Network,
    tokenizer: Tokenizer,
    source: str | None,
    target: str,
    token_text: TokenText,
    watch: Watch | None = None,
) -> Record:
    """The pass of a translator over a source and the beginning of its translation; white space around is left out.

    Its inputs are `source_ids` and `target_ids`, or `token_ids` where one tower reads both in a row. Raises
    ModelFolderError for a network that does not translate, InputError for a text that is empty or too long.
    """
    translator = Translator.of(network, tokenizer)
    if source is None or not source.strip():
        raise InputError("there is no sentence to translate", wanted="at least one character")
    source_ids = tokenizer.encode(source.strip())
    translator.refuse_too_long(source_ids, "the sentence")
    read, said = translator.source(source_ids), tokenizer.encode_target(target.strip())
    if not isinstance(network, Transformer):
        return record_prompt(network, [*read, *said], token_text, watch)
    translator.refuse_too_long(said, "the translation")
    inputs: dict[str, Sequence[int]] = {"source_ids": read, "target_ids": [translator.start, *said]}
    return record_ids(network, inputs, token_text, watch)


def record_ids(
    network: Network, inputs: dict[str, Sequence[int]], token_text: TokenText, watch: Watch | None
) -> Record:
    """The pass over one row of tokens for each argument of the network; what comes behind the last one is predicted."""
    device = network.device
    given = {name: torch.tensor([token_ids], device=device) for name, token_ids in inputs.items()}

    @torch.no_grad()
    def predict() -> dict[str, Tensor]:
        hidden = network(**given)
        return made(network.head(hidden), list(given.values())[-1]) | {"hidden": hidden}

    texts = {name: [list(map(token_text, token_ids))] for name, token_ids in inputs.items()}
    return recorded(network, predict, given, watch).label(texts, token_text)


def made(logits: Float[Tensor, "1 position vocabulary"], token_ids: Int[Tensor, "1 position"]) -> dict[str, Tensor]:
    """What a record has beside what the network computes: see `everysum.model.Model.record`."""
    found = {"logits": logits, "probabilities": logits.softmax(dim=-1)}
    if token_ids.shape[1] > 1:
        found["loss"] = functional.cross_entropy(logits[0, :-1], token_ids[0, 1:])
    return found
