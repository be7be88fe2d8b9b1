"""Small translators of both kinds with random weights, and a vocabulary that knows a few German and English words."""

from __future__ import annotations

from pathlib import Path

from small_networks import randomized

from everysum.model import Model
from everysum.models.gpt import GPT
from everysum.models.network import Network
from everysum.models.transformer import Transformer
from everysum.tokenizers import train_tokenizer
from everysum.tokenizers.vocabulary import Vocabulary

TEXTS = ["wo wohnst du?", "", "das haus ist alt", "   ", "хочу домой 😀", "ja", "der hund sieht die katze im garten"]


def vocabulary(*, separator: bool = False) -> Vocabulary:
    tokenizer = train_tokenizer("byte_pair", [*TEXTS, "where do you live? the house is old"] * 3, 290)
    if separator:
        tokenizer.add_separator()
    return tokenizer


def translator(kind: str, context_length: int = 96) -> tuple[Network, Vocabulary]:
    tokenizer = vocabulary(separator=kind == "separator")
    sizes = {"vocabulary_size": tokenizer.vocabulary_size, "context_length": context_length, "width": 16, "heads": 2}
    if kind == "separator":
        return randomized(GPT(**sizes, layers=2)), tokenizer
    return randomized(Transformer(**sizes, encoder_layers=2, decoder_layers=2, inner_width=24)), tokenizer


def saved_translator(kind: str, folder: Path) -> Path:
    """A small translator's model folder."""
    network, tokenizer = translator(kind)
    Model(network.float(), tokenizer).save(folder)
    return folder
