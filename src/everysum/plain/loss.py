"""Loss: one number that says how far the outputs are from what was wanted. Training makes it smaller."""

from __future__ import annotations

from collections.abc import Sequence

from everysum.plain import operations as of
from everysum.plain.number import Number, made
from everysum.plain.vector import refuse_unequal, total


def sum_of_differences(outputs: Sequence[Number], wanted: Sequence[float]) -> Number:
    """The article's loss: every output's distance from the wanted one, minus signs ignored, added up.

    For outputs without limits no wanted number is right: outputs (5, 1) choose the first as they should, yet lose 5
    where (1, 0) was wanted; (0, 1), which choose wrongly, lose only 2. Outputs of a logistic function have a limit.
    """
    refuse_unequal(outputs, wanted, "each output needs a wanted number")
    return total(abs(target - output) for output, target in zip(outputs, wanted, strict=True))


def cross_entropy(outputs: Sequence[Number], wanted: int) -> Number:
    """The standard's loss: −ln of the chance that softmax gives to the wanted output, which is given by its place.

    0 if that chance is 1, and without end as it goes to 0. −ln(e^w / (e^a + e^b + …)) is ln(e^a + e^b + …) − w, which
    needs no division; its gradient for each output is its chance, less 1 for the wanted one.
    """
    return made(of.LOG_TOTAL, *outputs) - outputs[wanted]
