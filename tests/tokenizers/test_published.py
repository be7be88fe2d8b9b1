"""Published tokenizers: ids and texts are those of their own libraries, and no text becomes a special token."""

from __future__ import annotations

import ast
import csv
import json
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from published_tokenizers import LIBRARY_FILES, OTHER_FILES, Reference

from everysum.errors import InputError
from everysum.tokenizers import StreamDecoder, Tokenizer, load_tokenizer
from everysum.tokenizers.merging import Merging
from everysum.tokenizers.tokenizer import special_parts

MAKERS = {**LIBRARY_FILES, **OTHER_FILES}
ODD_TEXTS = [
    *(
        "",
        " ",
        "  ",
        "a",
        " a",
        "a ",
        "  a  b ",
        "a\n\n  ",
        "\n  \n x",
        "\t\ttabs\r\n\r\n",
        "it's IT'S we'Ll",
        "\u0000\u0001",
    ),
    *(
        "e\u0301 ﬁ ½ ＡＢＣ",
        "a" * 3000,
        " " * 3000,
        "1234567890" * 30,
        "!\n/x //\n\n/",
        "日本語 🥚🥚 \u200b\u202e\ufeff",
        "ÀÉ straße İ",
    ),
]


@pytest.fixture(scope="module", params=MAKERS)
def made(
    request: pytest.FixtureRequest, test_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Reference]:
    folder = tmp_path_factory.mktemp(request.param)
    return folder, MAKERS[request.param](folder, test_data)


@pytest.fixture(scope="module")
def tokenizer(made: tuple[Path, Reference]) -> Tokenizer:
    return load_tokenizer(made[0])


@pytest.fixture(scope="module")
def reference(made: tuple[Path, Reference]) -> Reference:
    return made[1]


# --- ids and texts are the library's ----------------------------------------------------------------------------------


def plain(tokenizer: Tokenizer, text: str) -> bool:
    """Whether no special token's text stands in this text, which libraries differ about."""
    return not any(special in text for special in tokenizer.special_tokens)


def test_ids_and_texts_of_real_texts_are_the_librarys(
    tokenizer: Tokenizer, reference: Reference, naughty_strings: list[str], many_scripts: str
) -> None:
    for text in [*naughty_strings, many_scripts, *ODD_TEXTS]:
        ids = tokenizer.encode(text)
        assert ids == reference.encode(text), text
        assert tokenizer.decode(ids) == reference.decode(ids), text


@given(text=st.text() | st.text(st.sampled_from("Humpty Größe日本 \n'1</s>|<unk>think▁Ġ")))
@settings(max_examples=150, deadline=None)
def test_ids_and_texts_of_any_text_are_the_librarys(text: str, tokenizer: Tokenizer, reference: Reference) -> None:
    ids = tokenizer.encode(text)
    if plain(tokenizer, text):
        assert ids == reference.encode(text)
    assert tokenizer.decode(ids) == reference.decode(ids)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_ids_decode_as_the_library_decodes_them(
    data: st.DataObject, tokenizer: Tokenizer, reference: Reference
) -> None:
    some = st.integers(0, min(tokenizer.vocabulary_size, 600) - 1)
    ids = [one for one in data.draw(st.lists(some)) if one not in tokenizer.special_tokens.values()]
    assert tokenizer.decode(ids) == reference.decode(ids)


def test_streamed_text_is_the_decoded_text(
    made: tuple[Path, Reference], tokenizer: Tokenizer, naughty_strings: list[str], many_scripts: str
) -> None:
    marks_word_ends = made[0].name.startswith("word_endings")
    for text in [*naughty_strings, many_scripts, *ODD_TEXTS]:
        ids = tokenizer.encode(text)
        decoder = StreamDecoder(tokenizer)
        parts = [decoder.push(token_id) for token_id in ids] + [decoder.finish()]
        streamed = "".join(parts)
        # where a mark at a word's end stands for the space, a stream cannot know that no word follows
        assert (streamed.removesuffix(" ") if marks_word_ends else streamed) == tokenizer.decode(ids), text
        if "\ufffd" not in text:
            assert all("\ufffd" not in part for part in parts)


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_stream_of_any_tokens_loses_nothing_but_broken_bytes(data: st.DataObject, tokenizer: Tokenizer) -> None:
    ids = data.draw(st.lists(st.integers(0, min(tokenizer.vocabulary_size, 600) - 1)))
    decoder = StreamDecoder(tokenizer, alone=False)
    streamed = "".join([decoder.push(token_id) for token_id in ids]) + decoder.finish()
    assert streamed == b"".join(map(tokenizer.token_bytes, ids)).decode("utf-8", errors="replace")


# --- special tokens ---------------------------------------------------------------------------------------------------


def test_no_text_becomes_a_special_token(tokenizer: Tokenizer) -> None:
    unknown = tokenizer.special_tokens.get("<unk>", tokenizer.special_tokens.get("[UNK]"))
    special = {*tokenizer.special_tokens.values()} - {unknown}
    for text in [*tokenizer.special_tokens][:40]:
        for around in (text, f"a{text}b", f" {text} ", text * 2, text[:1] + text, f"{text}\n{text}"):
            ids = tokenizer.encode(around)
            assert special.isdisjoint(ids), around
            if unknown not in ids and tokenizer.kind != "word_piece" and "⁇" not in tokenizer.decode(ids):
                assert tokenizer.decode(ids).strip().casefold() == around.strip().casefold()


def test_a_text_names_special_tokens_where_it_is_trusted(tokenizer: Tokenizer, reference: Reference) -> None:
    for special in sorted(reference.special or tokenizer.special_tokens)[:20]:
        for text in (f"a {special} b", f"{special}x", f"x  {special}", special * 2, f" {special} \n"):
            ids = tokenizer.encode_parts(special_parts(text, tokenizer.special_tokens))
            assert ids.count(tokenizer.special_tokens[special]) >= text.count(special)
            if reference.encode_trusted is not None:
                assert ids == reference.encode_trusted(text), text


def test_a_part_that_is_no_special_token_is_refused(tokenizer: Tokenizer) -> None:
    ordinary = next(one for one in range(1000) if one not in tokenizer.special_tokens.values())
    with pytest.raises(InputError, match=f"there is no special token {ordinary}"):
        tokenizer.encode_parts(["a", ordinary])


def test_the_longest_special_token_at_the_leftmost_place_is_found() -> None:
    special = {"<a>": 1, "<a><b>": 2, "<b>": 3, "(.*)": 4}
    assert [*special_parts("x<a><b><b>(.*)y", special)] == ["x", 2, 3, 4, "y"]
    assert [*special_parts("no", special)] == ["no"]
    assert [*special_parts("", special)] == []
    assert [*special_parts("<a>", {})] == ["<a>"]


# --- facts ------------------------------------------------------------------------------------------------------------


def test_the_protocols_facts_hold(tokenizer: Tokenizer) -> None:
    assert tokenizer.kind in ("byte_pair", "unigram", "word_piece", "words")
    assert {*tokenizer.before} <= {*tokenizer.special_tokens.values()}
    assert max(tokenizer.special_tokens.values()) < tokenizer.vocabulary_size
    for token_id in tokenizer.special_tokens.values():
        assert tokenizer.token_bytes(token_id) == b""
    for text in ("half\udc00", "\ud83d"):
        with pytest.raises(InputError, match="half a character"):
            tokenizer.encode(text)
    for strange in (-1, tokenizer.vocabulary_size):
        with pytest.raises(InputError, match=f"there is no token {strange}"):
            tokenizer.decode([strange])
        with pytest.raises(InputError, match=f"there is no token {strange}"):
            tokenizer.token_bytes(strange)


def test_a_saved_tokenizer_is_the_same_files(
    made: tuple[Path, Reference], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    tokenizer.save(tmp_path / "copy")
    for path in (tmp_path / "copy").iterdir():
        assert path.read_bytes() == (made[0] / path.name).read_bytes()
    again = load_tokenizer(tmp_path / "copy")
    assert again.encode("Humpty Dumpty 12") == tokenizer.encode("Humpty Dumpty 12")
    assert (again.special_tokens, again.before) == (tokenizer.special_tokens, tokenizer.before)


def test_the_merges_behind_a_token_make_it(tokenizer: Tokenizer) -> None:
    if tokenizer.kind != "byte_pair":
        pytest.skip("it has no merges")
    assert isinstance(tokenizer, Merging)
    merged = 0
    for token_id in {*tokenizer.encode("Humpty Dumpty had a great fall, größer als 日本語.")}:
        history = tokenizer.history(token_id)
        if not history:
            continue
        merged += 1
        assert [number for number, _ in history] == sorted(number for number, _ in history)
        assert history[-1][1].token_id == token_id
        for _, merge in history:
            assert (
                b"".join(map(tokenizer.token_bytes, merge.pair)) == tokenizer.token_bytes(merge.token_id) == merge.piece
            )
    assert merged > 3
    for special in tokenizer.special_tokens.values():
        assert tokenizer.history(special) == []


def test_published_ids_of_gpt2_cl100k_and_llama_come_out(test_data: Path) -> None:
    vectors = test_data / "vectors"
    facts = json.loads((vectors / "tokenizers" / "tiktoken_minbpe_llama2c_facts.json").read_text(encoding="utf-8"))
    with (vectors / "tokenizers" / "jtokkit_r50k_base_encodings.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["input"], ast.literal_eval(row["output"])) for row in csv.DictReader(file)]
    folder = test_data / "tokenizers" / "tiktoken"
    r50k, cl100k = (load_tokenizer(folder / f"{name}.tiktoken") for name in ("r50k_base", "cl100k_base"))
    for text, ids in [*facts["tiktoken"]["r50k_base"], *facts["tiktoken"]["gpt2"], *rows]:
        assert (r50k.encode(text), r50k.decode(ids)) == (ids, text)
    for text, ids in facts["tiktoken"]["cl100k_base"]:
        assert (cl100k.encode(text), cl100k.decode(ids)) == (ids, text)
    for name, there in (("gpt2", r50k), ("cl100k", cl100k)):
        for text, ids in facts["tiktoken"][f"{name}_allow_special"]:
            assert there.encode_parts(special_parts(text, there.special_tokens)) == ids
    for text, ids in facts["tiktoken"]["cl100k_bytes_hex"]:
        assert b"".join(map(cl100k.token_bytes, ids)) == bytes.fromhex(text)
    llama2 = load_tokenizer(test_data / "tokenizers" / "llama2" / "tokenizer.model")
    for text, ids in facts["llama2_tokenizer_bos"]:
        assert [*llama2.before, *llama2.encode(text)] == ids
    chat = json.loads((vectors / "chat_templates" / "llama3_chat_format_facts.json").read_text(encoding="utf-8"))
    llama3 = load_tokenizer(test_data / "tokenizers" / "llama3")
    assert {
        f"<|{name}|>": token_id for name, token_id in chat["special"].items()
    }.items() <= llama3.special_tokens.items()
    for text, ids in chat["encode_bos_eos"]:
        assert [*llama3.before, *llama3.encode(text), llama3.end_of_text] == ids
