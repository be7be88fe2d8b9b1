"""The article's first network that speaks: the last 12 characters go in, one output for each character comes out.

    12 ids ──> a row of numbers for each ──> side by side ──> linear ──> activation ──> linear ──> logits

What an id becomes is a part to put in: the number itself (`AsNumber`), a row with a single 1 (`OneHot`), or a learned
row (`Embedding`), the same wherever in the window the character stands.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from everysum.errors import InputError
from everysum.layers.activation import Activation
from everysum.layers.layer import Layer
from everysum.models.classifier import Classifier


class Window(Layer):
    """Sees `window` ids at once, no more and no fewer; `input_width` is how many numbers `tokens` makes of each."""

    def __init__(
        self,
        tokens: nn.Module,
        input_width: int,
        *,
        window: int,
        hidden_width: int,
        vocabulary_size: int,
        activation: Activation | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.window = window
        self.tokens = tokens
        self.network = Classifier(
            [window * input_width, hidden_width, vocabulary_size], activation=activation, bias=bias
        )

    def forward(self, token_ids: Int[Tensor, "*batch position"]) -> Float[Tensor, "*batch vocabulary"]:
        refuse_other_lengths(token_ids.shape[-1], self.window)
        numbers = self.tokens(token_ids).flatten(-2)
        return self.network(numbers.to(self.network.dtype))


def windows(token_ids: Int[Tensor, " position"], window: int) -> tuple[Tensor, Tensor]:
    """Every window of a text, (count, window), and the id that follows each: what a window network is trained on."""
    if len(token_ids) <= window:
        raise InputError(
            f"a text of {len(token_ids)} tokens has no window of {window} with a token behind it",
            wanted=f"{window + 1} tokens or more",
            came=str(len(token_ids)),
        )
    return token_ids[:-1].unfold(0, window, 1), token_ids[window:]


@torch.no_grad()
def continued(network: Window, token_ids: Int[Tensor, " position"], steps: int) -> Tensor:
    """The ids with `steps` more: each time the likeliest is appended, and the window slides on by one."""
    for _ in range(steps):
        likeliest = network(token_ids[-network.window :]).argmax(dim=-1)
        token_ids = torch.cat([token_ids, likeliest[None]])
    return token_ids


def refuse_other_lengths(came: int, wanted: int) -> None:
    if came != wanted:
        raise InputError(
            f"a network with a window of {wanted} tokens was given {came}",
            wanted=f"{wanted} tokens at once",
            came=f"{came} tokens",
            advice="give it the last of a longer text; a shorter one needs a network with a smaller window",
        )
