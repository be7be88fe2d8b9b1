"""What the losses of a finished run say: whether it learned the text or the pattern, and what to try next."""

from __future__ import annotations

from collections.abc import Sequence


def verdict(train_loss: float, looks: Sequence[float], held_out: float | None, untrained: float) -> str:
    """A sentence or two; losses in nats a token.

    `looks` are those on a part of the held-out text while the run went on, comparable with each other; `held_out` is
    the last one, on all of it.
    """
    if held_out is None:
        return "Nothing was held out, so nobody can say whether the model learned the pattern or the text by heart."
    if held_out > 0.9 * untrained:
        return (
            f"It has hardly learned: {held_out:.2f} on held-out text, {untrained:.2f} before training. "
            "Give it more minutes, or a larger text."
        )
    if looks and looks[-1] > min(looks) + 0.02:
        return (
            f"It over-fits: in looks at the held-out text the loss was {min(looks):.2f} and has risen to "
            f"{looks[-1]:.2f}, while on its own text it fell to {train_loss:.2f}. "
            "Try a larger text, fewer minutes, --set network.dropout=0.1, or a smaller network."
        )
    if held_out - train_loss > 0.15 * untrained:
        return (
            f"It begins to learn the text by heart: {train_loss:.2f} on what it was trained on, {held_out:.2f} on "
            "held-out text. More text would help most; --set network.dropout=0.1 may."
        )
    return (
        f"It does not over-fit: {train_loss:.2f} on what it was trained on, {held_out:.2f} on held-out text. "
        "More text or more minutes will make it better."
    )
