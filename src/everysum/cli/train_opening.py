"""The first lines of a run's screen: the text, the network, the engine and the plan."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from everysum.files import readable_size

if TYPE_CHECKING:
    from everysum.training.progress import Facts
    from everysum.training.recipe import Recipe

LABEL = 9


def opening(recipe: Recipe, facts: Facts, width: int) -> list[Text]:
    """What is trained on what, in one short block."""
    rows = [
        ("text", text_in_words(recipe, facts)),
        ("network", network_in_words(recipe, facts)),
        ("engine", engine_in_words(recipe)),
        ("plan", plan_in_words(recipe, facts)),
    ]
    lines = []
    for label, words in rows:
        for number, part in enumerate(textwrap.wrap(words, width - LABEL)):
            lines.append(Text.assemble((f"{'' if number else label:<{LABEL}}", "dim"), part))
    if recipe.base is not None:
        return lines
    size, loss = f"{facts.vocabulary_size:,}", f"{facts.untrained_loss:.2f}"
    untrained = f"Untrained, with a vocabulary of {size}, it would lose ln {size} = {loss} a token."
    return [*lines, Text(untrained, "dim")]


def text_in_words(recipe: Recipe, facts: Facts) -> str:
    names = [Path(path).name for path in (*recipe.text.paths, *recipe.text.target_paths)]
    pairs = bool(recipe.text.target_paths)
    name = " and ".join(names) if len(names) <= 1 + pairs else f"{len(names)} files"
    documents = (
        f"{facts.train_documents:,} {'pair' if pairs else 'document'}{'s' if facts.train_documents != 1 else ''}"
    )
    held_out = f"{facts.held_out_tokens:,} held out" if facts.held_out_tokens > 1 else "nothing held out"
    return f"{name}: {readable_size(facts.train_bytes)}, {documents}, {facts.train_tokens:,} tokens, {held_out}"


def network_in_words(recipe: Recipe, facts: Facts) -> str:
    network = recipe.network
    if network.kind == "published":
        assert recipe.base is not None
        kind = network.configuration["model_type"]
        return f"{kind} from {recipe.base.model}, {facts.parameters:,} parameters, context {network.context_length:,}"
    layers = (
        f"{network.encoder_layers} + {network.decoder_layers}" if network.kind == "transformer" else f"{network.layers}"
    )
    return (
        f"{network.kind}, {facts.parameters:,} parameters: {layers} layers × {network.width} wide × "
        f"{network.heads} heads, context {network.context_length:,}"
    )


def engine_in_words(recipe: Recipe) -> str:
    engine = recipe.engine
    threads = f"{engine.threads} thread{'s' if engine.threads != 1 else ''}"
    attention = engine.attention.replace("_", " ")
    compiled = "compiled" if engine.compiled else "not compiled"
    return f"{engine.dtype} on {engine.device}, {threads}, attention {attention}, {compiled}"


def plan_in_words(recipe: Recipe, facts: Facts) -> str:
    schedule = recipe.schedule
    size = f"{schedule.batch_size:,}"
    if not recipe.text.target_paths:
        size += f" × {recipe.network.context_length:,}"
    words = f"{schedule.steps:,} steps of {size} tokens"
    passes = schedule.steps * recipe.step_tokens / facts.train_tokens
    words += f", {passes:.1f} times through the text"
    if facts.first_step:
        return words + f"; going on after step {facts.first_step:,}"
    return words
