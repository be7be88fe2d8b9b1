"""GGUF, the one file that llama.cpp reads: weights, sizes and vocabulary, written by the official library (an extra).

llama.cpp has its own names for tensors. Its "llama" turns pairs of neighboring numbers where we, as Hugging Face does,
turn numbers that stand half a head apart: the rows of query and key are dealt out anew, and then it is the same sum.
Its "gpt2", "qwen2" and "qwen3" pair as we do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from everysum.errors import MachineError, UsageError
from everysum.files import replacing
from everysum.layers.activation import ACTIVATIONS
from everysum.layers.positions import LinearScaling, Llama3Scaling, RotaryPositions
from everysum.models.gpt import GPT, Block
from everysum.models.llama import Llama
from everysum.models.network import Network
from everysum.pretrained import gpt2, llama, qwen2, qwen3
from everysum.pretrained.family import Family, Row
from everysum.tokenizers.ggml import GgmlVocabulary

FILE_TYPES = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 32}
BLOCK, OURS = "blk.{layer}.", "blocks.{layer}."

GPT2_ROWS = (
    Row("token_embd.weight", ("token_embedding.weight",)),
    Row("position_embd.weight", ("position_embedding.weight",)),
    *(
        row
        for kind in ("weight", "bias")
        for row in (
            Row(BLOCK + f"attn_norm.{kind}", (OURS + f"attention_normalization.{kind}",)),
            Row(
                BLOCK + f"attn_qkv.{kind}",
                tuple(OURS + f"attention.{part}.{kind}" for part in ("query", "key", "value")),
            ),
            Row(BLOCK + f"attn_output.{kind}", (OURS + f"attention.output.{kind}",)),
            Row(BLOCK + f"ffn_norm.{kind}", (OURS + f"feed_forward_normalization.{kind}",)),
            Row(BLOCK + f"ffn_up.{kind}", (OURS + f"feed_forward.up.{kind}",)),
            Row(BLOCK + f"ffn_down.{kind}", (OURS + f"feed_forward.down.{kind}",)),
            Row(f"output_norm.{kind}", (f"normalization.{kind}",)),
        )
    ),
    Row("output.weight", ("output.weight",)),
)
LLAMA_ROWS = (
    Row("token_embd.weight", ("token_embedding.weight",)),
    *(
        Row(BLOCK + f"{its}.{kind}", (OURS + f"{ours}.{kind}",))
        for its, ours in (
            ("attn_norm", "attention_normalization"),
            ("attn_q", "attention.query"),
            ("attn_k", "attention.key"),
            ("attn_v", "attention.value"),
            ("attn_q_norm", "attention.query_normalization"),
            ("attn_k_norm", "attention.key_normalization"),
            ("attn_output", "attention.output"),
            ("ffn_norm", "feed_forward_normalization"),
            ("ffn_gate", "feed_forward.gate"),
            ("ffn_up", "feed_forward.up"),
            ("ffn_down", "feed_forward.down"),
        )
        for kind in ("weight", "bias")
    ),
    Row("output_norm.weight", ("normalization.weight",)),
    Row("output.weight", ("output.weight",)),
)


# --- sizes, under its keys --------------------------------------------------------------------------------------------


def gpt2_keys(network: GPT) -> dict[str, Any]:
    theirs = gpt2.configuration_of(network)
    return {
        "context_length": theirs["n_positions"],
        "embedding_length": theirs["n_embd"],
        "block_count": theirs["n_layer"],
        "feed_forward_length": theirs["n_inner"],
        "attention.head_count": theirs["n_head"],
        "attention.layer_norm_epsilon": theirs["layer_norm_epsilon"],
    }


def llama_keys(network: Llama) -> dict[str, Any]:
    theirs, positions = llama.tower_configuration(network), network.rotary_positions
    scaling = positions.scaling
    linear = (
        {"rope.scaling.type": "linear", "rope.scaling.factor": scaling.factor}
        if isinstance(scaling, LinearScaling)
        else {}
    )
    return {
        "vocab_size": theirs["vocab_size"],
        "context_length": theirs["max_position_embeddings"],
        "embedding_length": theirs["hidden_size"],
        "block_count": theirs["num_hidden_layers"],
        "feed_forward_length": theirs["intermediate_size"],
        "attention.head_count": theirs["num_attention_heads"],
        "attention.head_count_kv": theirs["num_key_value_heads"],
        "attention.key_length": theirs["head_dim"],
        "attention.value_length": theirs["head_dim"],
        "attention.layer_norm_rms_epsilon": theirs["rms_norm_eps"],
        "rope.dimension_count": theirs["head_dim"],
        "rope.freq_base": float(positions.base),
        **linear,
    }


def is_gpt2(network: Network) -> bool:
    """Its gelu is the one with the hyperbolic tangent, whatever a file says."""
    if not isinstance(network, GPT) or not gpt2.represents(network):
        return False
    return cast(Block, network.blocks[0]).feed_forward.activation is ACTIVATIONS["gelu_tanh"]


def is_llama(network: Network) -> bool:
    return isinstance(network, Llama) and llama.represents(network) and not has_biases(network)


def is_qwen3(network: Network) -> bool:
    return isinstance(network, Llama) and qwen3.represents(network) and not has_biases(network)


def has_biases(network: Llama) -> bool:
    return llama.has_bias(network) or llama.has_feed_forward_bias(network)


def unread(configuration: Mapping[str, Any], **parts: Any) -> Network:
    raise UsageError("GGUF files are written here and not read", advice="take the folder that they were made from")


ARCHITECTURES = (
    Family("gpt2", "gpt2", GPT2_ROWS, is_gpt2, gpt2_keys, unread),
    Family("llama", "llama", LLAMA_ROWS, is_llama, llama_keys, unread),
    Family("qwen2", "qwen2", LLAMA_ROWS, qwen2.represents, llama_keys, unread),
    Family("qwen3", "qwen3", LLAMA_ROWS, is_qwen3, llama_keys, unread),
)


# --- the file ---------------------------------------------------------------------------------------------------------


def save_gguf(
    network: Network,
    vocabulary: GgmlVocabulary,
    file: Path,
    *,
    dtype: torch.dtype | None = None,
    template: str | None = None,
) -> None:
    """Write one file for llama.cpp, whole or not at all; `dtype` is that of its matrices, the network's if not given.

    Raises UsageError, with the reason, for a network that llama.cpp has no form of, and MachineError without the gguf
    library.
    """
    architecture = architecture_of(network)
    kept = dtype or network.dtype
    kind = file_type(kept)
    with replacing(file) as opened:
        writer = new_writer(Path(opened.name), architecture.architecture)
        writer.add_name(file.stem)
        writer.add_file_type(kind)
        add_keys(writer, architecture.architecture, architecture.configuration_of(network))
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(vocabulary.pattern)
        writer.add_token_list(vocabulary.tokens)
        writer.add_token_types(vocabulary.kinds)
        writer.add_token_merges(vocabulary.merges)
        writer.add_bos_token_id(next(iter(vocabulary.beginning), vocabulary.end_of_text))
        writer.add_eos_token_id(vocabulary.end_of_text)
        writer.add_add_bos_token(bool(vocabulary.beginning))
        if template is not None:
            writer.add_chat_template(template)
        for name, tensor in tensors_of(architecture, network).items():
            add_tensor(writer, name, tensor, kept)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def architecture_of(network: Network) -> Family:
    """llama.cpp's name for this network; UsageError with the reason where it has none."""
    for architecture in ARCHITECTURES:
        if architecture.represents(network):
            return architecture
    raise UsageError(
        "llama.cpp has no network that computes what this one does",
        wanted="GPT-2 with its own gelu, Llama, Qwen 2 or Qwen 3, without a sliding window",
        came=what_it_is(network),
        advice="export a folder: everysum export MODEL FOLDER",
    )


def what_it_is(network: Network) -> str:
    if isinstance(network, GPT) and network.normalization is None:
        return "a GPT that normalizes after each part (post-norm)"
    if isinstance(network, Llama) and network.sliding_window is not None:
        return f"a Llama that looks {network.sliding_window} positions back"
    return f"another {type(network).__name__}"


def tensors_of(architecture: Family, network: Network) -> dict[str, Tensor]:
    """The parameters under llama.cpp's names, and what its file has besides."""
    tensors = architecture.published(network)
    if architecture.architecture == "llama":
        head_size = network.cache_shape[2]
        for name, tensor in tensors.items():
            if name.endswith(("attn_q.weight", "attn_k.weight")):
                tensors[name] = neighbors(tensor, tensor.shape[0] // head_size)
    if isinstance(network, Llama) and isinstance(network.rotary_positions.scaling, Llama3Scaling):
        tensors["rope_freqs.weight"] = slowed(network.rotary_positions)
    return tensors


def neighbors(rows: Tensor, heads: int) -> Tensor:
    """Each head's rows dealt out anew: number i and its partner half a head on become neighbors."""
    halves = rows.reshape(heads, 2, -1, rows.shape[1])
    return halves.transpose(1, 2).reshape(rows.shape)


def slowed(positions: RotaryPositions) -> Tensor:
    """By how much each pair turns slower than it would without the scaling."""
    device, plain = torch.device("cpu"), RotaryPositions(positions.head_size, base=positions.base)
    return plain.frequencies(device, torch.float32) / positions.frequencies(device, torch.float32)


def add_keys(writer: Any, architecture: str, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        add = {int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}[type(value)]
        add(f"{architecture}.{key}", value)


def add_tensor(writer: Any, name: str, tensor: Tensor, dtype: torch.dtype) -> None:
    """Matrices in the chosen form; vectors and positions, which are few and added, in float32."""
    from gguf import GGMLQuantizationType, quantize

    values = tensor.detach().cpu().float().numpy()
    if tensor.dim() < 2 or name == "position_embd.weight":
        writer.add_tensor(name, values)
    elif dtype is torch.bfloat16:
        writer.add_tensor(name, quantize(values, GGMLQuantizationType.BF16), raw_dtype=GGMLQuantizationType.BF16)
    else:
        writer.add_tensor(name, values.astype("float16" if dtype is torch.float16 else "float32"))


def file_type(dtype: torch.dtype) -> int:
    """Its number for a file whose matrices have this form."""
    if dtype not in FILE_TYPES:
        came = str(dtype).removeprefix("torch.")
        raise UsageError("llama.cpp does not compute in this form", wanted="float32, float16 or bfloat16", came=came)
    return FILE_TYPES[dtype]


def new_writer(path: Path, architecture: str) -> Any:
    """The library's object that writes a file."""
    try:
        from gguf import GGUFWriter
    except ImportError:
        raise MachineError(
            "writing GGUF needs a library that is not installed", advice="pip install 'everysum[gguf]'"
        ) from None
    return GGUFWriter(path, architecture)
