"""A prediction in three views: the sum of its last step, the residual stream, and the path of its largest terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from everysum.errors import InputError
from everysum.explain.explanation import Explanation
from everysum.explain.number import Number
from everysum.explain.recorded import RecordedNumber
from everysum.explain.residual import Residual
from everysum.explain.words import described
from everysum.explain.writing import figure

if TYPE_CHECKING:
    from everysum.explain.record import Record


@dataclass(frozen=True)
class Candidate:
    """A token that may come next."""

    token_id: int
    text: str | None
    probability: float
    logit: RecordedNumber

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.token_id,
            "piece": self.text,
            "probability": self.probability,
            "logit": self.logit.value,
        }


@dataclass(frozen=True)
class Prediction:
    """What a pass says comes at a position: the likeliest tokens, and for each the three views of its logit."""

    candidates: tuple[Candidate, ...]

    def sum(self, rank: int = 0, *, shown: int = 20) -> Explanation:
        """The last step: the logit of the candidate `rank` as the head's sum."""
        return self.candidates[rank].logit.explain(shown=shown)

    def residual(self, rank: int = 0) -> Residual:
        """The logit as what each part of the network added to the residual stream."""
        number = self.candidates[rank].logit
        return number.record.residual(number)

    def path(self, rank: int = 0) -> list[Number]:
        """The logit's largest term, and the largest term of that, down to a token, a weight or a constant."""
        return self.candidates[rank].logit.path()

    def __str__(self) -> str:
        lines = []
        for candidate in self.candidates:
            name = f"token {candidate.token_id}" if candidate.text is None else repr(candidate.text)
            lines.append(f"{candidate.probability:8.2%}  {name}  logit {figure(candidate.logit.value)}")
        way = [f"  {described(number)} = {figure(number.value)}" for number in self.path()]
        return "\n".join(
            [*lines, "", str(self.sum()), "", str(self.residual()), "", "the path of the largest terms:", *way]
        )

    __repr__ = __str__

    def as_json(self, *, shown: int = 20) -> dict[str, Any]:
        return {
            "candidates": [candidate.as_json() for candidate in self.candidates],
            "sum": self.sum(shown=shown).as_json(),
            "residual": self.residual().as_json(),
            "path": [{"name": number.name, "value": number.value} for number in self.path()],
        }


def prediction_of(record: Record, position: int | str, row: int, count: int, name: str) -> Prediction:
    """The likeliest tokens behind a position of a row of the batch, from the tensor of logits called `name`."""
    logits = record[name]
    if len(logits.shape) not in (2, 3):
        raise InputError(
            f"{name} are no logits over a vocabulary", wanted="batch, position, vocabulary", came=repr(logits)
        )
    chosen = logits[row, position, :] if len(logits.shape) == 3 else logits[row, :]
    values = chosen.tensor.double().numpy()
    exponentials = np.exp(values - values.max())
    probabilities = exponentials / exponentials.sum()
    text = record.top.token_text
    candidates = [
        Candidate(
            int(token), None if text is None else text(int(token)), float(probabilities[token]), chosen[int(token)]
        )
        for token in np.argsort(-values, kind="stable")[:count]
    ]
    return Prediction(tuple(candidates))
