from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everysum.errors import InputError, UsageError
from everysum.generation.sampling import GREEDY, Sampling
from everysum.generation.text import GeneratedText, TextStream, generate_text, stream_text


class Pieces:
    """A tokenizer of these pieces of bytes; the end of text comes after the last."""

    kind = "pieces"
    before = ()

    def __init__(self, pieces: list[bytes], *, drops_first_space: bool = False) -> None:
        self.pieces, self.drops_first_space = pieces, drops_first_space
        self.end_of_text, self.vocabulary_size = len(pieces), len(pieces) + 1
        self.ends, self.special_tokens = frozenset([self.end_of_text]), {"<end>": self.end_of_text}

    def token_bytes(self, token_id: int) -> bytes:
        return [*self.pieces, b""][token_id]

    def decode(self, token_ids: Iterable[int]) -> str:
        return b"".join(map(self.token_bytes, token_ids)).decode(errors="replace")

    def encode(self, text: str) -> list[int]:
        raise NotImplementedError

    def encode_parts(self, parts: Iterable[str | int]) -> list[int]:
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        raise NotImplementedError


HUMPTY = Pieces([b"Hum", b"pty ", b"Dum", b"pty", b" sat", b" on a", b" wa", b"ll", b".\n"])


def pushed(pieces: list[bytes], stop: list[str]) -> tuple[list[str], TextStream]:
    """What each token gives out, what is left at the end, and the stream."""
    tokenizer = Pieces(pieces)
    stream = TextStream(tokenizer, stop)
    return [*[stream.push(token_id) for token_id in range(len(pieces))], stream.finish()], stream


@pytest.mark.parametrize(
    ("pieces", "stop", "expected"),
    [
        ([b"a", b"b", b"c"], [], ["a", "b", "c", ""]),
        ([b"one.\n", b"\ntwo"], ["\n\n"], ["one.", "", ""]),
        ([b"one.\n", b"two"], ["\n\n"], ["one.", "\ntwo", ""]),
        ([b"Use", b"r", b":"], ["User:"], ["", "", "", ""]),
        ([b"Use", b"less"], ["User:"], ["", "Useless", ""]),
        ([b"a", b"aa", b"b"], ["aab"], ["", "a", "", ""]),
        ([b"abab", b"ac"], ["abac"], ["ab", "", ""]),
        ([b"x<", b"e", b"nd"], ["<end>"], ["x", "", "", "<end"]),
        ([b"xabcdey"], ["abcdey", "cde"], ["xab", ""]),
        ([b"xabcdey"], ["de", "abcde"], ["x", ""]),
        ([b"x", b"stop", b"y"], ["stop"], ["x", "", "", ""]),
        # é and the Euro sign come in parts; half of one at the end is not text
        ([b"caf\xc3", b"\xa9 5 \xe2", b"\x82", b"\xac"], [], ["caf", "é 5 ", "", "€", ""]),
        ([b"5 \xe2", b"\x82"], [], ["5 ", "", ""]),
        ([b"5 \xe2", b"\x82", b"\xac!"], ["€"], ["5 ", "", "", ""]),
        ([b"a\xffb"], [], ["a\ufffdb", ""]),
    ],
)
def test_text_is_given_out_when_it_is_certain(pieces: list[bytes], stop: list[str], expected: list[str]) -> None:
    assert pushed(pieces, stop)[0] == expected


@given(
    st.text(alphabet="ab€\n", max_size=30),
    st.lists(st.text(alphabet="ab€\n", min_size=1, max_size=5), max_size=3),
    st.lists(st.integers(0, 60), max_size=12),
)
def test_a_stop_string_cuts_wherever_the_tokens_part(text: str, stop: list[str], places: list[int]) -> None:
    encoded = text.encode()
    borders = [0, *sorted(min(place, len(encoded)) for place in places), len(encoded)]
    pieces = [encoded[start:end] for start, end in pairwise(borders)]
    # the definition, letter by letter: the text ends before the stop string that is complete first
    expected, stopped = text, False
    for end in range(len(text) + 1):
        complete = [word for word in stop if text[:end].endswith(word)]
        if complete:
            expected, stopped = text[: end - max(map(len, complete))], True
            break
    given_out, stream = pushed(pieces, stop)
    assert "".join(given_out) == expected
    assert stream.over == stopped
    assert stream.ending == ("stop" if stopped else "tokens")


def test_text_is_held_back_no_longer_than_it_may_be_a_stop_string() -> None:
    assert pushed([b"ab", b"ca", b"bx"], ["abcd"])[0] == ["", "abc", "abx", ""]


def test_the_end_of_text_ends_the_text_and_frees_what_was_held() -> None:
    stream = TextStream(HUMPTY, ["pty pty"])
    assert [stream.push(token_id) for token_id in (0, 1, HUMPTY.end_of_text, 2)] == ["Hum", "", "pty ", ""]
    assert (stream.finish(), stream.ending, stream.token_ids) == ("", "end_of_text", [0, 1])


def test_texts_of_a_batch_end_each_for_its_own_reason(reciter) -> None:
    texts = generate_text(
        reciter(HUMPTY.vocabulary_size),
        HUMPTY,
        [[0], [4, 5], [1], [HUMPTY.end_of_text]],
        tokens=4,
        sampling=GREEDY,
        stop=["a wall", "y s"],
    )
    assert texts == [
        GeneratedText("pty Dumpt", (1, 2, 3, 4), "stop"),
        GeneratedText(" wall.\n", (6, 7, 8), "end_of_text"),
        GeneratedText("Dumpt", (2, 3, 4), "stop"),
        GeneratedText("Humpty Dumpty", (0, 1, 2, 3), "tokens"),
    ]


@pytest.mark.parametrize("stop", [[], ["on a wall"], ["pt", "sat on"], ["never"], [".\n"]])
@pytest.mark.parametrize("tokens", [0, 1, 3, 8, 30])
def test_streamed_pieces_joined_are_the_text(reciter, stop: list[str], tokens: int) -> None:
    network = reciter(HUMPTY.vocabulary_size)
    pieces = list(stream_text(network, HUMPTY, [0], tokens=tokens, sampling=GREEDY, stop=stop))
    whole = generate_text(network, HUMPTY, [[0]], tokens=tokens, sampling=GREEDY, stop=stop)[0]
    assert "".join(pieces) == whole.text
    assert all(pieces)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [[], ["e"], ["ab", "ca", "q"]])
def test_streamed_and_whole_texts_agree_for_a_network_with_a_mind_of_its_own(network, stop: list[str]) -> None:
    letters = Pieces([bytes([97 + number]) for number in range(20)] + [b"\xc3", b"\xa9"])
    for seed in range(10):
        pieces = stream_text(network, letters, [1, 2], tokens=40, sampling=Sampling(1.5), seed=seed, stop=stop)
        whole = generate_text(network, letters, [[1, 2]], tokens=40, sampling=Sampling(1.5), seed=seed, stop=stop)[0]
        assert "".join(pieces) == whole.text
        assert letters.decode(whole.token_ids).startswith(whole.text)


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(UsageError) as refusal:
        TextStream(HUMPTY, ["end", ""])
    assert str(refusal.value) == "a stop string cannot be empty: it would end every text before its first character"


def test_a_stream_refuses_its_prompt_before_the_first_piece(reciter) -> None:
    with pytest.raises(InputError, match="no tokens"):
        stream_text(reciter(HUMPTY.vocabulary_size), HUMPTY, [], tokens=3)


# --- a space in front, as sentencepiece puts it -----------------------------------------------------------------------

SPACED = Pieces([b" Once", b" upon", b" a"], drops_first_space=True)


def test_a_text_behind_another_keeps_its_first_space(reciter) -> None:
    generated = generate_text(reciter(4), SPACED, [[0]], tokens=3, sampling=GREEDY)
    assert generated[0].text == " upon a"
    assert "".join(stream_text(reciter(4), SPACED, [0], tokens=3, sampling=GREEDY)) == " upon a"


def test_a_new_text_is_without_the_space_in_front(reciter) -> None:
    generated = generate_text(reciter(4), SPACED, [[3]], tokens=3, sampling=GREEDY)
    assert generated[0].text == "Once upon a"
    assert "".join(stream_text(reciter(4), SPACED, [3], tokens=3, sampling=GREEDY)) == "Once upon a"
    assert "".join(stream_text(reciter(4), SPACED, [0], tokens=3, sampling=GREEDY, alone=True)) == "upon a"
