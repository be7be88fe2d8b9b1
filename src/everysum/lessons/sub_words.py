"""Sub-words: pieces between characters and words, learned merge by merge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from everysum.lessons.blocks import Block, Heading, Progress, Text, Try, row, table
from everysum.lessons.chapter import Chapter
from everysum.lessons.comparison import beside, source_of
from everysum.lessons.figures import Figure, Given

if TYPE_CHECKING:
    from everysum.tokenizers.byte_pair import Merge

LETTERS = "abcdefghijklmnopqrstuvwxyz ',.!?-"

FIGURES = (
    Figure(
        "text",
        "the cat sat with the cats and the hat sat with the hats",
        "what the pieces are learned from",
        "text",
        longest=200,
        alphabet=LETTERS,
    ),
    Figure("merges", "9", "how many merges to learn", "count", 0, 60, 1),
    Figure("word", "chats", "a word to cut into pieces", "text", longest=20, alphabet=LETTERS),
)


def teach(given: Given, progress: Progress) -> Iterator[Block]:
    from everysum.tokenizers.byte_pair import learn_merges
    from everysum.tokenizers.patterns import split_pattern
    from everysum.tokenizers.sample import count_pieces

    text = given.text("text")
    yield Text(
        "What should stand for one input: a character, or a word? Whatever it is, is called a token, and has a "
        "number and a vector of its own. Characters make long texts, and the network must first find out what "
        "words are. Words need an output each, more than 180,000 in English; and cat and cats begin as strangers, "
        "with random numbers both."
    )
    pieces = count_pieces([text], split_pattern("gpt2"))
    merges = learn_merges(pieces, given.count("merges"))
    yield Text(
        "Between the two lie pieces of words, such as cat + s. Which pieces? Start with single characters (bytes, "
        "really), count which two stand side by side most often, and join them everywhere into a new token. Count "
        "again."
    )
    yield Text(f"Here is all of it, on this text (pieces never reach over a word and the space before it): {text!r}")
    yield from one_by_one(text, merges)
    if len(merges) < given.count("merges"):
        yield Text(f"After {len(merges)} merges no pair stands there twice any more.")
    yield from cut(given.text("word"), merges)
    yield Text(
        "The order of the numbers means nothing; it only must stay the same, because each finds a row of the embedding "
        "matrix. GPT-2 learned 50,000 merges in this way, Llama 3 about 128,000."
    )
    mine = encoded(text, merges)
    yield beside("the token numbers of the text", "tokenizers", source_of(by_library), mine, by_library(text, merges))
    yield Try(("word=that",), "A word that is not in the text, of pieces that are.")
    yield Try(("merges=0",), "No merges: every character is a token.")


def one_by_one(text: str, merges: list[Merge]) -> Iterator[Block]:
    yield Heading("Merge by merge")
    rows = []
    known = names(merges)
    for at, merge in enumerate(merges, 1):
        left, right = (known[part] for part in merge.pair)
        length = len(encoded(text, merges[:at]))
        rows.append(row(f"{at}", [f"{left} + {right}", shown(merge.piece), merge.count or 0, merge.token_id, length]))
    yield table(("the pair", "new token", "times", "number", "text length"), rows)
    yield Text(f"The text, first as {len(encoded(text, []))} tokens and now as {len(encoded(text, merges))}:")
    yield Text(" ".join(known.get(token, "?") for token in encoded(text, merges)))


def cut(word: str, merges: list[Merge]) -> Iterator[Block]:
    from everysum.tokenizers.byte_pair import merge_pair
    from everysum.tokenizers.patterns import split_pattern

    yield Heading(f"Cutting {word!r}")
    yield Text("A text is cut by repeating the merges in the order in which they were learned, wherever they fit:")
    known = names(merges)
    rows = [row("at first", [written(word_ids(word), known)])]
    for at, merge in enumerate(merges, 1):
        before = [token for piece in split_pattern("gpt2").pieces(word) for token in encoded(piece, merges[: at - 1])]
        if merge_pair(before, merge.pair, merge.token_id) != before:
            rows.append(row(f"merge {at}", [written(encoded(word, merges[:at]), known)]))
    yield table(("",), rows)
    yield table(
        [known[token] for token in encoded(word, merges)], [row("number", [float(t) for t in encoded(word, merges)])]
    )


def encoded(text: str, merges: list[Merge]) -> list[int]:
    """The tokens of a text by these merges alone."""
    from everysum.tokenizers.byte_pair import encode_piece
    from everysum.tokenizers.patterns import split_pattern

    ranks = {merge.pair: merge.token_id for merge in merges}
    return [token for piece in split_pattern("gpt2").pieces(text) for token in encode_piece(piece, ranks)]


def word_ids(word: str) -> list[int]:
    return encoded(word, [])


def names(merges: list[Merge]) -> dict[int, str]:
    """How each token is shown."""
    from everysum.tokenizers.byte_characters import BYTES

    return {number: shown(token) for number, token in enumerate([*BYTES, *(merge.piece for merge in merges)])}


def shown(token: bytes) -> str:
    return token.decode("utf-8", errors="replace").replace(" ", "␣")


def written(tokens: list[int], known: dict[int, str]) -> str:
    return "  ".join(known[token] for token in tokens)


def by_library(text: str, merges: list[Merge]) -> list[float]:
    from everysum.tokenizers.byte_pair import BytePairTokenizer

    # runs through the library that Hugging Face's models use
    tokens = BytePairTokenizer(merges).encode(text)
    return [float(token) for token in tokens]


CHAPTER = Chapter(
    "sub-words",
    "Pieces of words",
    "tokens between characters and words, learned merge by merge",
    "Subword Tokenizers",
    FIGURES,
    ("tokenizers/byte_pair.py", "tokenizers/characters.py", "tokenizers/words.py"),
    teach,
)
