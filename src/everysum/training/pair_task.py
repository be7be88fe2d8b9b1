"""To translate: pairs of sentences are learned from, and every token of the target is predicted.

Two ways: an encoder reads the source and a decoder writes the target (`models/transformer.py`); or one tower reads
source, separator and target in a row, and only the target counts.
"""

from __future__ import annotations

from functools import cached_property, partial

from torch import Tensor

from everysum.data.pair_batches import Joined, Layout, PairBatches, apart, fitting_pairs
from everysum.data.pair_files import PairFile, PairFiles
from everysum.generation.beam_search import Search, beam_search
from everysum.generation.translation import Translator
from everysum.models.network import Network
from everysum.parallel import Team
from everysum.tokenizers.tokenizer import SEPARATOR, Tokenizer
from everysum.training import pace, pair_plan, plan
from everysum.training.evaluation import Measurement, token_sizes
from everysum.training.pair_evaluation import evaluate_pairs
from everysum.training.recipe import Recipe
from everysum.training.task import Amounts

LONGEST_SAMPLE = 100
BECOMES = " → "
"""Between a sentence and its translation, in samples."""


class PairTask:
    """Pairs as token files, and a network that makes one side of the other."""

    def __init__(self, pairs: PairFiles, tokenizer: Tokenizer) -> None:
        self.pairs, self.tokenizer = pairs, tokenizer
        self.layout = layout_of(tokenizer)

    @property
    def amounts(self) -> Amounts:
        train = self.pairs.train
        return Amounts(train.token_count, train.byte_count, len(train), self.pairs.held_out.token_count)

    @property
    def longest_context(self) -> int:
        """Sentences may be as long as they like; those longer than the context are passed over."""
        return pair_plan.CONTEXT

    def batches(self, recipe: Recipe) -> PairBatches:
        return PairBatches(
            self.pairs.train,
            self.layout,
            seed=recipe.seed,
            batch_tokens=recipe.schedule.batch_size,
            context_length=recipe.network.context_length,
            accumulation=recipe.schedule.accumulation,
        )

    def notes(self, recipe: Recipe) -> list[str]:
        context_length, train = recipe.network.context_length, self.pairs.train
        longer = len(train) - len(fitting_pairs(train, self.layout, context_length))
        if not longer:
            return []
        return [
            f"{longer:,} of {len(train):,} pairs do not fit into a context of {context_length} tokens and are passed "
            "over; --set network.context_length takes a longer one"
        ]

    def useful_steps(self, recipe: Recipe) -> int:
        return plan.useful_steps(recipe, self.pairs.train.token_count)

    def seconds_to_finish(self, recipe: Recipe, seconds_a_step: float) -> float:
        return pace.seconds_to_finish(recipe, self.pairs.held_out.token_count, seconds_a_step)

    def measure(self, network: Network, *, most: int | None, team: Team) -> Measurement | None:
        held_out = self.pairs.held_out
        if not len(fitting_pairs(held_out, self.layout, network.context_length)):
            return None
        return evaluate_pairs(network, held_out, self.layout, self.sizes, most=most, team=team)

    @cached_property
    def sizes(self) -> Tensor:
        return token_sizes(self.tokenizer)

    def sample(self, network: Network, step: int, seed: int) -> str:
        """A held-out sentence, another one at each step, and its likeliest translation token by token."""
        pairs: PairFile = self.pairs.held_out if len(self.pairs.held_out) else self.pairs.train
        sentence = pairs.sources[step % len(pairs)][: network.context_length // 2].tolist()
        translator = Translator.of(network, self.tokenizer)
        source = translator.source(sentence[:-1])
        texts, longest = translator.beams([source]), min(LONGEST_SAMPLE, translator.longest(source))
        found = beam_search(texts, [longest], end=translator.end, search=Search(beams=1))
        return self.tokenizer.decode(sentence) + BECOMES + self.tokenizer.decode(found[0][0].token_ids)


def layout_of(tokenizer: Tokenizer) -> Layout:
    """How pairs are laid out for a network with this tokenizer: one that has a separator reads both in a row."""
    separator = tokenizer.special_tokens.get(SEPARATOR)
    return partial(apart, start=tokenizer.padding) if separator is None else Joined(separator)
