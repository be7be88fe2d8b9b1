"""Published tokenizers in every form that they come in, as folders: from the test material, or made on the spot."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as LibraryTokenizer

TRAINING = [
    "Humpty Dumpty sat on a wall, Humpty Dumpty had a great fall.",
    "Größe 日本語 12 345 it's ABC",
    "a b c!? éé",
]
SPECIAL = ["<unk>", "<s>", "</s>", "<|im_end|>"]


@dataclass(frozen=True)
class Reference:
    """What the tokenizer's own library gives."""

    encode: Callable[[str], list[int]]
    decode: Callable[[list[int]], str]
    encode_trusted: Callable[[str], list[int]] | None = None
    """With the texts of special tokens read as such,"""
    special: frozenset[str] | None = None
    """or of these, where it knows only some."""


def of_library(path: Path) -> Reference:
    library = LibraryTokenizer.from_file(str(path))
    plain = LibraryTokenizer.from_file(str(path))
    plain.encode_special_tokens = True
    return Reference(
        lambda text: plain.encode(text, add_special_tokens=False).ids,
        lambda ids: library.decode(ids, skip_special_tokens=True),
        lambda text: library.encode(text, add_special_tokens=False).ids,
    )


def byte_level(folder: Path, test_data: Path) -> Reference:
    """GPT-2's kind with a prefix space, special tokens that take spaces with them, and ordinary added tokens."""
    library = LibraryTokenizer(models.BPE(unk_token=None))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    library.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    library.train_from_iterator(
        TRAINING, trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False)
    )
    library.add_special_tokens([AddedToken("<|end|>", lstrip=True, rstrip=True), AddedToken("<s>"), AddedToken("</s>")])
    library.add_tokens([AddedToken("<think>", normalized=False), AddedToken("Humpty Dumpty", single_word=True)])
    library.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", library.token_to_id("<s>"))]
    )
    return saved(library, folder)


def qwen(folder: Path, test_data: Path) -> Reference:
    shutil.copy(test_data / "tokenizers" / "hf_json" / "tiny_bpe_tokenizer.json", folder / "tokenizer.json")
    return of_library(folder / "tokenizer.json")


def llama2(folder: Path, test_data: Path) -> Reference:
    """Llama 2's sentencepiece model as a tokenizer.json: byte fallback, and the whole text one word."""
    from sentencepiece import SentencePieceProcessor

    pieces = SentencePieceProcessor()
    pieces.Load(str(test_data / "tokenizers" / "llama2" / "tokenizer.model"))
    scores = {pieces.id_to_piece(at): (pieces.get_score(at), at) for at in range(pieces.get_piece_size())}
    vocabulary = {piece: at for piece, (_, at) in scores.items()}
    merges = [
        (scores[piece][0], piece[:cut], piece[cut:])
        for piece in vocabulary
        for cut in range(1, len(piece))
        if piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    merges.sort(key=lambda merge: (-merge[0], vocabulary[merge[1]], vocabulary[merge[2]]))
    pairs = [(left, right) for _, left, right in merges]
    model = models.BPE(vocab=vocabulary, merges=pairs, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    library = LibraryTokenizer(model)
    library.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    library.decoder = decoders.Sequence(steps)
    library.add_special_tokens([AddedToken(text, normalized=False) for text in ("<unk>", "<s>", "</s>")])
    library.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return saved(library, folder)


def llama2_old(folder: Path, test_data: Path) -> Reference:
    """The same vocabulary as older files have it: spaces are turned by a normalizer, special tokens normalized.

    The library misses special tokens of such files where one follows another; ours are found.
    """
    llama2(folder, test_data)
    document = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    space = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    document["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, space]}
    document["pre_tokenizer"] = None
    for token in document["added_tokens"]:
        token["normalized"] = True
    (folder / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    library = of_library(folder / "tokenizer.json")
    return Reference(library.encode, library.decode)


def unigram(folder: Path, test_data: Path) -> Reference:
    """A unigram whose special tokens would be the cheapest way to spell their own text."""
    library = LibraryTokenizer(models.Unigram())
    library.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    library.pre_tokenizer = pre_tokenizers.Metaspace()
    library.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=80, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    library.train_from_iterator(TRAINING * 3, trainer)
    return saved(library, folder)


def word_piece(folder: Path, test_data: Path) -> Reference:
    library = LibraryTokenizer(models.WordPiece(unk_token="[UNK]"))
    library.normalizer = normalizers.BertNormalizer(lowercase=True)
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.WordPiece(cleanup=False)
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False)
    library.train_from_iterator(TRAINING, trainer)
    library.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    return saved(library, folder)


def whole_words(folder: Path, test_data: Path) -> Reference:
    library = LibraryTokenizer(models.WordLevel(unk_token="<unk>"))
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordLevelTrainer(special_tokens=SPECIAL, show_progress=False)
    library.train_from_iterator(TRAINING, trainer)
    return saved(library, folder)


def word_endings(folder: Path, test_data: Path) -> Reference:
    """Byte pairs of the kind before GPT-2: characters, a mark at each word's end, unknown ones fused."""
    library = LibraryTokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>", fuse_unk=True))
    library.normalizer = normalizers.Lowercase()
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.BPEDecoder()
    trainer = trainers.BpeTrainer(
        vocab_size=150, special_tokens=SPECIAL, end_of_word_suffix="</w>", show_progress=False
    )
    library.train_from_iterator(TRAINING, trainer)
    return saved(library, folder)


def saved(library: LibraryTokenizer, folder: Path) -> Reference:
    library.save(str(folder / "tokenizer.json"))
    return of_library(folder / "tokenizer.json")


LIBRARY_FILES: dict[str, Callable[[Path, Path], Reference]] = {
    function.__name__: function
    for function in (byte_level, qwen, llama2, llama2_old, unigram, word_piece, whole_words, word_endings)
}


# --- the other libraries ----------------------------------------------------------------------------------------------


def sentence_piece(name: str) -> Callable[[Path, Path], Reference]:
    def make(folder: Path, test_data: Path) -> Reference:
        from sentencepiece import SentencePieceProcessor

        shutil.copy(test_data / "tokenizers" / name, folder / "tokenizer.model")
        library = SentencePieceProcessor()
        library.Load(str(folder / "tokenizer.model"))
        return Reference(library.encode, library.decode)

    return make


def rank_file(name: str) -> Callable[[Path, Path], Reference]:
    def make(folder: Path, test_data: Path) -> Reference:
        path = folder / f"{name}.tiktoken"
        shutil.copy(test_data / "tokenizers" / "tiktoken" / path.name, path)
        return of_tiktoken(name, path)

    return make


def of_tiktoken(name: str, path: Path) -> Reference:
    """tiktoken's own encoding of this name, with its ranks read from a file instead of the network."""
    from unittest import mock

    import tiktoken
    import tiktoken_ext.openai_public as published
    from tiktoken.load import load_tiktoken_bpe

    ranks = load_tiktoken_bpe(str(path))
    with mock.patch.object(published, "load_tiktoken_bpe", return_value=ranks):
        settings: dict[str, Any] = published.ENCODING_CONSTRUCTORS[name]()
    library = tiktoken.Encoding(**settings)
    return Reference(library.encode_ordinary, library.decode, lambda text: library.encode(text, allowed_special="all"))


def llama3_ranks(folder: Path, test_data: Path) -> Reference:
    """Meta's own file, and the pattern and special tokens that Meta's program gives to tiktoken beside it."""
    import tiktoken
    from tiktoken.load import load_tiktoken_bpe

    path = folder / "tokenizer.model"
    shutil.copy(test_data / "tokenizers" / "llama3" / "tokenizer.model", path)
    facts = json.loads((test_data / "vectors" / "chat_templates" / "llama3_chat_format_facts.json").read_text())
    special = {f"<|{name}|>": token_id for name, token_id in facts["special"].items()}
    pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    pattern += r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ranks = load_tiktoken_bpe(str(path))
    library = tiktoken.Encoding("llama3", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)

    def trusted(text: str) -> list[int]:
        return library.encode(text, allowed_special="all")

    return Reference(library.encode_ordinary, library.decode, trusted, frozenset(special))


OTHER_FILES: dict[str, Callable[[Path, Path], Reference]] = {
    "sentencepiece_byte_pair": sentence_piece("llama2/tokenizer.model"),
    "sentencepiece_unigram": sentence_piece("sentencepiece/test_model.model"),
    "r50k_base": rank_file("r50k_base"),
    "cl100k_base": rank_file("cl100k_base"),
    "o200k_base": rank_file("o200k_base"),
    "llama3_ranks": llama3_ranks,
}
