"""Small models of ours with random weights and a tokenizer, to be recorded."""

from __future__ import annotations

from small_networks import randomized

from everysum.model import Model
from everysum.models.gpt import GPT
from everysum.models.llama import Llama
from everysum.models.network import Network
from everysum.tokenizers.characters import CharacterTokenizer

TOKENIZER = CharacterTokenizer(["ä"])
PROMPT = "Humpty Dumpt"
SIZES = {"vocabulary_size": TOKENIZER.vocabulary_size, "context_length": 16, "width": 24, "layers": 2, "heads": 4}
MODELS = (
    "gpt",
    "gpt, fused",
    "gpt, post-norm",
    "gpt, dropout",
    "llama",
    "llama, written out",
    "llama, heads normalized",
    "llama, dropout",
)


def network_of(name: str) -> Network:
    engine = "fused" if "fused" in name or name == "llama" else "written_out"
    dropout = 0.3 if "dropout" in name else 0.0
    if name.startswith("gpt"):
        wiring = "post_norm" if "post-norm" in name else "pre_norm"
        return GPT(**SIZES, wiring=wiring, engine=engine, dropout=dropout)
    normalize = "normalized" in name
    return Llama(**SIZES, inner_width=40, key_value_heads=2, normalize_heads=normalize, engine=engine, dropout=dropout)


def model_of(name: str) -> Model:
    """A model in float32; one with dropout is in training."""
    network = randomized(network_of(name)).float()
    return Model(network.train("dropout" in name), TOKENIZER)
