"""tokenizer.json: opened by other programs with the same ids, and other programs' opened here."""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given, settings
from tokenizers import AddedToken, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as LibraryTokenizer

from everysum.errors import ModelFolderError
from everysum.tokenizers import Tokenizer, load_tokenizer, train_tokenizer

TRAINING = "Humpty Dumpty sat on a wall,\nHumpty Dumpty had a great fall. Größe 日本語 🥚 2024 " * 3
TEXT = " Humpty's wall:\n\n\tgrößer  als 日本? 1234567 🥚🥚  \n"
ASSIGNED = st.characters(exclude_categories=("Cs", "Cn"))


@pytest.fixture(
    scope="module",
    params=[(kind, pattern) for kind in ("characters", "words", "byte_pair") for pattern in ("gpt2", "llama3")],
    ids="-".join,
)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    kind, pattern = request.param
    return train_tokenizer(kind, [TRAINING], 320, pattern)


@pytest.fixture(scope="module")
def folder(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("model")
    tokenizer.save(folder)
    return folder


@pytest.fixture(scope="module")
def library(folder: Path) -> LibraryTokenizer:
    return LibraryTokenizer.from_file(str(folder / "tokenizer.json"))


# --- ours, opened elsewhere -------------------------------------------------------------------------------------------


@given(text=st.text(ASSIGNED) | st.text(st.sampled_from("Humpty Größe日本 \n'1")) | st.just(TEXT))
@settings(deadline=None, max_examples=100)
def test_the_tokenizers_library_gives_the_same_ids_and_text(
    text: str, tokenizer: Tokenizer, library: LibraryTokenizer
) -> None:
    assume("<|endoftext|>" not in text)  # which the library takes for the end of text, and we never do
    ids = tokenizer.encode(text)
    assert library.encode(text).ids == ids
    assert library.decode(ids) == text


@given(token_ids=st.lists(st.integers(0, 319)))
@settings(deadline=None, max_examples=100)
def test_the_tokenizers_library_decodes_any_tokens_alike(
    token_ids: list[int], tokenizer: Tokenizer, library: LibraryTokenizer
) -> None:
    token_ids = [token_id for token_id in token_ids if token_id < tokenizer.vocabulary_size]
    assert library.decode(token_ids) == tokenizer.decode(token_ids)


def test_other_programs_find_the_end_of_text(tokenizer: Tokenizer, library: LibraryTokenizer) -> None:
    assert library.get_vocab_size() == tokenizer.vocabulary_size
    assert library.token_to_id("<|endoftext|>") == tokenizer.end_of_text


@pytest.mark.parametrize("model_type", [None, "gpt2", "llama", "qwen3", "opt", "marian"])
def test_transformers_opens_it_whatever_the_model(folder: Path, tokenizer: Tokenizer, model_type: str | None) -> None:
    from transformers import AutoTokenizer

    (folder / "config.json").unlink(missing_ok=True)
    if model_type:
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    opened = AutoTokenizer.from_pretrained(folder)
    assert opened(TEXT)["input_ids"] == tokenizer.encode(TEXT)
    assert opened.decode(tokenizer.encode(TEXT)) == TEXT
    assert (opened.eos_token, opened.eos_token_id) == ("<|endoftext|>", tokenizer.end_of_text)
    assert len(opened) == tokenizer.vocabulary_size


# --- others', opened here ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gpt2(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GPT-2's published vocabulary and merges, saved as tokenizer.json by the tokenizers library."""
    published = test_data / "tokenizers" / "gpt2"
    vocabulary = json.loads((published / "encoder.json").read_text(encoding="utf-8"))
    lines = (published / "vocab.bpe").read_text(encoding="utf-8").splitlines()[1:]
    merges = [(left, right) for left, right in (line.split(" ") for line in lines)]
    library = LibraryTokenizer(models.BPE(vocab=vocabulary, merges=merges))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    library.add_special_tokens([AddedToken("<|endoftext|>", special=True)])
    path: Path = tmp_path_factory.mktemp("gpt2") / "tokenizer.json"
    library.save(str(path))
    return path


def test_gpt2s_published_tokenizer_gives_its_published_ids(gpt2: Path, test_data: Path) -> None:
    tokenizer = load_tokenizer(gpt2)
    assert (tokenizer.kind, tokenizer.vocabulary_size, tokenizer.end_of_text) == ("byte_pair", 50257, 50256)
    vectors = test_data / "vectors" / "tokenizers"
    facts = json.loads((vectors / "tiktoken_minbpe_llama2c_facts.json").read_text(encoding="utf-8"))
    with (vectors / "jtokkit_r50k_base_encodings.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["input"], ast.literal_eval(row["output"])) for row in csv.DictReader(file)]
    published = [*facts["tiktoken"]["gpt2"], *rows]
    assert len(published) > 100
    for text, ids in published:
        assert tokenizer.encode(text) == ids
        assert tokenizer.decode(ids) == text


def test_gpt2s_tokenizer_saved_by_us_is_the_same(gpt2: Path, tmp_path: Path, many_scripts: str) -> None:
    tokenizer = load_tokenizer(gpt2)
    tokenizer.save(tmp_path)
    original, copy = (LibraryTokenizer.from_file(str(path)) for path in (gpt2, tmp_path / "tokenizer.json"))
    assert original.encode(many_scripts).ids == copy.encode(many_scripts).ids == tokenizer.encode(many_scripts)


# --- broken files -----------------------------------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)
    with pytest.raises(ModelFolderError, match="nowhere"):
        load_tokenizer(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"{}", b'{"model": 7}', b"[" * 100_000])
def test_what_is_no_tokenizer_is_refused_naming_the_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ModelFolderError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)


def swap_two_ids(document: dict[str, Any]) -> None:
    vocabulary = document["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "bytes in another order": swap_two_ids,
    "a byte missing": lambda document: document["model"]["vocab"].pop("a"),
    "an id twice": lambda document: document["model"]["vocab"].update({"a": 5}),
    "an id that is no number": lambda document: document["model"]["vocab"].update({"a": "5"}),
    "a token of characters that mean no byte": lambda document: document["model"]["vocab"].update({"日": 9}),
    "a merge missing": lambda document: document["model"]["merges"].pop(),
    "merges in another order": lambda document: document["model"]["merges"].reverse(),
    "a merge of three": lambda document: document["model"]["merges"].append("a b c"),
    "a merge twice": lambda document: document["model"]["merges"].append(document["model"]["merges"][0]),
    "a merge that is a number": lambda document: document["model"]["merges"].append(3),
    "a merge of what comes later": lambda document: document["model"]["merges"].insert(0, "zz zz"),
    "no merges": lambda document: document["model"].pop("merges"),
    "no vocabulary": lambda document: document["model"].pop("vocab"),
    "vocabulary a list": lambda document: document["model"].update(vocab=[]),
    "another model": lambda document: document["model"].update(type="Unigram"),
    "dropout": lambda document: document["model"].update(dropout=0.1),
    "a word ending": lambda document: document["model"].update(end_of_word_suffix="</w>"),
    "another pattern": lambda document: document.update(pre_tokenizer={"type": "Whitespace"}),
    "no pattern": lambda document: document.update(pre_tokenizer=None),
    "space before the text": lambda document: document["pre_tokenizer"].update(add_prefix_space=True),
    "another end of text": lambda document: document["added_tokens"][0].update(content="</s>"),
    "end of text in the middle": lambda document: document["added_tokens"][0].update(id=17),
    "more special tokens": lambda document: document["added_tokens"].append({"content": "<pad>", "id": 5}),
    "added tokens a number": lambda document: document.update(added_tokens=3),
    "lowercasing": lambda document: document.update(normalizer={"type": "Lowercase"}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_changed_tokenizer_is_read_as_its_library_reads_it_or_refused_naming_the_file(
    damage: str, tmp_path: Path
) -> None:
    train_tokenizer("byte_pair", [TRAINING], 270).save(tmp_path)
    path = tmp_path / "tokenizer.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    DAMAGES[damage](document)
    path.write_text(json.dumps(document), encoding="utf-8")
    try:
        library = LibraryTokenizer.from_file(str(path))
        expected = library.encode(TEXT, add_special_tokens=False).ids
    except BaseException:
        with pytest.raises(ModelFolderError, match=r"tokenizer\.json is not a tokenizer that can be read\n"):
            load_tokenizer(tmp_path)
        return
    opened = load_tokenizer(tmp_path)
    assert type(opened).__name__ == "LibraryTokenizer"
    assert damage == "dropout" or opened.encode(TEXT) == expected
    assert opened.decode(opened.encode(TEXT)) == library.decode(opened.encode(TEXT))


def test_a_word_that_is_no_text_is_refused(tmp_path: Path) -> None:
    train_tokenizer("words", ["ab ab"], 300).save(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"Ġab"', '"ÿÿ"'), encoding="utf-8")
    with pytest.raises(ModelFolderError, match="tokens that cannot be"):
        load_tokenizer(tmp_path)
