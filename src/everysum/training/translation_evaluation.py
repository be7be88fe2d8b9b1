"""Measuring a translator: BLEU and chrF of what it says, as sacrebleu counts them, beside the loss on the targets."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from everysum.data.pair_files import write_pairs
from everysum.data.sentence_pairs import Pair, Sides, numbered_pairs
from everysum.errors import InputError
from everysum.generation.beam_search import Search
from everysum.generation.translation import Translator, translate_texts
from everysum.models.network import Network
from everysum.parallel import Team
from everysum.tokenizers.tokenizer import Tokenizer
from everysum.training.evaluation import Measurement, token_sizes
from everysum.training.pair_evaluation import evaluate_pairs
from everysum.training.pair_task import layout_of


@dataclass(frozen=True)
class Score:
    """A corpus score between 0 and 100, and sacrebleu's signature: all that it depends on."""

    score: float
    signature: str


@dataclass(frozen=True)
class TranslationMeasurement:
    """How well a model translates sentences whose translations are known."""

    bleu: Score
    """Of words, cased and detokenized (Papineni et al., 2002; Post, 2018)."""
    chrf: Score
    """Of characters (Popović, 2015)."""
    loss: Measurement
    """On the known translations' tokens, their ends included."""
    pairs: int
    passed_over: int
    """Pairs of which a side is empty."""
    search: Search
    seconds: float
    """That translating took, the loss and the scores not counted."""

    @property
    def sentences_per_second(self) -> float:
        return self.pairs / self.seconds

    def as_json(self) -> dict[str, Any]:
        loss = {"loss": self.loss.loss, "perplexity": self.loss.perplexity, "target_tokens": self.loss.tokens}
        scores = {"bleu": asdict(self.bleu), "chrf": asdict(self.chrf)}
        counts = {"pairs": self.pairs, "passed_over": self.passed_over, "seconds": self.seconds}
        speed = {"sentences_per_second": self.sentences_per_second}
        return {**scores, **loss, **counts, **speed, "search": asdict(self.search)}


def evaluate_translations(
    network: Network,
    tokenizer: Tokenizer,
    sides: Sides,
    *,
    search: Search,
    folder: Path,
    team: Team,
    progress: Callable[[int], None] = lambda done: None,
) -> TranslationMeasurement:
    """Translate every source and compare with its target; `folder` takes temporary files.

    Raises InputError for texts that do not go together, and for a sentence longer than the context, by its line.
    """
    translator = Translator.of(network, tokenizer)
    everything = list(numbered_pairs(sides))
    known = [(f"line {number} of {path}", pair) for path, number, pair in everything if pair.source and pair.target]
    if not known:
        raise InputError(f"{sides.sources[0]} and {sides.targets[0]} have no pair of sentences")
    pairs = [pair for _, pair in known]
    began = time.perf_counter()
    found = translate_texts(
        translator,
        tokenizer,
        [pair.source for pair in pairs],
        search=search,
        team=team,
        names=[name for name, _ in known],
        progress=progress,
    )
    seconds = time.perf_counter() - began
    bleu, chrf = compared([" ".join(texts[0].text.splitlines()) for texts in found], [pair.target for pair in pairs])
    loss = loss_of(network, tokenizer, pairs, folder, team)
    return TranslationMeasurement(bleu, chrf, loss, len(pairs), len(everything) - len(pairs), search, seconds)


def compared(translations: Sequence[str], references: Sequence[str]) -> tuple[Score, Score]:
    """BLEU and chrF of translations, one reference each."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    # force: no warning where a text happens to look tokenized
    metrics = (BLEU(force=True), CHRF())
    scores = [metric.corpus_score(list(translations), [list(references)]) for metric in metrics]
    bleu, chrf = (
        Score(float(score.score), str(metric.get_signature())) for score, metric in zip(scores, metrics, strict=True)
    )
    return bleu, chrf


def loss_of(network: Network, tokenizer: Tokenizer, pairs: Sequence[Pair], folder: Path, team: Team) -> Measurement:
    """The loss on the targets, each token knowing its source and the tokens before it."""
    file = write_pairs(pairs, tokenizer, folder / "pairs")
    return evaluate_pairs(network, file, layout_of(tokenizer), token_sizes(tokenizer), team=team)
