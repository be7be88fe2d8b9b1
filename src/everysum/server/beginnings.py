"""What the inspector begins with: words that the chosen model knows, rather than any model's."""

from __future__ import annotations

import json
import os
from pathlib import Path

from everysum.tokenizers.settings import read_settings
from everysum.tokenizers.tokenizer import Tokenizer
from everysum.training.log import LOG
from everysum.training.pair_task import BECOMES

TOKENS = 12
"""Of a text: few enough to see all of them at once, and for the shortest contexts."""
LONGEST_SENTENCE = 80
RHYME = "Humpty Dumpty sat on a"
SENTENCES = {
    "de": "Das Haus ist alt.",
    "en": "The house is old.",
    "es": "La casa es vieja.",
    "fr": "La maison est vieille.",
    "it": "La casa è vecchia.",
    "nl": "Het huis is oud.",
}
LONG_CODES = {"deu": "de", "eng": "en", "spa": "es", "fra": "fr", "ita": "it", "nld": "nl"}
LAST_BYTES = 1 << 18
"""Of a run's log: its samples are made every now and then, and its lines are short."""


def text_to_begin_with(folder: Path, tokenizer: Tokenizer) -> str:
    """The beginning of what a model wrote when it was trained; of one whose run is not at hand, that of a rhyme."""
    written = (line.strip() for sample in samples(folder) for line in sample.splitlines())
    text = next(filter(None, written), RHYME)
    return tokenizer.decode(tokenizer.encode(text)[:TOKENS]).rstrip("\ufffd")


def sentence_to_begin_with(folder: Path) -> tuple[str, str]:
    """A sentence to translate, and the first word of its translation.

    The newest that was translated when the model was trained; of one whose run is not at hand, one in the language that
    its files name, German where they name none that is known here.
    """
    for sample in samples(folder):
        sentence, _, translation = sample.partition(BECOMES)
        if translation.strip() and 0 < len(sentence.strip()) <= LONGEST_SENTENCE:
            return sentence.strip(), translation.split()[0]
    source, target = (language_of(folder, f"{side}_lang") for side in ("source", "target"))
    return SENTENCES.get(source, SENTENCES["de"]), SENTENCES.get(target, "").partition(" ")[0]


def language_of(folder: Path, setting: str) -> str:
    """A language that the folder's files name, in two letters."""
    code = str(read_settings(folder).config.get(setting, ""))
    return LONG_CODES.get(code, code)


def samples(folder: Path) -> list[str]:
    """What the model wrote every now and then while it was trained, the newest first; nothing without a log."""
    if not (folder / LOG).is_file():
        return []
    with (folder / LOG).open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_BYTES))
        lines = file.read(LAST_BYTES).decode("utf-8", errors="replace").splitlines()
    found = []
    for line in reversed(lines):
        try:
            sample = json.loads(line)["sample"]
        except (ValueError, KeyError, TypeError):  # a measurement, or a line that was cut
            continue
        if isinstance(sample, str):
            found.append(sample)
    return found
