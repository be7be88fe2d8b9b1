"""A chat: messages to and fro, rendered by the model's template, and kept within the model's context."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from everysum.errors import InputError
from everysum.generation.generate import Ending, steps
from everysum.generation.sampling import UNCHANGED, Sampling
from everysum.generation.text import TextStream
from everysum.models.network import Network
from everysum.tokenizers.chat_template import ChatTemplate, Message
from everysum.tokenizers.tokenizer import Tokenizer

ROOM = 4
"""A quarter of the context, at least, is kept free for the answer."""


class Chat:
    """What was said so far, as much of it as the context holds."""

    def __init__(
        self, network: Network, tokenizer: Tokenizer, template: ChatTemplate, messages: Sequence[Message] = ()
    ) -> None:
        self.network, self.tokenizer, self.template = network, tokenizer, template
        self.messages: list[Message] = []
        self.left_out = 0
        """How many messages the last question had to leave out, the oldest first."""
        self.ending: Ending = "tokens"
        """Why the last answer ended: it was complete (end of text, a stop string), or tokens were used up."""
        self.tokens = 0
        """How many tokens the last answer has."""
        self._prompt: list[int] = []
        if messages:
            self._take(list(messages))

    def say(self, content: str, role: str = "user") -> None:
        """Put a message at the end; the oldest turns are left out where the context cannot hold all.

        Raises InputError, and changes nothing, where the template refuses it or it is too long by itself.
        """
        self._take([*self.messages, {"role": role, "content": content}])

    def told_left_out(self) -> str:
        """In words what the context could not hold."""
        were = "the oldest message was" if self.left_out == 1 else f"the oldest {self.left_out} messages were"
        return f"the context of {self.network.context_length} tokens is full: {were} left out"

    def answer(
        self, *, tokens: int, sampling: Sampling = UNCHANGED, seed: int = 0, stop: Sequence[str] = ()
    ) -> Generator[str, None, None]:
        """The model's answer in pieces; it ends where the context is full.

        It becomes a message once it has ended, also if it is not taken to its end.
        """
        stream = TextStream(self.tokenizer, stop, alone=True)
        room = self.network.context_length - len(self._prompt) + 1  # the last token is never read
        coming = steps(
            self.network,
            [self._prompt],
            tokens=min(tokens, room),
            sampling=sampling,
            seed=seed,
            over=lambda *_: stream.over,
        )
        said: list[str] = []
        try:
            for step in coming:
                if piece := stream.push(step.token_ids[0]):
                    said.append(piece)
                    yield piece
            if piece := stream.finish():
                said.append(piece)
                yield piece
        finally:
            self.ending, self.tokens = stream.ending, len(stream.token_ids)
            self.messages.append({"role": "assistant", "content": "".join(said)})

    def _take(self, messages: list[Message]) -> None:
        """Make these the messages, without the oldest turns if they are too long."""
        longest = self.network.context_length - self.network.context_length // ROOM
        count = len(messages)
        while len(prompt := self._encoded(messages)) > longest:
            shorter = without_oldest_turn(messages)
            if shorter is None:
                raise InputError(
                    "the message is too long for the model's context, which has to hold the answer too",
                    wanted=f"at most {longest} tokens with everything that the template adds",
                    came=f"{len(prompt)} tokens",
                )
            messages = shorter
        self.messages, self._prompt, self.left_out = messages, prompt, count - len(messages)

    def _encoded(self, messages: Sequence[Message]) -> list[int]:
        return self.tokenizer.encode_parts(self.template.parts(messages))


def without_oldest_turn(messages: Sequence[Message]) -> list[Message] | None:
    """The messages without the oldest question and what belongs to it; None where only the last question is left.

    System messages at the beginning stay.
    """
    start = next((at for at, message in enumerate(messages) if message["role"] != "system"), len(messages))
    questions = [at for at, message in enumerate(messages) if message["role"] == "user" and at > start]
    return [*messages[:start], *messages[questions[0] :]] if questions else None


def as_values(chat: Chat) -> dict[str, Any]:
    """The last answer, for programs."""
    said = {"content": chat.messages[-1]["content"], "tokens": chat.tokens, "ending": chat.ending}
    return {"role": "assistant", **said, "left_out": chat.left_out}
