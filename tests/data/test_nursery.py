"""The text that ships: made by the grammar beside it, varied, well formed, and about an egg on a wall."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Sequence

import pytest

from everysum.data.grammars import Chances
from everysum.data.nursery import nursery_text_path
from everysum.data.nursery.book import END_OF_TEXT_LINE, STORIES, nursery_documents, nursery_text
from everysum.data.nursery.grammar import INNERMOST_CHOICE, MARK, Grammar, Plot, Word, polish
from everysum.data.nursery.tables import read_grammar, read_plots

TEXT = nursery_text_path().read_text(encoding="utf-8")
DOCUMENTS = TEXT.split(END_OF_TEXT_LINE)
STORY_DOCUMENTS = [document for document in DOCUMENTS if "\n\n" in document]
WORDS = re.findall(r"[a-z]+(?:'[a-z]+)?", TEXT.lower())
SENTENCE_START = re.compile(r'(?:^|[.!?]"? |\n)"?(\w)')


def windows(words: Sequence[str], width: int) -> set[tuple[str, ...]]:
    return {tuple(words[start : start + width]) for start in range(len(words) - width + 1)}


def test_the_grammar_reproduces_the_shipped_file_byte_for_byte() -> None:
    assert nursery_text().encode() == nursery_text_path().read_bytes()


def test_another_seed_tells_other_stories() -> None:
    shipped = set(DOCUMENTS)
    others = list(nursery_documents(seed=2, size=50_000))
    assert sum(document in shipped for document in others) < 0.05 * len(others)


def test_the_text_is_about_a_megabyte_of_plain_ascii() -> None:
    assert 900_000 < nursery_text_path().stat().st_size < 1_100_000
    assert TEXT.isascii()
    assert "\r" not in TEXT


def test_no_story_appears_twice() -> None:
    assert len(DOCUMENTS) > 1500
    assert len(set(DOCUMENTS)) == len(DOCUMENTS)


def test_stories_are_40_to_200_words_long() -> None:
    lengths = [len(document.split()) for document in STORY_DOCUMENTS]
    assert len(lengths) > 1200
    assert min(lengths) >= 40
    assert max(lengths) <= 200


def test_the_text_is_too_varied_to_be_learned_by_heart() -> None:
    lines = [line for document in DOCUMENTS for line in document.splitlines() if line]
    assert len(set(lines)) > 0.6 * len(lines)
    assert len({tuple(WORDS[start : start + 5]) for start in range(len(WORDS))}) > 0.4 * len(WORDS)
    assert len(gzip.compress(TEXT.encode(), 9)) > 0.25 * len(TEXT)


def test_no_eight_words_stand_in_more_than_three_documents_in_a_hundred() -> None:
    counts = Counter(window for document in DOCUMENTS for window in windows(document.split(), 8))
    window, count = counts.most_common(1)[0]
    assert count < 0.03 * len(DOCUMENTS), " ".join(window)


def test_few_words_make_nearly_all_of_the_text() -> None:
    counts = Counter(WORDS)
    assert len(counts) < 2400
    assert sum(count for _, count in counts.most_common(1500)) > 0.98 * len(WORDS)


def test_humpty_dumpty_and_his_wall_are_in_it() -> None:
    about_him = [document for document in DOCUMENTS if "Humpty Dumpty" in document]
    assert len(about_him) > 0.15 * len(DOCUMENTS)
    assert sum("wall" in document for document in about_him) > 0.5 * len(about_him)


def test_sentences_begin_with_a_capital_and_every_document_ends_one() -> None:
    for document in DOCUMENTS:
        assert re.search(r'[.!?]"?\n$', document), document
        starts = SENTENCE_START.findall(re.sub(r'[!?]" ', " ", document))  # "No!" said the hen.
        assert all(start.isupper() for start in starts), document
        for paragraph in document.strip().split("\n\n"):
            assert paragraph[-1] in '.!?"', document


def test_no_mark_of_the_grammar_is_left() -> None:
    assert not re.search(r"[{}\[\]|<>]|/ ", "".join(DOCUMENTS))


def test_a_stands_before_consonants_and_an_before_vowels() -> None:
    assert not re.findall(r"\b[Aa] [aeiou](?!ne\b)\w*", TEXT)
    assert set(re.findall(r"\b[Aa]n ([^aeiou\s]\w*)", TEXT)) <= {"hour"}


def test_quotations_close_and_nothing_stands_twice_in_a_row() -> None:
    for document in DOCUMENTS:
        assert document.count('"') % 2 == 0, document
        assert not re.search(r' [,.!?]|[,.!?]{2}|[.!?]"[.,]|\b(\w+) \1\b', document), document


@pytest.mark.parametrize("plot", read_plots((*STORIES, "verses")), ids=lambda plot: plot.title)
def test_every_way_of_telling_a_plot_names_words_and_phrases_that_exist(plot: Plot) -> None:
    grammar = read_grammar()
    for step in plot.steps:
        assert step.count <= len(step.alternatives)
        for template in step.alternatives:
            assert_marks_are_known(template, grammar, dict(plot.slots))


def test_every_phrase_and_every_table_is_used() -> None:
    grammar, plots = read_grammar(), read_plots((*STORIES, "verses"))
    templates = [template for plot in plots for step in plot.steps for template in step.alternatives]
    ways = [way for ways in grammar.phrases.values() for way in ways]
    called = {mark.split()[0].lower() for template in templates + ways for mark, _ in MARK.findall(template) if mark}
    assert called == set(grammar.phrases)
    assert {source for plot in plots for source in plot.slots.values()} == {*grammar.tables, "~rhymes", "~riddles"}


def assert_marks_are_known(template: str, grammar: Grammar, slots: dict[str, str]) -> None:
    names = {name for key in slots for name in key.split()} | {"he", "him", "his", "himself"}
    for phrase, word in MARK.findall(template):
        if phrase:
            name, *about = phrase.split()
            assert name.lower() in grammar.phrases, template
            assert set(about) <= names, template
        else:
            assert word.partition(".")[0].lower() in names, template


def test_chances_depend_on_the_seed_alone() -> None:
    chances = Chances(0)
    assert [chances.below(10) for _ in range(8)] == [8, 7, 4, 2, 5, 4, 7, 3]
    assert sorted(chances.some("abcd", 4)) == ["a", "b", "c", "d"]


def test_a_plot_is_told_with_agreeing_pronouns_and_without_repeating_a_phrase() -> None:
    ann = Word("Ann", {"he": "she", "kind": "girl"})
    grammar = Grammar({"rest": ("and sat", "and ate")}, {"child": (ann,)}, {})
    plot = read_plots(["humpty"])[0]
    step = type(plot.steps[0])
    told = Plot("two", {"hero": "child"}, (step(("{hero} came <rest>. {he} stood <rest>.",)),))
    texts = {grammar.tell(told, Chances(seed)) for seed in range(20)}
    assert texts == {"Ann came and sat. She stood and ate.", "Ann came and ate. She stood and sat."}


@pytest.mark.parametrize(
    ("raw", "polished"),
    [
        ("a egg sat.  it fell", "An egg sat. It fell"),
        ("a one-eyed cat", "A one-eyed cat"),
        ('she said, "come," and left. "no!" said he.', 'She said, "come," and left. "No!" said he.'),
        ('"yes," said he, "and no."', '"Yes," said he, "and no."'),
        ('"it rained." he ran.', '"It rained." He ran.'),
        ("one\n two \n\n\n\nthree", "One\nTwo\n\nThree"),
    ],
)
def test_the_ends_are_put_right(raw: str, polished: str) -> None:
    assert polish(raw) == polished


def test_an_innermost_choice_is_found_first() -> None:
    found = INNERMOST_CHOICE.search("[a|b [c|d]]")
    assert found is not None
    assert found[1] == "c|d"
