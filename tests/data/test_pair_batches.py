"""Batches of pairs: every pair once an epoch, about equal tokens, little padding, a function of seed and step."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from everysum.data.pair_batches import Joined, PairBatch, PairBatches, apart, fitting_pairs, measuring_batches, rows_of
from everysum.data.pair_files import PairFile, prepare_pairs, write_pairs
from everysum.data.sentence_pairs import Pair, find_sides
from everysum.errors import InputError
from everysum.tokenizers import SEPARATOR, train_tokenizer

TOKENIZER = train_tokenizer("characters", "abc", 300)
END = TOKENIZER.end_of_text
SEPARATED = train_tokenizer("characters", "abc", 300)
SEPARATED.add_separator()


def written(folder: Path, lengths: list[tuple[int, int]]) -> PairFile:
    """Pairs of so many characters on each side, each of its own."""
    letters = random.Random(1)
    texts = (["".join(letters.choice("abcdefgh") for _ in range(length)) for length in pair] for pair in lengths)
    return write_pairs([Pair(*pair) for pair in texts], TOKENIZER, folder / "pairs")


def some_pairs(folder: Path, count: int = 300) -> PairFile:
    chosen = random.Random(2)
    return written(folder, [(n := chosen.randint(1, 30), max(1, n + chosen.randint(-4, 4))) for _ in range(count)])


def targets_of(batch: PairBatch) -> list[tuple[int, ...]]:
    return [tuple(row[real].tolist()) for row, real in zip(batch.targets, batch.scored, strict=True)]


def everything(batches: PairBatches, epoch: int) -> list[PairBatch]:
    first = epoch * batches.per_epoch
    return [batches.at(step) for step in range(first, first + batches.per_epoch)]


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_pair_file_gives_every_sentence_back_with_its_end(tmp_path: Path) -> None:
    pairs = [Pair("abc", "ω"), Pair("", "a"), Pair("𒀀b", "cc")]
    file = write_pairs(pairs, TOKENIZER, tmp_path / "some")
    for side, texts in ((file.sources, [p.source for p in pairs]), (file.targets, [p.target for p in pairs])):
        rows = [side[number].tolist() for number in range(len(side))]
        assert [TOKENIZER.decode(row) for row in rows] == texts
        assert all(row[-1] == END and END not in row[:-1] for row in rows)
        assert side.lengths.tolist() == [len(row) for row in rows]
        assert side.byte_count == sum(len(text.encode()) for text in texts)
    assert file.token_count == sum(file.sources.lengths) + sum(file.targets.lengths)


def test_pair_files_are_made_once_and_again_when_anything_is_another(tmp_path: Path) -> None:
    for name, text in (
        ("a.de", "eins\nzwei\n" * 20),
        ("a.en", "one\ntwo\n" * 20),
        ("v.de", "drei\n"),
        ("v.en", "three\n"),
    ):
        (tmp_path / name).write_text(text)
    both, other = (find_sides([tmp_path / f"{name}.de"], [tmp_path / f"{name}.en"]) for name in "av")
    folder = tmp_path / "cache"
    first = prepare_pairs(both, None, TOKENIZER, folder=folder, held_out_share=0.5)
    again = prepare_pairs(both, None, TOKENIZER, folder=folder, held_out_share=0.5)
    assert (first.reused, again.reused) == (False, True)
    assert [again.train.sources[0].tolist(), len(again.train)] == [first.train.sources[0].tolist(), len(first.train)]
    assert not prepare_pairs(both, other, TOKENIZER, folder=folder).reused
    assert len(prepare_pairs(both, other, TOKENIZER, folder=folder).held_out) == 1
    assert not prepare_pairs(both, None, SEPARATED, folder=folder, held_out_share=0.5).reused
    with pytest.raises(InputError, match=r"a\.de is held out, and also among the texts to train on"):
        prepare_pairs(both, both, TOKENIZER, folder=folder)


def test_a_side_without_sentences_is_an_empty_file(tmp_path: Path) -> None:
    file = write_pairs([], TOKENIZER, tmp_path / "none")
    assert (len(file), file.token_count, file.sources.lengths.tolist()) == (0, 0, [])
    assert list(measuring_batches(file, apart, batch_tokens=10, context_length=8)) == []


# --- layouts ----------------------------------------------------------------------------------------------------------


def test_apart_the_target_is_read_from_the_end_of_text_on_and_padding_is_invisible(tmp_path: Path) -> None:
    pairs = write_pairs([Pair("ab", "c"), Pair("a", "bcc")], TOKENIZER, tmp_path / "some")
    batch = rows_of(pairs, [0, 1], apart)
    source, inputs, visible = batch.given
    a, b, c = (TOKENIZER.encode(letter)[0] for letter in "abc")
    assert source.tolist() == [[a, b, END], [a, END, 0]]
    assert visible.tolist() == [[[[True, True, True]]], [[[True, True, False]]]]
    assert inputs.tolist() == [[END, c, END, 0], [END, b, c, c]]
    assert batch.targets.tolist() == [[c, END, 0, 0], [b, c, c, END]]
    assert batch.scored.tolist() == [[True, True, False, False], [True] * 4]


def test_joined_the_source_is_read_and_only_the_target_counts(tmp_path: Path) -> None:
    pairs = write_pairs([Pair("ab", "c"), Pair("a", "bcc")], SEPARATED, tmp_path / "some")
    separator, end = SEPARATED.special_tokens[SEPARATOR], SEPARATED.end_of_text
    batch = rows_of(pairs, [0, 1], Joined(separator))
    a, b, c = (SEPARATED.encode(letter)[0] for letter in "abc")
    assert batch.given[0].tolist() == [[a, b, separator, c, end], [a, separator, b, c, c]]
    assert batch.targets.tolist() == [[b, separator, c, end, 0], [separator, b, c, c, end]]
    assert targets_of(batch) == [(c, end), (b, c, c, end)]


# --- batches ----------------------------------------------------------------------------------------------------------


@given(some.integers(1, 60), some.integers(10, 400), some.integers(1, 5), some.integers(0, 9))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_pair_comes_once_an_epoch(tmp_path: Path, count: int, batch_tokens: int, parts: int, seed: int) -> None:
    pairs = some_pairs(tmp_path, count)
    batches = PairBatches(pairs, apart, seed=seed, batch_tokens=batch_tokens, context_length=40)
    parted = PairBatches(pairs, apart, seed=seed, batch_tokens=batch_tokens, context_length=40, accumulation=parts)
    expected = sorted(tuple(pairs.targets[number].tolist()) for number in range(len(pairs)))
    for epoch in (0, 3):
        found = [row for batch in everything(batches, epoch) for row in targets_of(batch)]
        assert sorted(found) == expected
        in_parts = [
            parted.at(step, part)
            for step in range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
            for part in range(parts)
        ]
        assert sorted(row for batch in in_parts if batch.divisor < np.inf for row in targets_of(batch)) == expected


def test_a_batch_has_about_as_many_tokens_as_asked_for_and_little_padding(tmp_path: Path) -> None:
    pairs = some_pairs(tmp_path, 2000)
    batches = everything(PairBatches(pairs, apart, seed=1, batch_tokens=1000, context_length=40), 0)
    sizes = [int(batch.given[2].sum() + batch.scored.sum()) for batch in batches]
    assert sum(sizes) == pairs.token_count
    assert all(900 <= size <= 1100 for size in sizes)
    padded = sum(batch.given[0].numel() + batch.targets.numel() for batch in batches)
    assert padded < 1.15 * pairs.token_count


def test_a_batch_is_a_function_of_seed_and_step(tmp_path: Path) -> None:
    pairs = some_pairs(tmp_path)
    one, other, third = (
        PairBatches(pairs, apart, seed=seed, batch_tokens=200, context_length=40) for seed in (1, 1, 2)
    )
    steps = [0, 7, 3, 2 * one.per_epoch + 1, 7]
    for step in steps:
        assert all(map(torch.equal, one.at(step).given, other.at(step).given))
    assert targets_of(one.at(7)) != targets_of(third.at(7))
    epochs = [sorted(map(sorted, map(targets_of, everything(one, epoch)))) for epoch in (0, 1)]
    assert epochs[0] != epochs[1]  # other pairs side by side, not only another order


def test_pairs_longer_than_the_context_are_passed_over(tmp_path: Path) -> None:
    pairs = written(tmp_path, [(3, 3), (9, 2), (2, 9), (4, 5)])  # and an end each
    assert fitting_pairs(pairs, apart, 6).tolist() == [0, 3]
    assert fitting_pairs(pairs, apart, 10).tolist() == [0, 1, 2, 3]
    assert fitting_pairs(pairs, Joined(1), 7).tolist() == [0]
    assert fitting_pairs(pairs, Joined(1), 10).tolist() == [0, 3]
    with pytest.raises(InputError, match="no pair of sentences fits into a context of 3 tokens"):
        PairBatches(pairs, apart, seed=1, batch_tokens=10, context_length=3)


@given(some.integers(1, 12), some.integers(1, 5), some.integers(1, 4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_shares_are_the_batch_and_weigh_as_their_tokens(tmp_path: Path, rows: int, workers: int, parts: int) -> None:
    """The mean over a step's tokens is the sum over parts and shares of each one's mean, divided as they say."""
    pairs = some_pairs(tmp_path, rows)
    batches = PairBatches(pairs, apart, seed=1, batch_tokens=10**6, context_length=40, accumulation=parts)
    shares = [share for part in range(parts) for share in batches.at(0, part).shares(workers)]
    counted = [share for share in shares if share.divisor < np.inf]
    assert sorted(row for share in counted for row in targets_of(share)) == sorted(
        tuple(pairs.targets[number].tolist()) for number in range(rows)
    )
    weights = [1 / share.divisor / parts for share in shares]
    assert sum(weights) == pytest.approx(1)
    for share, weight in zip(counted, [w for w in weights if w], strict=True):
        assert weight == pytest.approx(share.tokens / pairs.targets.token_count)


@pytest.mark.parametrize("most", [None, 500])
def test_measuring_takes_every_fitting_pair_once_or_an_even_part(tmp_path: Path, most: int | None) -> None:
    pairs = some_pairs(tmp_path)
    batches = list(measuring_batches(pairs, apart, batch_tokens=300, context_length=20, most=most))
    fitting = fitting_pairs(pairs, apart, 20)
    found = list(itertools.chain.from_iterable(map(targets_of, batches)))
    expected = [tuple(pairs.targets[number].tolist()) for number in fitting]
    if most is None:
        assert sorted(found) == sorted(expected)
    else:
        assert set(found) < set(expected)
        assert 250 < sum(map(len, found)) * 2 < 1000
    assert all(batch.given[0].shape[0] * 2 <= 320 for batch in batches)
