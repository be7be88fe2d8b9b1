"""The learning rate over a run: up from zero, so that the first steps do no harm, then down, so that it settles."""

from __future__ import annotations

import math
from collections.abc import Callable


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


def inverse_square_root_at(
    step: int, steps: int, *, warmup_share: float = 0.02, decay_share: float = 1.0, final_rate: float = 0.0
) -> float:
    """The paper's schedule ("Attention is all you need", section 5.3): up in a line, then down as 1/√step.

    The full rate is reached at the end of the warm-up. The fall never ends, so that how many steps there are does not
    matter but for the warm-up; `decay_share` and `final_rate` have no meaning here.
    """
    warmup = max(1.0, warmup_share * steps)
    return min((step + 1) / warmup, math.sqrt(warmup / (step + 1)))


Schedule = Callable[..., float]
SCHEDULES: dict[str, Schedule] = {"line": rate_at, "inverse_square_root": inverse_square_root_at}
