"""Generation: ask the network what comes next, choose a token, put it behind the text, and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from everysum.errors import InputError, ModelFolderError, UsageError
from everysum.generation.lookup import MOST, LookedUpTexts
from everysum.generation.native.library import undisturbed
from everysum.generation.packed_networks import Packed
from everysum.generation.sampling import UNCHANGED, Sampling, choose
from everysum.generation.windows import CachedTexts, RecomputedTexts, Texts
from everysum.models.network import Network

Ending = Literal["tokens", "end_of_text", "stop"]
"""Why a text ends: it has as many tokens as were asked for, the model ended it, or it came to a stop string."""

Over = Callable[[int, int], bool]
"""Asked with the number of a prompt and its newest token whether that prompt's text is over."""


@dataclass(frozen=True)
class Step:
    """One token more for every prompt whose text is not over yet."""

    rows: tuple[int, ...]
    """Which prompts these are, counted from 0."""
    token_ids: tuple[int, ...]
    """The token chosen for each of them."""
    logits: Float[Tensor, "batch vocabulary"]
    """What it was chosen by."""


@dataclass(frozen=True)
class Generated:
    """What came behind one prompt; the token that ended it is not part of it."""

    token_ids: tuple[int, ...]
    ending: Ending


def steps(
    network: Network,
    prompts: Sequence[Sequence[int]],
    *,
    tokens: int,
    sampling: Sampling = UNCHANGED,
    seed: int | Sequence[int] = 0,
    over: Over | None = None,
    use_cache: bool = True,
    lookup: int = MOST,
) -> Iterator[Step]:
    """Up to `tokens` tokens behind each prompt, one step at a time; nothing is computed before a step is asked for.

    A row gets the same tokens whatever other prompts are beside it, with the cache and without, and with the same seed
    the same again; with more tokens only more come. Each row starts from `seed`, so that equal prompts get equal texts:
    for several different ones, give a seed for each. Beyond the network's context a text goes on as `windows` says.
    Where it pays, up to `lookup` next tokens of a single text are guessed and checked together (see `lookup`).

    Raises InputError for a prompt without tokens, longer than the context, or with tokens unknown to the network.
    """
    refuse_unusable(network, prompts, tokens)
    generators = [generator(row_seed) for row_seed in ([seed] * len(prompts) if isinstance(seed, int) else seed)]
    if len(generators) != len(prompts):
        raise UsageError(
            "each prompt needs a seed", wanted=f"one seed for all, or {len(prompts)}", came=f"{len(generators)}"
        )
    longest = max(map(len, prompts), default=0) + max(tokens - 1, 0)  # the last token is never read
    return grow(texts_of(network, prompts, longest, use_cache, lookup), tokens, sampling, generators, over)


def texts_of(network: Network, prompts: Sequence[Sequence[int]], longest: int, use_cache: bool, lookup: int) -> Texts:
    """Prompts as texts that grow; guessing pays where reading the weights is what costs: in the native step."""
    if not use_cache:
        return RecomputedTexts(network, prompts)
    if lookup and len(prompts) == 1 and isinstance(network, Packed) and network.native() is not None:
        return LookedUpTexts(network, prompts[0], longest=longest, most=lookup)
    return CachedTexts(network, prompts, longest=longest)


def grow(
    texts: Texts, tokens: int, sampling: Sampling, generators: Sequence[torch.Generator], over: Over | None
) -> Iterator[Step]:
    """The loop of `steps`: texts that are over leave, the others go on."""
    rows = list(range(len(generators)))
    native = isinstance(texts.network, Packed) and texts.network.native() is not None
    for count in range(tokens if rows else 0):
        with undisturbed() if native else nullcontext():
            logits = texts.logits()
            if count == 0:
                refuse_broken(logits)
            chosen = choose(logits, sampling, [generators[row] for row in rows]).tolist()
        yield Step(tuple(rows), tuple(chosen), logits)
        texts.append(chosen)
        if over is None:
            continue
        going_on = [place for place, row in enumerate(rows) if not over(row, chosen[place])]
        if not going_on:
            return
        if len(going_on) < len(rows):
            texts.keep(going_on)
            rows = [rows[place] for place in going_on]


def generate(
    network: Network,
    prompts: Sequence[Sequence[int]],
    *,
    tokens: int,
    sampling: Sampling = UNCHANGED,
    seed: int | Sequence[int] = 0,
    end_of_text: int | None = None,
    use_cache: bool = True,
) -> list[Generated]:
    """What comes behind each prompt: up to `tokens` tokens, fewer where `end_of_text` comes. See `steps`."""
    texts: list[list[int]] = [[] for _ in prompts]
    endings: list[Ending] = ["tokens" for _ in prompts]

    def over(row: int, token_id: int) -> bool:
        if token_id == end_of_text:
            endings[row] = "end_of_text"
            return True
        texts[row].append(token_id)
        return False

    for _ in steps(network, prompts, tokens=tokens, sampling=sampling, seed=seed, over=over, use_cache=use_cache):
        pass
    return [Generated(tuple(text), ending) for text, ending in zip(texts, endings, strict=True)]


def generator(seed: int) -> torch.Generator:
    """Random numbers that are the same for the same seed."""
    if not 0 <= seed < 2**63:
        raise UsageError("this seed cannot be", wanted="a whole number from 0 to 2⁶³ − 1", came=str(seed))
    return torch.Generator().manual_seed(seed)


def refuse_unusable(network: Network, prompts: Sequence[Sequence[int]], tokens: int) -> None:
    """Say what is wrong with prompts from which nothing can be generated."""
    if tokens < 0:
        raise UsageError("the number of tokens to generate cannot be negative", wanted="0 or more", came=str(tokens))
    for number, prompt in enumerate(prompts, 1):
        name = "the prompt" if len(prompts) == 1 else f"prompt {number} of {len(prompts)}"
        if not prompt:
            raise InputError(
                f"{name} has no tokens, and a model can only say what comes after some",
                wanted="at least 1 token",
                came="0 tokens",
                advice="begin with the end-of-text token to start a new text",
            )
        if len(prompt) > network.context_length:
            raise InputError(
                f"{name} is longer than the model's context",
                wanted=f"at most {network.context_length} tokens",
                came=f"{len(prompt)} tokens",
                advice="shorten it, or take a model with a longer context",
            )
        strange = next((token_id for token_id in prompt if not 0 <= token_id < network.vocabulary_size), None)
        if strange is not None:
            raise InputError(
                f"{name} has a token that the model does not know",
                wanted=f"token ids from 0 to {network.vocabulary_size - 1}",
                came=str(strange),
                advice="encode it with the tokenizer of this model",
            )


def refuse_broken(logits: Float[Tensor, "batch vocabulary"]) -> None:
    """A network with damaged weights computes "not a number", from which no token can be chosen."""
    if bool(logits.isnan().any()):
        raise ModelFolderError(
            f"the model's logits are not numbers: its weights are damaged, or too large for {logits.dtype}",
            advice="get or train the model again, or load it in float32",
        )
