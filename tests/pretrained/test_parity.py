"""Published families compute what transformers computes: logits, and greedy texts however they are computed."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from small_networks import CONTEXT, assert_same, logits, tokens
from their_models import KINDS, LLAMA_3_1, their_model
from torch import Tensor

from everysum.generation.generate import generate
from everysum.generation.sampling import GREEDY
from everysum.models.network import Network
from everysum.pretrained.folder import load_network, save_network

each_kind = pytest.mark.parametrize("kind", KINDS)


def tolerance(kind: str, expected: Tensor) -> float:
    """transformers rounds RMSNorm, rotary angles and softmax to float32, so that its Llamas are less exact."""
    return 1e-9 if kind.startswith(("gpt2", "opt")) else 1e-6 * expected.abs().max().item()


def logits_of(model: Any, token_ids: Tensor) -> Tensor:
    with torch.no_grad():
        return model(token_ids).logits


@each_kind
def test_logits_in_float64_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    model, token_ids = their_model(kind), tokens(3, CONTEXT)
    model.save_pretrained(tmp_path)
    network, _ = load_network(tmp_path)
    expected = logits_of(model, token_ids)
    assert network.context_length == CONTEXT
    assert network.dtype == expected.dtype == torch.float64
    assert expected.std() > 0.1
    assert_same(logits(network, token_ids), expected, tolerance(kind, expected))


@each_kind
@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16])
def test_logits_in_float32_are_those_of_transformers_however_they_are_stored(
    kind: str, stored: torch.dtype, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    token_ids = tokens(3, CONTEXT)
    their_model(kind).to(stored).save_pretrained(tmp_path)
    assert load_network(tmp_path)[0].dtype == stored
    network, _ = load_network(tmp_path, dtype=torch.float32)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    # read from the file: a model changed to 16 bits and back would keep its rotary frequencies rounded
    expected = logits_of(AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval(), token_ids)
    assert_same(logits(network, token_ids), expected, 1e-4 * max(1.0, expected.abs().max().item()))


@each_kind
def test_shards_hold_the_same_as_one_file(kind: str, tmp_path: Path) -> None:
    model = their_model(kind).float()
    model.save_pretrained(tmp_path / "whole")
    model.save_pretrained(tmp_path / "shards", max_shard_size="8KB")
    assert len(list((tmp_path / "shards").glob("model-*-of-*.safetensors"))) > 2
    assert not (tmp_path / "shards" / "model.safetensors").exists()
    whole, parts = (load_network(tmp_path / name)[0].state_dict() for name in ("whole", "shards"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


# --- generation -------------------------------------------------------------------------------------------------------

PROMPTS = [[5], [1, 2, 3, 4], [28, 0, 7, 8, 9, 10, 11, 12, 13]]
LONGER = 40
"""Positions: more than six times what the scaled models' `original_max_position_embeddings` says."""


def their_greedy_texts(model: Any, prompts: list[list[int]], count: int) -> list[list[int]]:
    """transformers' greedy texts of a batch, padded on the left."""
    longest = max(map(len, prompts))
    padded = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    made = model.generate(padded, attention_mask=mask, max_new_tokens=count, do_sample=False, pad_token_id=0)
    return made[:, longest:].tolist()


def our_greedy_texts(network: Network, prompts: list[list[int]], count: int, **how: bool) -> list[list[int]]:
    return [list(made.token_ids) for made in generate(network, prompts, tokens=count, sampling=GREEDY, **how)]


@each_kind
def test_greedy_texts_cached_batched_and_long_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    key = "n_positions" if kind.startswith("gpt2") else "max_position_embeddings"
    model = their_model(kind, seed=17, **{key: LONGER})
    model.save_pretrained(tmp_path)
    network, _ = load_network(tmp_path)
    count = LONGER - max(map(len, PROMPTS))
    expected = their_greedy_texts(model, PROMPTS, count)
    assert our_greedy_texts(network, PROMPTS, count) == expected
    assert our_greedy_texts(network, PROMPTS, count, use_cache=False) == expected
    assert [our_greedy_texts(network, [prompt], count)[0] for prompt in PROMPTS] == expected
    assert len({token for text in expected for token in text}) > 4  # no text of one token, or this would say little


# --- how configurations say the same ----------------------------------------------------------------------------------


def rewritten(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    configuration = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in configuration.items() if value is not ...}))


OLD_ROPE = {key: value for key, value in LLAMA_3_1.items() if key != "rope_theta"}
LAYOUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "scaling, old": ("llama 3.1", {"rope_parameters": ..., "rope_theta": 50.0, "rope_scaling": OLD_ROPE}),
    "scaling, both": ("llama 3.1", {"rope_theta": 50.0, "rope_scaling": OLD_ROPE}),
    "scaling, base outside": ("llama 3.1", {"rope_parameters": OLD_ROPE, "rope_theta": 50}),
    "linear, old name": (
        "llama 2, made longer",
        {"rope_parameters": ..., "rope_theta": 500, "rope_scaling": {"type": "linear", "factor": 4}},
    ),
    "none, null": ("llama 2, grouped", {"rope_parameters": None, "rope_theta": 500, "rope_scaling": None}),
    "no head size": ("llama 2, grouped", {"head_dim": ...}),
    "head size null": ("llama 2, grouped", {"head_dim": None}),
    "key heads null": ("llama 1", {"num_key_value_heads": None}),
    "key heads unsaid": ("llama 1", {"num_key_value_heads": ...}),
    "qwen windows off": ("qwen2", {"use_sliding_window": False, "sliding_window": 4, "max_window_layers": 0}),
    "qwen layers unsaid": ("qwen3 with biases", {"layer_types": ...}),
    "mistral's layers unsaid": ("mistral 0.1, with a window", {"layer_types": ...}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_older_and_shorter_configurations_say_the_same(layout: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    kind, changes = LAYOUTS[layout]
    their_model(kind).save_pretrained(tmp_path)
    whole, _ = load_network(tmp_path)
    rewritten(tmp_path, **changes)
    expected = logits_of(AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float64), tokens(2, CONTEXT))
    network, _ = load_network(tmp_path)
    assert_same(logits(network, tokens(2, CONTEXT)), expected, tolerance(kind, expected))
    assert torch.equal(logits(network, tokens(2, CONTEXT)), logits(whole, tokens(2, CONTEXT)))


UNSAID: dict[str, tuple[str, tuple[str, ...]]] = {
    "llama 1": ("num_key_value_heads", ()),
    "mistral 0.1, with a window": ("sliding_window", ("num_key_value_heads",)),
    "qwen2": ("use_sliding_window", ("num_key_value_heads",)),
    "qwen3 with biases": ("tie_word_embeddings", ("num_key_value_heads", "head_dim")),
}


@pytest.mark.parametrize("kind", UNSAID)
def test_what_a_configuration_does_not_say_is_what_transformers_takes(kind: str, tmp_path: Path) -> None:
    """Both are given a file that says next to nothing; what they make of it is compared by the shapes alone."""
    from transformers import AutoConfig

    from everysum.pretrained.folder import configuration_of, network_of

    model = their_model(kind, num_attention_heads=32, num_key_value_heads=8, hidden_size=128)
    model.config.save_pretrained(tmp_path)
    never = (*UNSAID[kind][1], UNSAID[kind][0], "rms_norm_eps", "rope_parameters", "layer_types", "attention_bias")
    rewritten(tmp_path, **dict.fromkeys(never, ...))
    theirs = AutoConfig.from_pretrained(tmp_path)
    ours = configuration_of(network_of(json.loads((tmp_path / "config.json").read_text()), "a test"))
    for key in ("num_key_value_heads", "head_dim", "rms_norm_eps", "tie_word_embeddings", "attention_bias"):
        assert ours.get(key) == getattr(theirs, key, ours.get(key)), key
    assert ours.get("sliding_window") == getattr(theirs, "sliding_window", None)
    assert ours["rope_theta"] == theirs.rope_parameters["rope_theta"]


@each_kind
def test_a_model_saved_again_keeps_its_family_its_special_tokens_and_its_logits(kind: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = their_model(kind, bos_token_id=3, eos_token_id=[4, 5], pad_token_id=0)
    model.save_pretrained(tmp_path / "theirs")
    network, configuration = load_network(tmp_path / "theirs")
    save_network(network, tmp_path / "ours", end_of_text=9, like=configuration)
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "ours", dtype=torch.float64).eval()
    assert type(again) is type(model)
    assert (again.config.bos_token_id, again.config.eos_token_id, again.config.pad_token_id) == (3, [4, 5], 0)
    assert_same(logits_of(again, tokens(2, CONTEXT)), logits_of(model, tokens(2, CONTEXT)))


# --- real weights -----------------------------------------------------------------------------------------------------


def pieces_of(file: Path) -> list[str]:
    """llama2.c's tokenizer: a number, then of each token a score, a length and its text."""
    content, pieces, place = file.read_bytes(), [], 4
    while place < len(content):
        _, length = struct.unpack_from("<fi", content, place)
        pieces.append(content[place + 8 : place + 8 + length].decode())
        place += 8 + length
    return pieces


def line_end(piece: str) -> str:
    """The piece, or the one byte that this story spells as such."""
    return "\n" if piece == "<0x0A>" else piece


@pytest.mark.parametrize("use_cache", [True, False])
def test_stories260k_tells_the_story_that_its_own_program_tells(use_cache: bool, test_data: Path) -> None:
    """The reference is what llama2.c's program wrote, at temperature 0 behind its beginning-of-text token."""
    facts = json.loads((test_data / "vectors" / "tokenizers" / "tiktoken_minbpe_llama2c_facts.json").read_text())
    checkpoints = test_data / "checkpoints" / "stories260K"
    pieces = pieces_of(checkpoints / "tok512.bin")
    network, configuration = load_network(checkpoints / "hf")
    start = configuration["bos_token_id"]
    made = our_greedy_texts(network, [[start]], 200, use_cache=use_cache)[0]
    story = "".join(line_end(pieces[token_id]) for token_id in made).removeprefix(" ")
    expected = facts["stories260K_greedy_200"]
    assert len(expected) > 400
    assert story.startswith(expected)


def test_stories260k_holds_the_weights_of_llama2c_s_own_file(test_data: Path) -> None:
    """Read from the binary that llama2.c's program runs: seven sizes, then every tensor in its order, in float32."""
    checkpoints = test_data / "checkpoints" / "stories260K"
    content = (checkpoints / "stories260K.bin").read_bytes()
    width, inner, layers, heads, groups, vocabulary, _ = struct.unpack_from("<7i", content)
    numbers = torch.frombuffer(bytearray(content[28:]), dtype=torch.float32)
    network, _ = load_network(checkpoints / "hf")
    state, shared = network.state_dict(), width * groups // heads
    order = [("attention_normalization", (width,)), ("attention.query", (width, width))]
    order += [("attention.key", (shared, width)), ("attention.value", (shared, width))]
    order += [("attention.output", (width, width)), ("feed_forward_normalization", (width,))]
    order += [("feed_forward.gate", (inner, width)), ("feed_forward.down", (width, inner))]
    order += [("feed_forward.up", (inner, width))]
    wanted = [("token_embedding.weight", (abs(vocabulary), width))]
    wanted += [(f"blocks.{layer}.{name}.weight", shape) for name, shape in order for layer in range(layers)]
    place = 0
    for name, shape in [*wanted, ("normalization.weight", (width,))]:
        count = torch.Size(shape).numel()
        tensor = numbers[place : place + count].view(shape)
        if name.endswith(("query.weight", "key.weight")):
            # llama2.c turns neighboring numbers, Hugging Face's layout numbers half a head apart
            tensor = tensor.view(-1, width // heads // 2, 2, width).transpose(1, 2).reshape(shape)
        assert torch.equal(tensor, state[name]), name
        place += count
    assert vocabulary > 0  # llama2.c says with a number below 0 that the head has rows of its own
    assert network.output is None
