"""Translating a file with beam search: everysum beside transformers' generate, the same network, float32, in one run.

    everysum train --pairs train.de train.en --valid val.de val.en --minutes 20 --out runs/de-en
    python benchmarks/translation_decoding.py runs/de-en test_2016_flickr.de [--runs 3] [--count 1000]

Both turn lines into lines: tokenizing, encoder, beam search with 5 beams, text again. transformers is given batches of
32 in the order of the file, as its users do, and once more sorted by length. Both may use all cores. They take turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

import everysum
from everysum.generation.beam_search import Search
from everysum.model import Model

BATCH, BEAMS = 32, 5


def ours(model: Model, sentences: Sequence[str]) -> list[str]:
    found = model.translate_batch(sentences, search=Search(BEAMS))
    return [texts[0].text for texts in found]


@torch.inference_mode()
def theirs(model: Any, tokenizer: Any, sentences: Sequence[str], longest: int, *, by_length: bool) -> list[str]:
    order = range(len(sentences))
    if by_length:
        lengths = [len(ids) for ids in tokenizer(list(sentences))["input_ids"]]
        order = sorted(order, key=lambda place: -lengths[place])
    texts = [""] * len(sentences)
    for start in range(0, len(sentences), BATCH):
        places = order[start : start + BATCH]
        inputs = tokenizer([sentences[place] for place in places], padding=True, return_tensors="pt")
        found = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            num_beams=BEAMS,
            do_sample=False,
            max_new_tokens=longest,
        )
        for place, text in zip(places, tokenizer.batch_decode(found, skip_special_tokens=True), strict=True):
            texts[place] = text.strip()
    return texts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("sentences", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    sentences = options.sentences.read_text(encoding="utf-8").splitlines()[: options.count]
    model = everysum.load(options.model, device="cpu", dtype="float32", weights="float32")
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    peer = AutoModelForSeq2SeqLM.from_pretrained(options.model, dtype=torch.float32).eval()
    longest = min(model.context_length, 100)
    ways: dict[str, Callable[[Sequence[str]], list[str]]] = {
        "everysum": lambda some: ours(model, some),
        "transformers, order of the file": lambda some: theirs(peer, tokenizer, some, longest, by_length=False),
        "transformers, sorted by length": lambda some: theirs(peer, tokenizer, some, longest, by_length=True),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    texts: dict[str, list[str]] = {}
    for way, translate in ways.items():
        translate(sentences[:BATCH])
        print(f"warm: {way}", flush=True)
    for _ in range(options.runs):
        for way, translate in ways.items():
            began = time.perf_counter()
            texts[way] = translate(sentences)
            seconds[way].append(time.perf_counter() - began)
    print(f"\n{len(sentences)} sentences, {BEAMS} beams, {torch.get_num_threads()} cores, {options.runs} runs in turn")
    print(
        "\n| | median, seconds | sentences a second | everysum is faster by | the same texts |\n|---|---|---|---|---|"
    )
    fastest = statistics.median(seconds["everysum"])
    for way, taken in seconds.items():
        median = statistics.median(taken)
        same = sum(one == other for one, other in zip(texts["everysum"], texts[way], strict=True))
        rate, ratio = len(sentences) / median, median / fastest
        print(f"| {way} | {median:.1f} | {rate:.1f} | {ratio:.2f} × | {same} of {len(sentences)} |", flush=True)


if __name__ == "__main__":
    main()
