"""The parts of benchmarks/decoding.py that need trained models: prompt look-up and translation."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from decoding_models import QUICK, make_folder
from decoding_tables import medians, print_speeds, print_table
from taking_turns import Entry, Round

LOOKED_UP = 8
"""Tokens that are guessed at a time."""
RHYME = "THE HOUSE THAT JACK BUILT"
"""Where the text begins in Mother Goose; each of its verses repeats the one before."""


def test_material(name: str) -> Path | None:
    """A file of the test material, where it is."""
    folder = os.environ.get("EVERYSUM_TEST_DATA")
    path = Path(folder or "", name)
    return path if folder and path.is_file() else None


def skip(part: str, why: str) -> list[dict[str, Any]]:
    print(f"{part}: SKIPPED, {why}", flush=True)
    return []


def lookup(options: argparse.Namespace, home: Path) -> list[dict[str, Any]]:
    """Greedy text behind a real one that repeats itself, with prompt look-up and without; the raw numbers."""
    file = options.text or test_material("text/gutenberg/real_mother_goose_10607.txt")
    folder = options.model or (make_folder("GPT-2", QUICK, home / "gpt-2") if options.quick else None)
    if folder is None:
        return skip("lookup", "no trained model was given (--model RUN)")
    if file is None:
        return skip("lookup", "no test material (EVERYSUM_TEST_DATA), and no --text")
    text = file.read_text(encoding="utf-8", errors="replace")
    text = text[max(0, text.find(RHYME)) :]
    entries = {
        f"everysum {form}, {name}": Entry(
            "decoding_ours", "Everysum", (folder, form, options.threads, options.device, ahead)
        )
        for form in options.forms
        for name, ahead in (("one by one", 0), ("with look-up", LOOKED_UP))
    }
    with Round(entries) as table:
        if not any(name.endswith("with look-up") for name in table.seats):
            return []
        ids, context = next(iter(table.seats.values())).ask("tokens_of", text[:20_000])
        prompt = ids[: context // 2]
        tokens = min(128, context // 2)
        runs = table.play(options.repeats, "decode", prompt, tokens)
    rates = medians(runs, "rate")
    rows = []
    for form in options.forms:
        plain, ahead = f"everysum {form}, one by one", f"everysum {form}, with look-up"
        if ahead not in runs:
            continue
        if any(one["token_ids"] != other["token_ids"] for one, other in zip(runs[plain], runs[ahead], strict=True)):
            sys.exit(f"prompt look-up changed the text: {form}")
        rows.append((form, f"{rates[plain]:,.1f}", f"{rates[ahead]:,.1f}", f"{rates[ahead] / rates[plain]:.2f}", "yes"))
    columns = ("tokens/s one by one", "tokens/s with look-up", "ratio", "the same text")
    print_table((f"lookup, {len(prompt)} tokens and {tokens} more", *columns), rows)
    return [{"part": "lookup", "contestant": name, "runs": answers} for name, answers in runs.items()]


def translation(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Sentences with five beams, ours and transformers' in turn; the raw numbers."""
    file = options.sentences or test_material("parallel/multi30k/test_2016_flickr.de")
    if options.translator is None:
        return skip("translation", "no translator was given (--translator RUN)")
    if file is None:
        return skip("translation", "no test material (EVERYSUM_TEST_DATA), and no --sentences")
    sentences = file.read_text(encoding="utf-8").splitlines()[: options.count]
    entries: dict[str, Entry] = {}
    for form in options.forms:
        given = (options.translator, form, options.threads, options.device)
        entries[f"everysum {form}"] = Entry("decoding_translators", "OurTranslator", given)
        if form in ("float32", "bf16"):
            given = (options.translator, {"float32": "float32", "bf16": "bfloat16"}[form], options.threads)
            entries[f"transformers {form}"] = Entry("decoding_translators", "TheirTranslator", given)
    with Round(entries) as table:
        runs = table.play(options.repeats, "translate", sentences)
    print_speeds(
        "translation", f"{len(sentences)} sentences, 5 beams", medians(runs, "seconds"), len(sentences), "sentences/s"
    )
    first = {name: answers[0]["texts"] for name, answers in runs.items()}
    print()
    for name, texts in first.items() if "transformers float32" in first else ():
        same = sum(one == other for one, other in zip(texts, first["transformers float32"], strict=True))
        print(f"{name}: {same} of {len(sentences)} texts as transformers has them in float32")
    return [{"part": "translation", "contestant": name, "runs": answers} for name, answers in runs.items()]
