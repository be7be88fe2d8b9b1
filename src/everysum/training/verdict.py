"""What the losses of a finished run say: whether it learned the text or the pattern, and what to try next."""

from __future__ import annotations

from collections.abc import Sequence


def verdict(train_loss: float, held_out: Sequence[float], untrained: float) -> str:
    """A sentence or two; losses in nats a token, `held_out` in the order in which they were measured."""
    if not held_out:
        return "Nothing was held out, so nobody can say whether the model learned the pattern or the text by heart."
    last, best = held_out[-1], min(held_out)
    if last > 0.9 * untrained:
        return (
            f"It has hardly learned: {last:.2f} on held-out text, {untrained:.2f} before training. "
            "Give it more minutes, or a larger text."
        )
    if last > best + 0.02:
        return (
            f"It over-fits: the held-out loss was {best:.2f} and has risen to {last:.2f} while the training loss fell "
            f"to {train_loss:.2f}. Try a larger text, fewer minutes, --set network.dropout=0.1, or a smaller network."
        )
    if last - train_loss > 0.15 * untrained:
        return (
            f"It begins to learn the text by heart: {train_loss:.2f} on what it was trained on, {last:.2f} on held-out "
            "text. More text would help most; --set network.dropout=0.1 may."
        )
    return (
        f"It does not over-fit: {train_loss:.2f} on what it was trained on, {last:.2f} on held-out text. "
        "More minutes will make it better."
    )
