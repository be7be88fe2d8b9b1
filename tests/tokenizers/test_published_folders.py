"""Folders as they are published: which file counts, what the small files beside it say, and what is broken."""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from opus_mt import opus_mt_folder
from published_tokenizers import LIBRARY_FILES, OTHER_FILES, unigram

from everysum.errors import MachineError, ModelFolderError
from everysum.tokenizers import load_tokenizer, train_tokenizer
from everysum.tokenizers.marian import MarianTokenizer
from everysum.tokenizers.tokenizer import special_parts
from everysum.tokenizers.vocabulary_files import read_merges

TEXTS = ["lower newest wider", " lowest  er\n", "Hello WORLD", "", " ", "it's naïve 日本 🥚", "é e\u0301"]


def write(folder: Path, name: str, value: object) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(value), encoding="utf-8")


# --- vocabulary and merges apart --------------------------------------------------------------------------------------


def test_gpt2s_two_files_are_read_as_transformers_reads_them(test_data: Path, naughty_strings: list[str]) -> None:
    from transformers import AutoTokenizer

    folder = test_data / "checkpoints" / "hf_tiny_gpt2"
    ours, theirs = load_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    assert (ours.vocabulary_size, ours.end_of_text, ours.before) == (21, 20, ())
    assert ours.special_tokens == {"<unk>": 19, "<|endoftext|>": 20}
    for text in [*TEXTS, *naughty_strings]:
        ids = theirs(text, split_special_tokens=True)["input_ids"]
        assert ours.encode(text) == ids
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
    trusted = "low<|endoftext|> newer<unk>er"
    assert ours.encode_parts(special_parts(trusted, ours.special_tokens)) == theirs(trusted)["input_ids"]


@pytest.mark.parametrize("names", [("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt")])
def test_gpt2s_published_files_are_byte_pairs_whose_merges_are_known(
    names: tuple[str, str], test_data: Path, tmp_path: Path, many_scripts: str
) -> None:
    for name, original in zip(names, ("encoder.json", "vocab.bpe"), strict=True):
        shutil.copy(test_data / "tokenizers" / "gpt2" / original, tmp_path / name)
    tokenizer = load_tokenizer(tmp_path)
    ranks = load_tokenizer(test_data / "tokenizers" / "tiktoken" / "r50k_base.tiktoken")
    assert type(tokenizer).__name__ == "BytePairTokenizer"
    assert load_tokenizer(tmp_path / names[1]).vocabulary_size == tokenizer.vocabulary_size == 50257
    assert tokenizer.encode(many_scripts) == ranks.encode(many_scripts)
    assert tokenizer.history(262) == ranks.history(262)


def test_qwens_two_files_are_read_as_transformers_reads_them(test_data: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    document = json.loads((test_data / "tokenizers/hf_json/tiny_bpe_tokenizer.json").read_text(encoding="utf-8"))
    write(tmp_path, "vocab.json", document["model"]["vocab"])
    pairs = (merge if isinstance(merge, str) else " ".join(merge) for merge in document["model"]["merges"])
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(pairs) + "\n", encoding="utf-8")
    listed = {str(token["id"]): {"content": token["content"], "special": True} for token in document["added_tokens"]}
    config = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    write(tmp_path, "tokenizer_config.json", config | {"added_tokens_decoder": listed, "unk_token": None})
    ours, theirs = load_tokenizer(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert ours.end_of_text == theirs.eos_token_id
    for text in TEXTS:
        assert ours.encode(text) == theirs(text)["input_ids"]
    assert ours.special_tokens == {token["content"]: token["id"] for token in document["added_tokens"]}


@pytest.mark.parametrize("content", ["a b c\n", "a\n", "#version\nĠ t\nlonely\n", "a  b\n", b"\xff\xfe"])
def test_broken_merges_are_refused_with_the_line(content: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "merges.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ModelFolderError, match=r"merges\.txt (is not a list of merges|cannot be read)"):
        read_merges(path)


# --- what the small files say -----------------------------------------------------------------------------------------


@pytest.fixture
def folder(test_data: Path, tmp_path: Path) -> Path:
    unigram(tmp_path, test_data)
    return tmp_path


def test_the_end_of_text_and_the_beginning_are_those_of_the_config(folder: Path) -> None:
    assert load_tokenizer(folder).end_of_text == load_tokenizer(folder).special_tokens["</s>"]
    write(
        folder,
        "tokenizer_config.json",
        {"eos_token": "<|im_end|>", "bos_token": {"content": "<s>"}, "add_bos_token": True},
    )
    tokenizer = load_tokenizer(folder)
    assert tokenizer.end_of_text == tokenizer.special_tokens["<|im_end|>"]
    assert tokenizer.before == (tokenizer.special_tokens["<s>"],)
    assert tokenizer.ends == {tokenizer.end_of_text}
    write(folder, "config.json", {"eos_token_id": 2})
    assert load_tokenizer(folder).ends == {2}
    write(folder, "generation_config.json", {"eos_token_id": [2, 3]})
    assert load_tokenizer(folder).ends == {2, 3}


def test_tokens_that_only_the_config_names_come_behind_the_others(folder: Path) -> None:
    from transformers import AutoTokenizer

    before = load_tokenizer(folder).vocabulary_size
    write(folder, "tokenizer_config.json", {"pad_token": "[PAD]", "additional_special_tokens": ["<a>", "<b>"]})
    tokenizer, theirs = load_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    assert tokenizer.vocabulary_size == before + 3
    for token in ("[PAD]", "<a>", "<b>"):
        assert tokenizer.special_tokens[token] == theirs.convert_tokens_to_ids(token)


def test_a_tokenizer_without_an_end_says_so_when_it_is_asked_for(test_data: Path, tmp_path: Path) -> None:
    LIBRARY_FILES["word_piece"](tmp_path, test_data)
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.ends == frozenset()
    with pytest.raises(
        ModelFolderError, match=r"does not say which token ends a text\n  do: name it in a tokenizer_config"
    ):
        _ = tokenizer.end_of_text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tokenizer_config.json", []),
        ("tokenizer_config.json", {"eos_token": 7}),
        ("tokenizer_config.json", {"eos_token": {"content": ["x"]}}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"x": {"content": "<s>"}}}),
        ("tokenizer_config.json", {"added_tokens_decoder": [1]}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"-1": {"content": "<s>"}}}),
        ("tokenizer_config.json", {"additional_special_tokens": 3}),
        ("special_tokens_map.json", "x"),
        ("special_tokens_map.json", {"bos_token": [1]}),
        ("added_tokens.json", {"<x>": "y"}),
        ("generation_config.json", {"eos_token_id": "x"}),
        ("config.json", {"eos_token_id": [None]}),
    ],
)
def test_broken_small_files_are_refused(name: str, value: object, folder: Path) -> None:
    write(folder, name, value)
    with pytest.raises(ModelFolderError):
        load_tokenizer(folder)


def test_a_tokenizer_of_ours_with_a_chat_template_keeps_it(tmp_path: Path) -> None:
    mine = train_tokenizer("byte_pair", ["Humpty Dumpty sat on a wall"], 300)
    mine.save(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content }}", encoding="utf-8")
    opened = load_tokenizer(tmp_path)
    assert opened.encode("Humpty <|endoftext|>") == mine.encode("Humpty <|endoftext|>")
    assert (opened.end_of_text, opened.before) == (mine.end_of_text, ())
    opened.save(tmp_path / "copy")
    assert (tmp_path / "copy" / "chat_template.jinja").is_file()


# --- which file -------------------------------------------------------------------------------------------------------


def test_tokenizer_json_comes_first_and_two_models_are_one_too_many(test_data: Path, tmp_path: Path) -> None:
    models = test_data / "tokenizers"
    shutil.copy(models / "sentencepiece" / "test_model.model", tmp_path / "a.model")
    assert load_tokenizer(tmp_path).vocabulary_size == 1000
    shutil.copy(models / "tiktoken" / "r50k_base.tiktoken", tmp_path / "b.tiktoken")
    with pytest.raises(
        ModelFolderError, match=r"more than one tokenizer\n  came: a\.model, b\.tiktoken\n  do: name the"
    ):
        load_tokenizer(tmp_path)
    assert load_tokenizer(tmp_path / "b.tiktoken").vocabulary_size == 50257
    train_tokenizer("characters", ["é"]).save(tmp_path)
    assert load_tokenizer(tmp_path).kind == "characters"


# --- Marian -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def marian(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return opus_mt_folder(test_data / "parallel" / "multi30k", tmp_path_factory.mktemp("marian"))


@pytest.fixture(scope="module")
def theirs(marian: Path) -> Any:
    from transformers import MarianTokenizer as TheirTokenizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it recommends a library that it does not use for this
        return TheirTokenizer.from_pretrained(marian)


def test_marians_ids_are_those_of_transformers(
    marian: Path, theirs: Any, naughty_strings: list[str], many_scripts: str
) -> None:
    ours = load_tokenizer(marian)
    assert isinstance(ours, MarianTokenizer)
    assert (ours.end_of_text, ours.unknown, ours.padding) == (0, 1, theirs.pad_token_id)
    languages = [">>deu<< A man sleeps.", ">>xyz<< A man", ">>deu", ">>deu<<", "a >>deu<< b", ">><<x"]
    for text in [*TEXTS, *languages, *naughty_strings, many_scripts, "A dog runs on the beach."]:
        source, target = theirs(text)["input_ids"], theirs(text_target=text)["input_ids"]
        assert [*ours.encode(text), ours.end_of_text] == source, text
        assert [*ours.encode_target(text), ours.end_of_text] == target, text
        assert ours.decode(source) == theirs.decode(source, skip_special_tokens=True)
        assert ours.decode(target) == theirs.decode(target, skip_special_tokens=True)


@given(text=st.text())
@settings(max_examples=100, deadline=None)
def test_marians_ids_of_any_text_are_those_of_transformers(text: str, marian: Path, theirs: Any) -> None:
    ours = load_tokenizer(marian)
    if not any(special in text for special in ours.special_tokens):
        assert [*ours.encode(text), ours.end_of_text] == theirs(text)["input_ids"]
    assert {*ours.special_tokens.values()}.isdisjoint({*ours.encode(text)} - {ours.unknown})


def test_a_marian_folder_saved_again_is_the_same(marian: Path, tmp_path: Path) -> None:
    load_tokenizer(marian).save(tmp_path)
    for name in ("source.spm", "target.spm", "vocab.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (marian / name).read_bytes()


def test_a_marian_token_that_ends_translations_is_no_padding(marian: Path, tmp_path: Path) -> None:
    """Padding is never written by a translator; a translation that could not end would go on to the longest length."""
    shutil.copytree(marian, tmp_path / "folder")
    config = {"source_lang": "en", "target_lang": "de", "tokenizer_class": "MarianTokenizer", "pad_token": "</s>"}
    write(tmp_path / "folder", "tokenizer_config.json", config)
    assert load_tokenizer(tmp_path / "folder").padding is None


@pytest.mark.parametrize("vocabulary", [{}, {"</s>": "0"}, {"a": 0}, {"</s>": 0, "<unk>": -1}, []])
def test_a_broken_marian_vocabulary_is_refused(vocabulary: object, marian: Path, tmp_path: Path) -> None:
    shutil.copytree(marian, tmp_path / "broken")
    write(tmp_path / "broken", "vocab.json", vocabulary)
    with pytest.raises(ModelFolderError, match=r"vocab\.json"):
        load_tokenizer(tmp_path / "broken")


# --- broken files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*LIBRARY_FILES, "sentencepiece_unigram", "r50k_base"])
def test_damaged_files_are_read_or_refused_quickly_and_in_our_words(name: str, test_data: Path, tmp_path: Path) -> None:
    {**LIBRARY_FILES, **OTHER_FILES}[name](tmp_path, test_data)
    path = max(tmp_path.iterdir(), key=lambda path: path.stat().st_size)
    content = path.read_bytes()
    choose = random.Random(name)
    large = len(content) > 10**6
    for _ in range(4 if large else 40):
        damaged = bytearray(content)
        if choose.random() < 0.3:
            del damaged[choose.randrange(len(damaged)) :]
        for _ in range(choose.choice([1, 3, 30])):
            damaged[choose.randrange(min(len(damaged), 3000) if choose.random() < 0.5 else len(damaged))] = (
                choose.randrange(256)
            )
        path.write_bytes(damaged)
        began = time.monotonic()
        try:
            opened = load_tokenizer(tmp_path)
            opened.decode(opened.encode("Humpty Dumpty, größer 日本"))
        except ModelFolderError:
            pass
        assert time.monotonic() - began < 10


CUTS: dict[str, dict[str, Any]] = {
    "an empty unigram": {"model": {"type": "Unigram", "unk_id": 0, "vocab": []}},
    "a unigram without its unknown": {"model": {"type": "Unigram", "unk_id": 7, "vocab": [["a", 0.0]]}},
    "no model": {"model": None},
    "a model of a strange type": {"model": {"type": "Transformer", "vocab": {"a": 0}}},
    "no tokens": {"model": {"type": "BPE", "vocab": {}, "merges": []}},
    "a merge of tokens that are not there": {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["x y"]}},
    "a broken expression": {
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": False}
    },
    "a broken map of characters": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
    "a map of characters that points outside": {
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": "BAAAAAAAAAA="}
    },
    "a template of tokens that are not there": {
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}],
            "pair": [],
            "special_tokens": {},
        }
    },
    "a charsmap that is no base64": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "!"}},
    "a decoder of a strange type": {"decoder": {"type": "Fancy"}},
    "added tokens that are numbers": {"added_tokens": [1]},
    "a negative id": {"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}},
    "ids beyond all bounds": {"model": {"type": "BPE", "vocab": {"a": 2**40}, "merges": []}},
}


@pytest.mark.parametrize("name", CUTS)
def test_what_the_library_panics_on_is_refused_without_its_noise(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    document = {"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": []}
    write(tmp_path, "tokenizer.json", document | CUTS[name])
    with pytest.raises(ModelFolderError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path).encode("ab")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"YQ== 0\nYg== 2\n", "2 ranks without 1"),
        (b"YQ== 0\nYg== 1\n", "a byte that is no token"),
        (b"YQ== 0\nYg==\n", "line 2"),
        (b"YQ== 0\nY 1\n", "line 2"),
        (b"YQ== 0\nYQ== 99999999999\n", "line 2"),
    ],
)
def test_a_broken_rank_file_is_refused_with_the_place(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.tiktoken"
    path.write_bytes(content)
    with pytest.raises(ModelFolderError, match=rf"broken\.tiktoken is not a rank file[\s\S]*{said}"):
        load_tokenizer(path)


def test_ranks_of_an_unknown_number_are_refused_with_the_known_ones(test_data: Path, tmp_path: Path) -> None:
    lines = (test_data / "tokenizers/tiktoken/r50k_base.tiktoken").read_bytes().splitlines(keepends=True)
    (tmp_path / "other.tiktoken").write_bytes(b"".join(lines[:300]))
    with pytest.raises(
        ModelFolderError, match=r"not known\n  wanted: one of r50k_base .*Llama 3 .*\n  came: 300 ranks"
    ):
        load_tokenizer(tmp_path)


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.model").open("wb") as file:
        file.truncate(2**33)
    with pytest.raises(
        ModelFolderError, match=r"large\.model is too large for a tokenizer\n  wanted: at most 67\.1 MB"
    ):
        load_tokenizer(tmp_path)


def test_without_the_sentencepiece_library_the_refusal_says_how_to_get_it(
    test_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(MachineError, match=r"do: pip install 'everysum\[sentencepiece\]'"):
        load_tokenizer(test_data / "tokenizers" / "llama2" / "tokenizer.model")


# --- long texts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama2", "byte_level", "sentencepiece_unigram", "cl100k_base", "o200k_base"])
def test_the_time_stays_in_proportion_to_the_text(name: str, test_data: Path, tmp_path: Path) -> None:
    {**LIBRARY_FILES, **OTHER_FILES}[name](tmp_path, test_data)
    tokenizer = load_tokenizer(tmp_path)
    for piece in ("a", " ", "word ", "日本", "!\n/"):
        text = piece * (100_000 // len(piece))
        began = time.monotonic()
        ids = tokenizer.encode(text)
        assert time.monotonic() - began < 20
        assert b"".join(map(tokenizer.token_bytes, ids)).decode().strip() == text.strip() or 0 in ids
