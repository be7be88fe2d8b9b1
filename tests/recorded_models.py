"""Small models of ours with random weights and a tokenizer, to be recorded."""

from __future__ import annotations

import torch
from small_networks import randomized
from torch import Tensor

from everysum.layers.activation import ACTIVATIONS
from everysum.layers.embedding import Embedding
from everysum.layers.layer import Layer
from everysum.model import Model
from everysum.models.classifier import Classifier
from everysum.models.gpt import GPT
from everysum.models.llama import Llama
from everysum.models.network import Network
from everysum.models.transformer import Transformer
from everysum.models.window import Window
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
TRANSFORMERS = ("post-norm", "pre-norm, written out", "two embeddings and a bias", "dropout")

WITHOUT_TEXT = ("classifier", "classifier, ReLU and biases", "window on an embedding")


def bare_network_of(name: str) -> tuple[Layer, Tensor]:
    """A network of the article's first chapters, and what goes in."""
    if name.startswith("window"):
        tokens = torch.arange(24).view(2, 12) % 7
        network: Layer = Window(Embedding(7, 10), 10, window=12, hidden_width=9, vocabulary_size=7)
        return randomized(network).float(), tokens
    bent = "ReLU" in name
    network = Classifier([4, 3, 2], activation=ACTIVATIONS["relu"] if bent else None, bias=bent)
    leaf_and_flower = torch.tensor([[32, 107, 56, 11.2], [241, 200, 4, 59.5]])
    return randomized(network).float(), leaf_and_flower


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


def transformer_of(name: str) -> Model:
    """An encoder-decoder in float32; one with dropout is in training."""
    network = Transformer(
        **{key: value for key, value in SIZES.items() if key != "layers"},
        encoder_layers=2,
        decoder_layers=2,
        inner_width=40,
        wiring="pre_norm" if "pre-norm" in name else "post_norm",
        engine="written_out" if "written out" in name else "fused",
        shared="two" not in name,
        head_bias="bias" in name,
        dropout=0.3 if "dropout" in name else 0.0,
    )
    return Model(randomized(network).float().train("dropout" in name), TOKENIZER)
