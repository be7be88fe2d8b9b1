"""Small choices that the plans for texts and for pairs share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def count_in(wished: Mapping[str, Any], key: str, otherwise: int) -> int:
    """The count wished for; one that cannot be is passed over here and refused when the recipe is validated."""
    value = wished.get(key)
    return value if isinstance(value, int) and value >= 1 else otherwise


def chosen_heads(width: int, head_size: int) -> int:
    """Heads of about this size that share the width evenly, an even number of them each where that can be."""
    fitting = [heads for heads in range(1, width + 1) if width % (2 * heads) == 0] or [1]
    return min(fitting, key=lambda heads: abs(math.log(width / heads / head_size)))
