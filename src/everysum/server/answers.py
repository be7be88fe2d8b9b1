"""Refusals and results as JSON: every refusal has the parts of an `EverysumError`, whatever refused."""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.responses import Response

from everysum.errors import EverysumError, InputError, MachineError, ModelFolderError, UsageError

STATUS: dict[type[EverysumError], int] = {
    UsageError: 400,
    InputError: 400,
    ModelFolderError: 404,
    MachineError: 501,
}
"""The HTTP status of each kind of refusal; any other is 409: what was asked for cannot be done now."""


def status_of(problem: EverysumError) -> int:
    return next((status for kind, status in STATUS.items() if isinstance(problem, kind)), 409)


def refusal(status: int, problem: EverysumError, *, close: bool = False) -> Response:
    """What was wanted, what came and what to do; `close` ends the connection with it."""
    answer = answered({"error": problem.as_json()}, status)
    if close:
        answer.headers["connection"] = "close"
    return answer


def answered(value: Any, status: int = 200) -> Response:
    """JSON that every browser reads: numbers that are not finite become the texts "inf", "-inf" and "nan"."""
    text = json.dumps(finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode("utf-8", errors="replace"), status, media_type="application/json")


def finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
