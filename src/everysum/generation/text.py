"""Text from tokens as they come: cut before a stop string, and never half a character."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from everysum.errors import UsageError
from everysum.generation.generate import Ending, Step, steps
from everysum.generation.sampling import UNCHANGED, Sampling
from everysum.models.network import Network
from everysum.tokenizers.tokenizer import StreamDecoder, Tokenizer


@dataclass(frozen=True)
class GeneratedText:
    """What came behind one prompt: the text, cut before a stop string, and every token generated for it."""

    text: str
    token_ids: tuple[int, ...]
    ending: Ending


class TextStream:
    """One prompt's text as its tokens come, up to a token that ends texts or a stop string.

    A text that stands `alone` instead of going on behind another one is without the space that some tokenizers put in
    front. A stop string is found wherever its characters come, across tokens as well. Text that might be its beginning
    is held back until the next token shows whether it is. Of several stop strings the first that is complete counts.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = (), *, alone: bool = False) -> None:
        if not all(stop):
            raise UsageError("a stop string cannot be empty: it would end every text before its first character")
        self.ends, self.stop = tokenizer.ends, tuple(stop)
        self.decoder = StreamDecoder(tokenizer, alone=alone)
        self.token_ids: list[int] = []
        self.held = ""
        self.ending: Ending = "tokens"

    def push(self, token_id: int) -> str:
        """The text that is certain now, perhaps none; once the text is over, none comes any more."""
        if self.over:
            return ""
        if token_id in self.ends:
            self.ending = "end_of_text"
            return self.rest()
        self.token_ids.append(token_id)
        self.held += self.decoder.push(token_id)
        found = [(place + len(word), place) for word in self.stop if (place := self.held.find(word)) >= 0]
        if found:
            self.ending = "stop"
            _, certain = min(found)
        else:
            certain = len(self.held) - self.doubtful()
        text, self.held = self.held[:certain], self.held[certain:]
        return text

    @property
    def over(self) -> bool:
        """Whether a token that ends texts or a stop string has come."""
        return self.ending != "tokens"

    def finish(self) -> str:
        """What was held back, now that no more tokens come; bytes that never became a whole character are left out."""
        return "" if self.ending == "stop" else self.rest()

    def rest(self) -> str:
        text, self.held = self.held, ""
        return text

    def doubtful(self) -> int:
        """How many of the last characters held may be the beginning of a stop string."""
        longest = min(max(map(len, self.stop), default=1) - 1, len(self.held))
        ends = (
            count for count in range(longest, 0, -1) if any(word.startswith(self.held[-count:]) for word in self.stop)
        )
        return next(ends, 0)


def generate_text(
    network: Network,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    *,
    tokens: int,
    sampling: Sampling = UNCHANGED,
    seed: int | Sequence[int] = 0,
    stop: Sequence[str] = (),
    watch: Callable[[Step], object] = lambda step: None,
) -> list[GeneratedText]:
    """The text behind each prompt: up to `tokens` tokens, ending before a stop string or end of text. See `steps`.

    `watch` is shown every step as it comes.
    """
    streams = [TextStream(tokenizer, stop, alone=says_nothing(tokenizer, prompt)) for prompt in prompts]
    texts = [""] * len(prompts)

    def over(row: int, token_id: int) -> bool:
        texts[row] += streams[row].push(token_id)
        return streams[row].over

    for step in steps(network, prompts, tokens=tokens, sampling=sampling, seed=seed, over=over):
        watch(step)
    return [
        GeneratedText(text + stream.finish(), tuple(stream.token_ids), stream.ending)
        for text, stream in zip(texts, streams, strict=True)
    ]


def stream_text(
    network: Network,
    tokenizer: Tokenizer,
    prompt: Sequence[int],
    *,
    tokens: int,
    sampling: Sampling = UNCHANGED,
    seed: int = 0,
    stop: Sequence[str] = (),
    alone: bool = False,
) -> Iterator[str]:
    """The text behind a prompt in pieces, each as soon as it is certain; joined, they are what `generate_text` gives.

    It is a text of its own if it is to stand `alone`, or if the prompt says nothing. A prompt that cannot be used is
    refused at once, before the first piece is asked for.
    """
    stream = TextStream(tokenizer, stop, alone=alone or says_nothing(tokenizer, prompt))
    coming = steps(network, [prompt], tokens=tokens, sampling=sampling, seed=seed, over=lambda *_: stream.over)

    def pieces() -> Iterator[str]:
        for step in coming:
            if piece := stream.push(step.token_ids[0]):
                yield piece
        if piece := stream.finish():
            yield piece

    return pieces()


def says_nothing(tokenizer: Tokenizer, prompt: Sequence[int]) -> bool:
    """Whether a prompt is special tokens only, so that a new text starts behind it."""
    return not any(tokenizer.token_bytes(token_id) for token_id in prompt)
