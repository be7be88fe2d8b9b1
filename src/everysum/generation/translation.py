"""Translation: sentences of one language in, of another out; by an encoder-decoder, or by one tower and a separator."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from everysum.errors import InputError, ModelFolderError
from everysum.generation.beam_search import Hypothesis, Search, beam_search
from everysum.generation.beams import Beams, CachedContinuations, CachedTranslations
from everysum.generation.windows import evaluating
from everysum.models.network import Network
from everysum.models.transformer import Transformer
from everysum.parallel import Team
from everysum.tokenizers.tokenizer import SEPARATOR, Tokenizer

BEAMS_AT_ONCE, TOKENS_AT_ONCE = 320, 4096
"""On a CPU, a step computes about so many beams, of sources of about so many tokens: enough to keep a core busy."""
ROOM = 32
"""A translation may have twice as many tokens as its source, and so many more."""


@dataclass(frozen=True)
class TranslatedText:
    """A translation that was found; a model's best one has the highest score."""

    text: str
    token_ids: tuple[int, ...]
    score: float
    """What translations of one sentence are compared by; see `generation.beam_search`."""
    log_probability: float
    """Of the whole text, its end included."""
    ended: bool
    """Whether the network ended it; otherwise it was cut at the greatest length."""


EMPTY = TranslatedText("", (), 0.0, 0.0, True)
"""What an empty line becomes, without asking the network."""


@dataclass(frozen=True)
class Translator:
    """A network, and what it must know of its vocabulary: which token ends a text, and which parts two languages."""

    network: Network
    end: int
    separator: int | None
    """None for an encoder-decoder, which reads the source by itself."""
    padding: int | None = None
    """A published encoder-decoder's: its translations begin behind it, as ours do behind `end`, and never have it."""

    @classmethod
    def of(cls, network: Network, tokenizer: Tokenizer) -> Translator:
        """The translator that a model is; ModelFolderError if it is none."""
        separator = tokenizer.special_tokens.get(SEPARATOR)
        if not isinstance(network, Transformer) and separator is None:
            raise ModelFolderError(
                "this model goes on with a text, it does not translate",
                wanted="a translator, made by `everysum train --pairs`",
                came=f"a {type(network).__name__} without a separator in its vocabulary",
                advice="let it go on with a prompt: everysum generate",
            )
        if isinstance(network, Transformer):
            return cls(network, tokenizer.end_of_text, None, tokenizer.padding)
        return cls(network, tokenizer.end_of_text, separator)

    @property
    def start(self) -> int:
        """The token behind which an encoder-decoder's translations begin."""
        return self.end if self.padding is None else self.padding

    def source(self, token_ids: Sequence[int]) -> list[int]:
        """What the network reads of a sentence: the encoder its end too, a tower alone the separator behind it."""
        return [*token_ids, self.end if self.separator is None else self.separator]

    def longest(self, source: Sequence[int]) -> int:
        """How many tokens the translation of a source may have."""
        context = self.network.context_length
        room = context if self.separator is None else context - len(source) + 1
        return min(room, 2 * len(source) + ROOM)

    def refuse_too_long(self, token_ids: Sequence[int], name: str) -> None:
        """Say that a sentence does not fit into the context; `name` says which one it is."""
        length, most = len(token_ids) + 1, self.network.context_length
        if length > most:
            raise InputError(
                f"{name} is longer than the translator's context",
                wanted=f"at most {most} tokens, the one behind it included",
                came=f"{length} tokens",
                advice="part it into sentences: a line is translated by itself",
            )

    def beams(self, sources: Sequence[Sequence[int]]) -> Beams:
        """What beam search asks for the translations of these sources."""
        if isinstance(self.network, Transformer):
            return CachedTranslations(self.network, sources, self.start)
        return CachedContinuations(self.network, sources)

    def translate(
        self, sentences: Sequence[Sequence[int]], *, search: Search, count: int = 1, team: Team
    ) -> Iterator[tuple[list[int], list[list[Hypothesis]]]]:
        """The best `count` translations of each sentence, batch by batch as they come: which sentences, and theirs.

        Sentences of about equal length are computed together, the longest first; which ones changes nothing.
        """
        sources = [self.source(token_ids) for token_ids in sentences]
        scale = 1 if self.network.device.type == "cpu" else 16
        batches = batched([len(source) for source in sources], search.beams, scale, team.workers)

        def work(rows: list[int]) -> tuple[list[int], list[list[Hypothesis]]]:
            some = [sources[row] for row in rows]
            longest = [self.longest(source) for source in some]
            found = beam_search(self.beams(some), longest, end=self.end, search=search, count=count, never=self.padding)
            return rows, found

        return team.each(work, batches)


def batched(lengths: Sequence[int], beams: int, scale: int, workers: int) -> list[list[int]]:
    """Which sentences are computed together: the longest first, so that workers end at about the same time."""
    rows_at_once = max(1, min(scale * BEAMS_AT_ONCE // beams, math.ceil(len(lengths) / workers)))
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        batch = batches[-1] if batches else []
        full = (
            len(batch) == rows_at_once or (len(batch) + 1) * lengths[batch[0]] > scale * TOKENS_AT_ONCE
            if batch
            else True
        )
        if full:
            batches.append([row])
        else:
            batch.append(row)
    return batches


def translate_texts(
    translator: Translator,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    search: Search,
    count: int = 1,
    team: Team,
    names: Sequence[str] | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> list[list[TranslatedText]]:
    """The best `count` translations of each text; of an empty one, one empty translation.

    White space around a text does not count. `names` say in refusals which text it is; `progress` is told how many are
    done. Raises InputError for a text that is longer than the context, before anything is translated.
    """
    encoded = [tokenizer.encode(text.strip()) for text in texts]
    for number, token_ids in enumerate(encoded):
        name = names[number] if names else "the text" if len(texts) == 1 else f"text {number + 1} of {len(texts)}"
        translator.refuse_too_long(token_ids, name)
    asked = [number for number, token_ids in enumerate(encoded) if token_ids]
    found = [[EMPTY] for _ in texts]
    done = len(texts) - len(asked)
    sentences = [encoded[number] for number in asked]
    # for all workers at once: none may switch dropout on again while another computes
    with evaluating(translator.network):
        for rows, batch in translator.translate(sentences, search=search, count=count, team=team):
            for row, hypotheses in zip(rows, batch, strict=True):
                found[asked[row]] = [as_text(hypothesis, tokenizer) for hypothesis in hypotheses]
            done += len(rows)
            progress(done)
    return found


def as_text(hypothesis: Hypothesis, tokenizer: Tokenizer) -> TranslatedText:
    text = tokenizer.decode(hypothesis.token_ids).strip()
    return TranslatedText(text, hypothesis.token_ids, hypothesis.score, hypothesis.log_probability, hypothesis.ended)
