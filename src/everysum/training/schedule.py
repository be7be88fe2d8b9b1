"""The learning rate over a run: up from zero, so that the first steps do no harm, then down, so that it settles."""

from __future__ import annotations


def rate_at(
    step: int, steps: int, *, warmup_share: float = 0.02, decay_share: float = 1.0, final_rate: float = 0.0
) -> float:
    """The share of the full rate with which step `step` (from 0) of `steps` is taken, between 0 and 1.

    It rises in a line over the first `warmup_share` of the steps and falls in a line to `final_rate` over the last
    `decay_share` of them; the smaller of both counts.
    """
    warmup, decay = warmup_share * steps, decay_share * steps
    rising = (step + 1) / warmup if step + 1 < warmup else 1.0
    left = (steps - step) / decay if decay and steps - step < decay else 1.0
    return min(rising, final_rate + (1.0 - final_rate) * left)
