"""GGUF: what is written is the network and its vocabulary, and llama.cpp says the same with it."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_chat
import torch
from tiny import train_tiny, write_text

from everysum.errors import MachineError, UsageError
from everysum.generation.sampling import GREEDY
from everysum.model import Model, load
from everysum.models.gpt import GPT
from everysum.models.llama import Llama
from everysum.models.network import Network
from everysum.pretrained import gguf
from everysum.pretrained.folder import load_network
from everysum.tokenizers import load_tokenizer, train_tokenizer
from everysum.tokenizers.ggml import ggml_vocabulary

TEXT = "Humpty Dumpty sat on a wall, Humpty Dumpty had a great fall. It's 1234 Größe, naïve 日本 🥚\n\n"
SIZES: dict[str, Any] = {"context_length": 256, "width": 32, "layers": 2, "heads": 4}
LLAMA: dict[str, Any] = {**SIZES, "inner_width": 48, "key_value_heads": 2}


def build(kind: str, vocabulary_size: int, **over: Any) -> Network:
    parts = {
        "gpt": lambda: GPT(vocabulary_size=vocabulary_size, **(SIZES | {"tied": True} | over)),
        "gpt untied": lambda: GPT(vocabulary_size=vocabulary_size, **(SIZES | {"tied": False} | over)),
        "llama": lambda: Llama(vocabulary_size=vocabulary_size, **(LLAMA | over)),
        "llama tied": lambda: Llama(
            vocabulary_size=vocabulary_size, **(LLAMA | {"tied": True, "head_size": 16} | over)
        ),
        "llama 3.1": lambda: Llama(vocabulary_size=vocabulary_size, **(LLAMA | {"rotary_scaling": SCALING} | over)),
        "qwen2": lambda: Llama(vocabulary_size=vocabulary_size, **LLAMA, attention_bias=True, output_bias=False),
        "qwen3": lambda: Llama(vocabulary_size=vocabulary_size, **(LLAMA | {"normalize_heads": True} | over)),
    }
    network = parts[kind]()
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0.0, 0.35, generator=generator)
    return network.eval()


SCALING = gguf.Llama3Scaling(8.0, 1.0, 4.0, 64)
KINDS = ["gpt", "gpt untied", "llama", "llama tied", "llama 3.1", "qwen2", "qwen3"]


def model_of(kind: str, pattern: str = "gpt2") -> Model:
    tokenizer = train_tokenizer("byte_pair", TEXT * 3, 300, pattern)
    return Model(build(kind, tokenizer.vocabulary_size), tokenizer)


def read(file: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Keys and tensors of a file, as the library reads them."""
    from gguf import GGUFReader
    from gguf.quants import dequantize

    reader = GGUFReader(file)
    keys = {name: field.contents() for name, field in reader.fields.items()}
    return keys, {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}


# --- what is written --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_has_every_number_of_the_network_once(kind: str, tmp_path: Path) -> None:
    model = model_of(kind)
    model.save_gguf(tmp_path / "model.gguf")
    keys, tensors = read(tmp_path / "model.gguf")
    assert keys["general.architecture"] == {"l": "llama", "g": "gpt2"}.get(kind[0], kind)
    written = {name: tensor for name, tensor in tensors.items() if name != "rope_freqs.weight"}
    ours = np.sort(np.concatenate([parameter.detach().numpy().ravel() for parameter in model.network.parameters()]))
    assert np.array_equal(np.sort(np.concatenate([tensor.ravel() for tensor in written.values()])), ours)


def test_sizes_stand_under_the_keys_that_llama_cpp_reads(tmp_path: Path) -> None:
    model_of("llama tied").save_gguf(tmp_path / "model.gguf")
    keys, tensors = read(tmp_path / "model.gguf")
    wanted = {
        "llama.context_length": 256,
        "llama.embedding_length": 32,
        "llama.block_count": 2,
        "llama.feed_forward_length": 48,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.attention.key_length": 16,
        "llama.rope.dimension_count": 16,
        "llama.rope.freq_base": 10_000.0,
        "general.file_type": 0,
    }
    assert {key: keys[key] for key in wanted} == wanted
    assert keys["llama.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-6)
    assert "output.weight" not in tensors


def test_rows_of_query_and_key_are_dealt_out_as_neighbors() -> None:
    rows = torch.arange(16.0).reshape(16, 1)  # two heads of eight: 0 and 4 are partners, 1 and 5, …
    assert gguf.neighbors(rows, 2)[:, 0].tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]


def test_llama3s_scaling_is_written_as_divisors_of_the_frequencies(tmp_path: Path) -> None:
    model = model_of("llama 3.1")
    model.save_gguf(tmp_path / "model.gguf")
    positions = model.network.rotary_positions
    divisors = read(tmp_path / "model.gguf")[1]["rope_freqs.weight"]
    plain = 10_000.0 ** -(np.arange(0, 8, 2) / 8)
    assert divisors.min() == 1.0
    assert divisors.max() == pytest.approx(8.0)
    assert plain / divisors == pytest.approx(
        positions.frequencies(torch.device("cpu"), torch.float64).numpy(), rel=1e-6
    )


@pytest.mark.parametrize(
    ("dtype", "number", "error"), [("float32", 0, 0.0), ("float16", 1, 1e-3), ("bfloat16", 32, 8e-3)]
)
def test_matrices_have_the_chosen_form_and_vectors_float32(
    dtype: str, number: int, error: float, tmp_path: Path
) -> None:
    from gguf import GGUFReader

    model = model_of("gpt")
    model.save_gguf(tmp_path / "model.gguf", dtype=dtype)
    keys, tensors = read(tmp_path / "model.gguf")
    assert keys["general.file_type"] == number
    forms = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(tmp_path / "model.gguf").tensors}
    expected = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}[dtype]
    assert forms["blk.0.ffn_up.weight"] == expected
    assert {forms["blk.0.ffn_up.bias"], forms["output_norm.weight"], forms["position_embd.weight"]} == {"F32"}
    up = model.network.blocks[0].feed_forward.up.weight.detach().numpy()
    assert np.abs(tensors["blk.0.ffn_up.weight"] - up).max() <= error * np.abs(up).max()
    if dtype == "bfloat16":
        assert np.array_equal(tensors["blk.0.ffn_up.weight"], torch.tensor(up).bfloat16().float().numpy())


@pytest.mark.parametrize(("pattern", "name"), [("gpt2", "gpt-2"), ("llama3", "llama-bpe")])
def test_the_vocabulary_stands_in_it_with_its_split_patterns_name(pattern: str, name: str, tmp_path: Path) -> None:
    model = model_of("qwen3", pattern)
    model.save_gguf(tmp_path / "model.gguf")
    keys = read(tmp_path / "model.gguf")[0]
    model.tokenizer.save(tmp_path)
    document = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    assert keys["tokenizer.ggml.pre"] == name
    assert keys["tokenizer.ggml.model"] == "gpt2"
    assert keys["tokenizer.ggml.merges"] == document["model"]["merges"]
    assert {token: at for at, token in enumerate(keys["tokenizer.ggml.tokens"])} == document["model"]["vocab"]
    size = model.tokenizer.vocabulary_size
    assert keys["tokenizer.ggml.token_type"] == [1] * (size - 1) + [3]
    assert keys["tokenizer.ggml.eos_token_id"] == size - 1
    assert keys["tokenizer.ggml.add_bos_token"] is False


def test_tokens_that_the_tokenizer_does_not_have_are_marked_unused() -> None:
    tokenizer = train_tokenizer("byte_pair", TEXT * 3, 280)
    vocabulary = ggml_vocabulary(tokenizer, 290)
    assert vocabulary.tokens[280:] == [f"[PAD{at}]" for at in range(280, 290)]
    assert vocabulary.kinds[279:] == [3] + [5] * 10


def test_a_published_tokenizer_and_its_template_are_written_too(test_data: Path, tmp_path: Path) -> None:
    tiny_chat.make(tmp_path / "chat")
    load(tmp_path / "chat").save_gguf(tmp_path / "model.gguf")
    keys = read(tmp_path / "model.gguf")[0]
    assert keys["tokenizer.ggml.pre"] == "gpt-2"
    assert "<|im_start|>" in keys["tokenizer.chat_template"]
    kinds = dict(zip(keys["tokenizer.ggml.tokens"], keys["tokenizer.ggml.token_type"], strict=True))
    assert kinds["<|im_end|>"] == kinds["<|endoftext|>"] == 3
    qwen = ggml_vocabulary(load_tokenizer(test_data / "tokenizers/hf_json/tiny_bpe_tokenizer.json"), 2003)
    assert (qwen.pattern, len(qwen.tokens), qwen.tokens[2002]) == ("qwen2", 2003, "<|im_end|>")


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["characters", "words"])
def test_a_tokenizer_without_merges_is_refused_with_the_reason(kind: str, tmp_path: Path) -> None:
    tokenizer = train_tokenizer(kind, TEXT, 300)
    with pytest.raises(UsageError, match=f'no form in GGUF[\\s\\S]*kind {kind}[\\s\\S]*tokenizer.kind = "byte_pair"'):
        Model(build("llama", 300), tokenizer).save_gguf(tmp_path / "model.gguf")
    assert not (tmp_path / "model.gguf").exists()


def test_the_articles_gpt_and_what_llama_cpp_computes_otherwise_are_refused(tmp_path: Path) -> None:
    others = [
        build("gpt", 300, wiring="post_norm", activation="relu"),
        build("gpt", 300, activation="relu"),
        build("llama", 300, sliding_window=8),
        build("llama", 300, attention_bias=True),
    ]
    said = [
        "a GPT that normalizes after each part",
        "another GPT",
        "a Llama that looks 8 positions back",
        "another Llama",
    ]
    for network, came in zip(others, said, strict=True):
        with pytest.raises(UsageError, match=f"llama.cpp has no network[\\s\\S]*came: {came}"):
            Model(network, train_tokenizer("byte_pair", TEXT, 300)).save_gguf(tmp_path / "model.gguf")


def test_a_form_that_llama_cpp_does_not_compute_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="wanted: float32, float16 or bfloat16\n  came: float64"):
        model_of("llama").save_gguf(tmp_path / "model.gguf", dtype="float64")


def test_without_the_gguf_library_the_refusal_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MachineError, match=r"pip install 'everysum\[gguf\]'"):
        model_of("llama").save_gguf(tmp_path / "model.gguf")
    assert list(tmp_path.iterdir()) == []


# --- llama.cpp --------------------------------------------------------------------------------------------------------


def opened_by_llama_cpp(file: Path, *, logits_all: bool = True) -> Any:
    library = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: pip install llama-cpp-python")
    return library.Llama(str(file), n_ctx=256, n_threads=1, n_batch=256, logits_all=logits_all, verbose=False, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_llama_cpp_computes_the_same_logits_and_greedy_tokens(kind: str, tmp_path: Path) -> None:
    for pattern in ("gpt2", "llama3"):
        model = model_of(kind, pattern)
        file = tmp_path / f"{pattern}.gguf"
        model.save_gguf(file)
        theirs = opened_by_llama_cpp(file)
        ids = model.tokenizer.encode("Humpty Dumpty sat")
        theirs.eval(ids)
        logits = model.logits(torch.tensor([ids]))[0].numpy()
        assert np.abs(theirs.scores[: len(ids)] - logits).max() < 5e-3 * np.abs(logits).max()
        theirs.reset()
        expected = model.generate_batch(["Humpty Dumpty sat"], tokens=30, sampling=GREEDY)[0].token_ids
        generated = theirs.generate(ids, temp=0.0, repeat_penalty=1.0)
        assert tuple(itertools.islice(generated, len(expected))) == expected
        theirs.close()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["gpt", "llama", "default"])
def test_llama_cpp_writes_the_same_text_with_what_a_recipe_trained(recipe: str, tmp_path: Path) -> None:
    """From a text to llama.cpp, for each recipe that GGUF has a form of."""
    network = {"gpt": {"kind": "gpt"}, "llama": {"kind": "llama", "normalize_heads": False}, "default": {}}[recipe]
    wishes = {
        "network": {**network, "context_length": 64},
        "tokenizer": {"kind": "byte_pair", "vocabulary_size": 300},
        "schedule": {"steps": 150, "batch_size": 8},
    }
    train_tiny(write_text(tmp_path), tmp_path / "run", wishes)
    model = load(tmp_path / "run")
    model.save_gguf(tmp_path / "model.gguf")
    theirs = opened_by_llama_cpp(tmp_path / "model.gguf", logits_all=False)
    for prompt in ("the cat", "king", "under the wall"):
        said = theirs.create_completion(prompt, max_tokens=40, temperature=0.0, repeat_penalty=1.0)
        assert said["choices"][0]["text"] == model.generate(prompt, tokens=40, temperature=0)
    theirs.close()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_llama_cpp_computes_the_same_in_half_precision(dtype: str, tmp_path: Path) -> None:
    model = model_of("qwen3")
    model.save_gguf(tmp_path / "model.gguf", dtype=dtype)
    theirs = opened_by_llama_cpp(tmp_path / "model.gguf")
    ids = model.tokenizer.encode("Humpty Dumpty sat on")
    theirs.eval(ids)
    rounded = Model(build("qwen3", 300).to(getattr(torch, dtype)).float(), model.tokenizer)
    logits = rounded.logits(torch.tensor([ids]))[0].numpy()
    assert np.abs(theirs.scores[: len(ids)] - logits).max() < 3e-2 * np.abs(logits).max()
    theirs.close()


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["gpt2", "llama3"])
def test_llama_cpp_cuts_texts_into_the_same_tokens(pattern: str, tmp_path: Path, many_texts: list[str]) -> None:
    model = model_of("llama", pattern)
    model.save_gguf(tmp_path / "model.gguf")
    theirs = opened_by_llama_cpp(tmp_path / "model.gguf")
    for text in many_texts:
        assert theirs.tokenize(text.encode(), add_bos=False, special=False) == model.tokenizer.encode(text), text
    theirs.close()


@pytest.fixture
def many_texts(test_data: Path) -> list[str]:
    naughty: list[str] = json.loads((test_data / "fuzz" / "blns.json").read_text(encoding="utf-8"))
    return [
        text
        for text in [*naughty, TEXT, "Humpty's 12345 walls\r\n\r\n  x", "a\n\n  b\t\tc"]
        if text and "\0" not in text
    ]


@pytest.mark.slow
def test_real_weights_give_the_same_logits_in_llama_cpp(test_data: Path, tmp_path: Path) -> None:
    network = load_network(test_data / "checkpoints" / "stories260K" / "hf")[0]
    tokenizer = train_tokenizer("byte_pair", TEXT * 3, 300)
    model = Model(network, tokenizer)
    model.save_gguf(tmp_path / "model.gguf")
    theirs = opened_by_llama_cpp(tmp_path / "model.gguf")
    ids = [1, *(number % 500 for number in range(3, 60, 2))]
    theirs.eval(ids)
    logits = model.logits(torch.tensor([ids]))[0].numpy()
    assert np.abs(theirs.scores[: len(ids)] - logits).max() < 5e-3 * np.abs(logits).max()
    assert theirs.scores[: len(ids)].argmax(-1).tolist() == logits.argmax(-1).tolist()
    theirs.close()
