"""From the choices of a recipe to the network that it means."""

from __future__ import annotations

import torch

from everysum.layers.layer import initialize
from everysum.models.gpt import GPT
from everysum.models.llama import Llama
from everysum.models.network import Network
from everysum.models.transformer import Transformer
from everysum.pretrained.folder import network_of
from everysum.training.recipe import GPTChoice, NetworkChoice, PublishedChoice, Recipe, TransformerChoice


def build_network(recipe: Recipe, vocabulary_size: int) -> Network:
    """The recipe's network at its start, on the recipe's device."""
    with torch.device("meta"):
        network = design(recipe.network, vocabulary_size, recipe.engine.attention)
    network = network.to_empty(device=recipe.engine.device)
    initialize(network, recipe.seed)
    return network


def design(choice: NetworkChoice, vocabulary_size: int, attention: str) -> Network:
    """The network of these choices; allocates, does not initialize. A published one knows its vocabulary's size."""
    if isinstance(choice, PublishedChoice):
        return network_of(choice.configuration, "the recipe", engine=attention, dropout=choice.dropout)
    values = choice.model_dump(exclude={"kind"})
    if isinstance(choice, TransformerChoice):
        return Transformer(vocabulary_size=vocabulary_size, engine=attention, **values)
    kind = GPT if isinstance(choice, GPTChoice) else Llama
    return kind(vocabulary_size=vocabulary_size, engine=attention, **values)
