"""To go on with a text: windows of it are learned from, and every token is predicted from those before."""

from __future__ import annotations

from functools import cached_property

from torch import Tensor

from everysum.data.batches import Batches
from everysum.data.token_files import TokenFiles
from everysum.generation.generate import generate
from everysum.generation.sampling import Sampling
from everysum.models.network import Network
from everysum.parallel import Team
from everysum.tokenizers.tokenizer import Tokenizer
from everysum.training import pace, plan
from everysum.training.evaluation import Measurement, evaluate_tokens, token_sizes
from everysum.training.recipe import Recipe
from everysum.training.task import Amounts

SAMPLE_TOKENS = 48


class TextTask:
    """Texts as token files, and a network that goes on with them."""

    def __init__(self, tokens: TokenFiles, tokenizer: Tokenizer) -> None:
        self.tokens, self.tokenizer = tokens, tokenizer

    @property
    def amounts(self) -> Amounts:
        train = self.tokens.train
        return Amounts(len(train), train.byte_count, train.document_count, len(self.tokens.held_out))

    @property
    def longest_context(self) -> int:
        return min(len(self.tokens.train) - 1, max(1, len(self.tokens.train) // 8))

    def batches(self, recipe: Recipe) -> Batches:
        return Batches(
            self.tokens.train,
            seed=recipe.seed,
            batch_size=recipe.schedule.batch_size // recipe.schedule.accumulation,
            context_length=recipe.network.context_length,
            accumulation=recipe.schedule.accumulation,
        )

    def notes(self, recipe: Recipe) -> list[str]:
        return []

    def useful_steps(self, recipe: Recipe) -> int:
        return plan.useful_steps(recipe, len(self.tokens.train))

    def seconds_to_finish(self, recipe: Recipe, seconds_a_step: float) -> float:
        # the windows of the last measurement overlap by half
        return pace.seconds_to_finish(recipe, 2 * len(self.tokens.held_out), seconds_a_step)

    def measure(self, network: Network, *, most: int | None, team: Team) -> Measurement | None:
        if len(self.tokens.held_out) < 2:
            return None
        stride = network.context_length if most else None
        return evaluate_tokens(network, self.tokens.held_out, self.sizes, stride=stride, most=most, team=team)

    @cached_property
    def sizes(self) -> Tensor:
        return token_sizes(self.tokenizer)

    def sample(self, network: Network, step: int, seed: int) -> str:
        """The start of a text."""
        count = min(SAMPLE_TOKENS, network.context_length - 1)
        sampling = Sampling(temperature=0.8, top_k=50)
        made = generate(network, [[self.tokenizer.end_of_text]], tokens=count, sampling=sampling, seed=seed)
        return self.tokenizer.decode(made[0].token_ids)
