"""Explain any number of any PyTorch module: which sum, product or function made it, from which numbers.

    record = everysum.record(module, *arguments)      # any torch.nn.Module; model.record("text") for a Model
    record.list()                                     # every named tensor: name, axes, shape, what made it
    number = record["blocks.1.attention.attention_weights"][0, 2, -1, 3]
    number = record.number('logits[-1, "y"]')         # the same from a text; tokens count as places
    number.value, number.recomputed, number.difference, number.tolerance, number.kind, number.formula
    number.terms[0]                                   # the largest term of a sum: a number again
    print(number.explain(depth=2))                    # text in a terminal, HTML in a notebook, .as_json() for machines
    record.replay({number: 0.18})                     # the same pass with that number changed: what differs
    record.gradient("loss", of=number)                # its slope by formula and by nudging
    record.verify(20_000)                             # recompute that many numbers from their explanations
    record.prediction()                               # the likeliest tokens; .sum() .residual() .path() of their logits
    record.label({"token_ids": [["H", "u"]]})         # the tokens' texts, for a module that knows none

`storage` and `recorder` keep what happened, `templates` and `rules` say how numbers are made (as data), `evaluate`
applies the rules, `number` and `explanation` show them, `names` finds them, `replay` and `gradient` change them.
"""

from everysum.explain.explanation import Explanation
from everysum.explain.number import Number
from everysum.explain.record import Record, record, recorded
from everysum.explain.rules import rules_as_json
from everysum.explain.tensors import NamedTensor
from everysum.explain.words import described
from everysum.explain.writing import figure

__all__ = [
    "Explanation",
    "NamedTensor",
    "Number",
    "Record",
    "described",
    "figure",
    "record",
    "recorded",
    "rules_as_json",
]
