"""The first network that speaks: it sees a window of characters and says which comes next.

    window ──> inputs ──> hidden neurons ──> ReLU ──> an output for each character of the alphabet

How characters become inputs is a part to put in: `as_numbers` (a = 1), `as_one_hot`, or `EmbeddedCharacters`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from everysum.plain.characters import ALPHABET, WINDOW, place_of, windows
from everysum.plain.linear import Linear, random_linear
from everysum.plain.loss import cross_entropy
from everysum.plain.network import activated
from everysum.plain.number import Number
from everysum.plain.softmax import likeliest
from everysum.plain.training import Progress, parameters, train
from everysum.plain.vector import Vector


@dataclass
class WindowNetwork:
    inputs: Callable[[str], Vector]
    hidden: Linear
    output: Linear
    alphabet: str = ALPHABET

    def __call__(self, window: str) -> Vector:
        """One output for each character of the alphabet, the larger the likelier it comes next ("logits")."""
        return self.output(activated(self.hidden(self.inputs(window))))

    def next_character(self, window: str) -> str:
        return self.alphabet[likeliest(self(window))]

    def loss(self, example: tuple[str, str]) -> Number:
        window, wanted = example
        return cross_entropy(self(window), place_of(wanted, self.alphabet))


def random_window_network(
    inputs: Callable[[str], Vector],
    random: Random,
    *,
    neurons: int = 20,
    alphabet: str = ALPHABET,
    length: int = WINDOW,
) -> WindowNetwork:
    """Random weights: before training it says anything at all."""
    entering = len(inputs(alphabet[0] * length))
    return WindowNetwork(
        inputs, random_linear(entering, neurons, random), random_linear(neurons, len(alphabet), random), alphabet
    )


def learn(
    network: WindowNetwork,
    text: str,
    *,
    length: int = WINDOW,
    epochs: int,
    rate: float,
    progress: Progress | None = None,
) -> list[float]:
    """Train a network, its embedding included if it has one, to say a text by heart; returns the loss of each epoch."""
    return train(windows(text, length), network.loss, parameters(network), epochs=epochs, rate=rate, progress=progress)
