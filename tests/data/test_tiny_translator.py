"""The German-English grammar that ships with everysum: correct in both languages, and honest about what is held out."""

from __future__ import annotations

import re
from itertools import product

import pytest

from everysum.data.grammars import Chances
from everysum.data.sentence_pairs import Pair
from everysum.data.tiny_translator import HELD_OUT_PAIRS, TRAINING_PAIRS, sentence_pairs
from everysum.data.tiny_translator.grammar import MARK, Writer, combination, write
from everysum.data.tiny_translator.pairs import is_held_out
from everysum.data.tiny_translator.tables import Kind, read_tables
from everysum.data.tiny_translator.words import NOTHING, OWN, THE, A, Determiner, Noun

TABLES = read_tables()
MY, YOUR, OUR = OWN
TWO = Determiner("zwei", "two")


@pytest.fixture(scope="module")
def training() -> list[Pair]:
    return sentence_pairs("training")


@pytest.fixture(scope="module")
def held_out() -> list[Pair]:
    return sentence_pairs("held_out")


def noun(german: str) -> Noun:
    return next(noun for noun in TABLES.nouns if noun.singular == german)


def words(sentence: str) -> list[str]:
    return re.findall(r"[\w']+", sentence.casefold())


def test_there_are_a_few_thousand_different_pairs(training: list[Pair], held_out: list[Pair]) -> None:
    assert (len(training), len(held_out)) == (TRAINING_PAIRS, HELD_OUT_PAIRS)
    assert len(set(training)) == len(training)
    assert len(set(held_out)) == len(held_out)
    assert ("Wo wohnst du?", "Where do you live?") in training


def test_the_same_seed_gives_the_same_pairs_and_more_of_them_go_on_where_fewer_end() -> None:
    assert sentence_pairs("training", 60)[:40] == sentence_pairs("training", 40)
    assert sentence_pairs("training", 40) != sentence_pairs("training", 40, seed=2)


def test_a_german_sentence_has_one_english_one() -> None:
    pairs = {pair for seed in (1, 2, 3) for pair in sentence_pairs("training", 6_000, seed)}
    assert len({german for german, _ in pairs}) == len(pairs)


def test_no_sentence_is_in_both_parts(training: list[Pair], held_out: list[Pair]) -> None:
    assert not {german for german, _ in training} & {german for german, _ in held_out}


def test_every_word_of_a_held_out_sentence_is_known_from_training(training: list[Pair], held_out: list[Pair]) -> None:
    known = {word for pair in training for sentence in pair for word in words(sentence)}
    new = {word for pair in held_out for sentence in pair for word in words(sentence)} - known
    # "lade" and "trägt" may stand in a question only: each is a form of a verb whose other forms are known
    assert len(new) <= 2, new


def test_a_held_out_verb_and_object_never_stand_together_in_training(
    training: list[Pair], held_out: list[Pair]
) -> None:
    """Read off the sentences themselves, with nouns that can be nothing but an object."""
    objects = {noun.singular.casefold() for noun in TABLES.nouns if {"food", "drink", "thing"} & set(noun.kinds)}
    verbs = {verb.infinitive for verb in TABLES.verbs["transitive"] if not verb.prefix} - {"haben"}  # an auxiliary too
    kept_out = {pair for pair in product(verbs, objects) if is_held_out((pair[0], pair[1].capitalize()))}
    assert len(kept_out) > 40

    def together(pairs: list[Pair]) -> set[tuple[str, str]]:
        at_the_end = ((re.search(r"(\w+)\.$", german), set(words(german))) for german, _ in pairs)
        found = {(verb[1], word) for verb, present in at_the_end if verb and verb[1] in verbs for word in present}
        return {(verb, word) for verb, word in found if word in objects}

    assert not together(training) & kept_out
    assert together(held_out)
    assert together(held_out) <= kept_out


@pytest.mark.parametrize("kind", TABLES.kinds, ids=lambda kind: kind.title)
def test_every_kind_of_sentence_can_be_told(kind: Kind) -> None:
    for seed in range(30):
        filled = Writer(TABLES, Chances(seed)).fill(kind)
        german, english = write(kind, filled, TABLES)
        assert not MARK.search(german + english)
        assert not re.search(r"[{}|;-]|  |\b(in dem|in das)\b|\b[Aa] [aeiou]|\ban [^aeiou]| [.,?!]", german + english)
        assert german[0].isupper()
        assert english[0].isupper()
        assert german[-1] == english[-1]
        assert german[-1] in ".?!"
        assert len({filling.word for filling in filled.values()}) == len(filled)
        assert len(combination(kind, filled)) in (0, 2)


@pytest.mark.parametrize(
    ("singular", "determiner", "adjective", "many", "forms"),
    [
        ("Mann", THE, "alt", False, ("der alte Mann", "den alten Mann", "dem alten Mann", "the old man")),
        ("Mann", THE, "alt", True, ("die alten Männer", "die alten Männer", "den alten Männern", "the old men")),
        ("Frau", A, "jung", False, ("eine junge Frau", "eine junge Frau", "einer jungen Frau", "a young woman")),
        ("Kind", A, "klug", False, ("ein kluges Kind", "ein kluges Kind", "einem klugen Kind", "a clever child")),
        ("Hund", MY, "groß", False, ("mein großer Hund", "meinen großen Hund", "meinem großen Hund", "my big dog")),
        ("Katze", OUR, None, True, ("unsere Katzen", "unsere Katzen", "unseren Katzen", "our cats")),
        ("Auto", YOUR, "neu", True, ("deine neuen Autos", "deine neuen Autos", "deinen neuen Autos", "your new cars")),
        ("Junge", THE, None, False, ("der Junge", "den Jungen", "dem Jungen", "the boy")),
        ("Nachbar", A, "freundlich", False, ("ein freundlicher Nachbar", "einen freundlichen Nachbarn", *("",) * 2)),
        ("Kaffee", NOTHING, "kalt", False, ("kalter Kaffee", "kalten Kaffee", "kaltem Kaffee", "cold coffee")),
        ("Milch", NOTHING, "warm", False, ("warme Milch", "warme Milch", "warmer Milch", "warm milk")),
        ("Apfel", NOTHING, "klein", True, ("kleine Äpfel", "kleine Äpfel", "kleinen Äpfeln", "small apples")),
        ("Maus", TWO, None, True, ("zwei Mäuse", "zwei Mäuse", "zwei Mäusen", "two mice")),
    ],
)
def test_articles_adjectives_and_nouns_agree(
    singular: str, determiner: Determiner, adjective: str | None, many: bool, forms: tuple[str, ...]
) -> None:
    described = next((word for word in TABLES.words["adjectives"] if word.word == adjective), None)
    phrase = noun(singular).phrase(determiner, described, many=many)
    found = (*(phrase.german(case) for case in ("", "acc", "dat")), phrase.english(""))
    assert [form for form, wanted in zip(found, forms, strict=True) if wanted] == [wanted for wanted in forms if wanted]


@pytest.mark.parametrize(
    ("singular", "negated"),
    [("Hund", "keinen Hund"), ("Milch", "keine Milch"), ("Brot", "kein Brot"), ("Ei", "kein Ei")],
)
def test_kein_agrees_too(singular: str, negated: str) -> None:
    assert noun(singular).phrase(A, None, many=False).german("no") == negated


def test_a_verb_with_a_prefix_comes_apart_where_it_must() -> None:
    call = TABLES.verb("anrufen")
    assert call
    forms = ("", "off", "last", "infinitive", "to", "participle")
    assert [call.german(form, 2) for form in forms] == ["ruft", "an", "anruft", "anrufen", "anzurufen", "angerufen"]
    assert [call.english(form, 2) for form in ("", "base", "past")] == ["calls", "call", "called"]
    be = TABLES.verb("sein")
    assert be
    assert [be.english("", person) for person in range(6)] == ["am", "are", "is", "are", "are", "are"]
    assert [be.english("past", person) for person in (0, 1)] == ["was", "were"]


def test_the_kinds_of_sentence_that_make_alignment_interesting_are_there(training: list[Pair]) -> None:
    german = [sentence for sentence, _ in training]
    wanted = {
        "a subordinate clause ends with its verb": r", dass .* (\w+t|\w+en|\w+e)\.$",
        "a prefix stands at the end": r" (an|ein|zu|mit|auf|weg)\.$",
        "the perfect ends with its participle": r"^\w+ (hat|haben|habe|hast) .* \w*ge\w+(t|en)\.$",
        "a question begins with its verb": r"^(Hat|Kann|Ist|Isst|Trinkt|Kauft|Liest) .*\?$",
        "what one does not have is kein": r" kein(e|en)? ",
        "the verb stands second behind a time": r"^(Gestern|Morgen|Nächste Woche) \w+ ",
    }
    for what, pattern in wanted.items():
        assert sum(bool(re.search(pattern, sentence)) for sentence in german) > 20, what
