"""How configurations say the turning of queries and keys: the old layout, the new, and the scalings that we compute."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

from everysum.errors import ModelFolderError
from everysum.layers.positions import LinearScaling, Llama3Scaling, RotaryPositions, Scaling
from everysum.pretrained.family import refuse_unless, setting

BASE = 10_000.0
KINDS = ("default", "linear", "llama3")
"""Which ways to turn there are; YaRN, LongRoPE and dynamic scaling change the angles in ways that we do not compute."""


def rotary_from(configuration: Mapping[str, Any]) -> tuple[float, Scaling | None]:
    """Base and scaling: from `rope_parameters`, or as older files have it from `rope_theta` and `rope_scaling`."""
    said = configuration.get("rope_scaling") or configuration.get("rope_parameters") or {}
    if not isinstance(said, Mapping):
        raise ModelFolderError(
            "config.json: 'rope_parameters' cannot be used", wanted="an object or null", came=reprlib.repr(said)
        )
    kind = said.get("rope_type", said.get("type", "default"))
    turns = {**configuration, **said, "rope_type": kind}
    refuse_unless(turns, {"rope_type": KINDS, "partial_rotary_factor": (None, 1.0)})
    return setting(turns, "rope_theta", float, BASE), scaling_from(kind, turns, configuration)


def scaling_from(kind: str, turns: Mapping[str, Any], configuration: Mapping[str, Any]) -> Scaling | None:
    """The scaling of this kind, its numbers checked."""
    if kind == "default":
        return None
    factor = setting(turns, "factor", float)
    if kind == "linear":
        return LinearScaling(factor)
    key = "original_max_position_embeddings"
    outer = configuration.get(key, turns.get(key, configuration.get("max_position_embeddings")))
    low, high = (setting(turns, f"{name}_freq_factor", float) for name in ("low", "high"))
    if low >= high:
        raise ModelFolderError(
            "config.json: 'low_freq_factor' cannot be used",
            wanted=f"a number below high_freq_factor, {high}",
            came=str(low),
        )
    return Llama3Scaling(factor, low, high, setting({key: outer}, key, int))


def rotary_configuration(positions: RotaryPositions) -> dict[str, Any]:
    """Base and scaling in the new layout and, for programs that know only that, in the old one."""
    scaling, base = positions.scaling, positions.base
    if isinstance(scaling, Llama3Scaling):
        turns: dict[str, Any] = {
            "rope_type": "llama3",
            "factor": scaling.factor,
            "low_freq_factor": scaling.low_frequency_factor,
            "high_freq_factor": scaling.high_frequency_factor,
            "original_max_position_embeddings": scaling.original_context_length,
        }
    elif isinstance(scaling, LinearScaling):
        turns = {"rope_type": "linear", "factor": scaling.factor}
    else:
        turns = {"rope_type": "default"}
    new = {"rope_theta": base, "rope_parameters": {**turns, "rope_theta": base}}
    return new if scaling is None else {**new, "rope_scaling": turns}
