"""The even sample: everything while it fits, evenly from everywhere when it does not, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis.strategies as st
from hypothesis import given, settings

from everysum.tokenizers.patterns import GPT2, LLAMA3, SplitPattern
from everysum.tokenizers.sample import BLOCK_LENGTH, count_pieces, even_sample


@given(st.lists(st.text(st.sampled_from("ab \n"), max_size=2000), max_size=9))
@settings(deadline=None)
def test_a_text_that_fits_is_taken_whole(texts: list[str]) -> None:
    sample = even_sample(texts, GPT2)
    assert "".join(sample) == "".join(texts)
    assert max(map(len, sample), default=0) <= 2 * BLOCK_LENGTH


def test_pieces_are_counted_as_in_the_whole_text() -> None:
    text = "the cat and the hat\n" * 500
    assert count_pieces(even_sample(text, GPT2), GPT2) == count_pieces([text], GPT2)


@given(
    words=st.lists(st.sampled_from(["a", "1", "'s", "-", "\n", "  ", "日", "aaaaaaaaaa"]), min_size=1, max_size=40),
    pattern=st.sampled_from([GPT2, LLAMA3]),
)
@settings(deadline=None)
def test_pieces_stay_whole_where_no_boundary_comes_for_long(words: list[str], pattern: SplitPattern) -> None:
    text = "".join(words) * 50
    pieces = list(pattern.pieces(text))
    if max(map(len, pieces)) <= BLOCK_LENGTH:
        assert [piece for block in even_sample([text], pattern) for piece in pattern.pieces(block)] == pieces


def test_a_long_block_is_not_cut_after_a_row_of_spaces() -> None:
    """The last space of a row stands alone because a word follows: cut there, the row would be one piece."""
    text = "x" * (BLOCK_LENGTH - 3) + "\u3000" * 3 + "y" * 400
    assert count_pieces(even_sample(text, GPT2), GPT2) == count_pieces([text], GPT2)


def test_a_sample_is_taken_evenly_from_everywhere() -> None:
    """10,000 texts of 100 characters, at most 150,000: with steps of 8, 1,250 of them, each eighth one."""
    texts = [f"{number:0100}" for number in range(10_000)]
    assert even_sample(texts, GPT2, largest=150_000) == texts[::8]


def test_the_sample_is_bounded_and_the_texts_are_read_once_without_knowing_how_many_come() -> None:
    def texts() -> Iterator[str]:
        for number in range(3000):
            yield f"{number} " * 100

    sample = even_sample(texts(), GPT2, largest=50_000)
    assert 20_000 < sum(map(len, sample)) <= 50_000
    assert sample == even_sample(texts(), GPT2, largest=50_000)


def test_a_piece_without_end_is_learned_from_in_parts() -> None:
    assert {len(block) for block in even_sample("a" * 1000 * BLOCK_LENGTH, GPT2)} == {BLOCK_LENGTH}
