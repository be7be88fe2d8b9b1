"""What a model folder may hold wrongly, each with its refusal; and that nothing else ever comes out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from small_networks import SIZES, VARIANTS, small
from torch.utils._python_dispatch import TorchDispatchMode

from everysum.errors import EverysumError, ModelFolderError
from everysum.models.network import Network
from everysum.pretrained.folder import load_network, save_network
from everysum.pretrained.weights import Weights

SaveSmall = Callable[[str], Path]
"""A folder of one of the small networks."""


@pytest.fixture
def saved(tmp_path: Path) -> SaveSmall:
    def save(variant: str) -> Path:
        save_network(small(variant).float(), tmp_path / variant)
        return tmp_path / variant

    return save


def change(folder: Path, **changes: Any) -> None:
    """Rewrite config.json; a value of ... takes the key out."""
    file = folder / "config.json"
    configuration = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in configuration.items() if value is not ...}))


def refusal(folder: Path) -> str:
    with pytest.raises(ModelFolderError) as refused:
        load_network(folder)
    return str(refused.value)


# --- config.json ------------------------------------------------------------------------------------------------------

WIDTH_KEY = {"gpt": "n_embd"}
WIDTH_KEY |= dict.fromkeys(("gpt_post_norm", "llama", "mistral", "qwen2", "qwen3"), "hidden_size")
NEEDED = {
    "gpt": ["vocab_size", "n_positions", "n_embd", "n_layer", "n_head"],
    "gpt_post_norm": [
        "vocab_size",
        "max_position_embeddings",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "ffn_dim",
    ],
    "llama": [
        "vocab_size",
        "max_position_embeddings",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
    ],
}
NEEDED |= dict.fromkeys(("mistral", "qwen2", "qwen3"), NEEDED["llama"])
NEEDED_KEYS = [(variant, key) for variant, keys in NEEDED.items() for key in keys]


@pytest.mark.parametrize(("variant", "key"), NEEDED_KEYS)
def test_a_missing_or_unfitting_size_is_refused_by_its_name(saved: SaveSmall, variant: str, key: str) -> None:
    folder = saved(variant)
    most = 1_000 if "layer" in key else 2**20
    for value in (..., None, 0, -3, 2.0, "24", True, [24], {}, most + 1, 10**12, 10**400):
        change(folder, **{key: value})
        lines = refusal(folder).splitlines()
        assert lines[0] == f"config.json: {key!r} cannot be used"
        assert lines[1] == f"  wanted: a whole number from 1 to {most}"
        assert lines[2].startswith("  came: ")
        assert len(lines[2]) < 100


@pytest.mark.parametrize(
    ("variant", "key", "value"),
    [
        ("gpt", "activation_function", "swiglu"),
        ("gpt", "scale_attn_weights", False),
        ("gpt", "scale_attn_by_inverse_layer_idx", True),
        ("gpt", "add_cross_attention", True),
        ("gpt", "layer_norm_epsilon", 1e-6),
        ("gpt_post_norm", "do_layer_norm_before", True),
        ("gpt_post_norm", "do_layer_norm_before", ...),  # OPT's own default is true
        ("gpt_post_norm", "activation_function", "gelu"),
        ("gpt_post_norm", "word_embed_proj_dim", 12),
        ("gpt_post_norm", "enable_bias", False),
        ("gpt_post_norm", "layer_norm_elementwise_affine", False),
        ("llama", "hidden_act", "gelu"),
        ("qwen2", "mlp_bias", True),
        ("qwen2", "use_sliding_window", True),
        ("qwen2", "layer_types", ["full_attention", "sliding_attention"]),
        ("qwen3", "mlp_bias", True),
        ("qwen3", "use_sliding_window", True),
        ("qwen3", "layer_types", 7),
        ("mistral", "attention_bias", True),
        ("mistral", "mlp_bias", True),
        ("mistral", "layer_types", ["sliding_attention", "full_attention"]),
        *((variant, "quantization_config", {"quant_method": "gptq"}) for variant in NEEDED),
    ],
)
def test_what_we_do_not_compute_is_refused_by_its_name(saved: SaveSmall, variant: str, key: str, value: Any) -> None:
    folder = saved(variant)
    change(folder, **{key: value})
    text = refusal(folder)
    assert text.startswith(f"config.json asks for a {key!r} that everysum does not compute for this family\n  wanted: ")
    assert "\n  came: " in text


@pytest.mark.parametrize(
    "rope",
    [
        *({"rope_type": kind, "factor": 4.0} for kind in ("yarn", "dynamic", "longrope", "proportional", None, 3)),
        {"type": "yarn", "factor": 4.0},
        {"rope_type": "default", "partial_rotary_factor": 0.5},
        {"full_attention": {"rope_type": "default"}, "rope_type": ["default"]},
    ],
)
def test_other_rotary_positions_are_refused(saved: SaveSmall, rope: dict[str, Any]) -> None:
    folder = saved("llama")
    change(folder, rope_parameters={"rope_theta": 10_000.0, **rope})
    assert "that everysum does not compute for this family" in refusal(folder)
    change(folder, rope_parameters=..., rope_scaling=rope)
    assert "that everysum does not compute for this family" in refusal(folder)


@pytest.mark.parametrize("key", ["rms_norm_eps", "rope_theta"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), 10**400, "1e-6", True, [1.0]])
def test_other_numbers_must_be_positive_and_finite(saved: SaveSmall, key: str, value: Any) -> None:
    folder = saved("llama")
    change(folder, **{"rope_parameters": ..., key: value})
    assert refusal(folder).startswith(f"config.json: {key!r} cannot be used\n  wanted: a positive number\n  came: ")


def test_a_truth_value_must_be_one(saved: SaveSmall) -> None:
    folder = saved("llama")
    change(folder, tie_word_embeddings="no")
    assert refusal(folder) == "config.json: 'tie_word_embeddings' cannot be used\n  wanted: a bool\n  came: 'no'"


def test_sizes_that_contradict_each_other_are_refused_as_the_folders_fault(saved: SaveSmall) -> None:
    folder = saved("gpt")
    change(folder, n_head=5)
    assert refusal(folder) == (
        "config.json: 5 heads cannot share a width of 24 evenly\n"
        "  wanted: a number of heads that divides the width\n"
        "  came: width 24, heads 5"
    )
    folder = saved("qwen3")
    change(folder, num_key_value_heads=3)
    assert refusal(folder).startswith("config.json: 4 query heads cannot be dealt out evenly to 3 key/value heads\n")
    change(folder, num_key_value_heads=2, head_dim=7)
    assert "a head size of 7 is odd" in refusal(folder)


def test_keys_that_say_nothing_about_the_sums_are_let_pass_and_none_selects_code(saved: SaveSmall) -> None:
    folder = saved("llama")
    (folder / "evil.py").write_text("raise SystemExit('a configuration selected code')")
    change(folder, auto_map={"AutoModelForCausalLM": "evil.Evil"}, architectures=["Evil"], favorite_color="blue")
    with pytest.warns(
        UserWarning, match=r"config\.json names code of its own \(auto_map\); everysum runs no model's code"
    ):
        assert type(load_network(folder)[0]).__name__ == "Llama"


@pytest.mark.parametrize("model_type", [None, "t5", "mamba", 7, ["llama"], {}])
def test_another_kind_of_model_is_refused(saved: SaveSmall, model_type: Any) -> None:
    folder = saved("llama")
    change(folder, model_type=model_type)
    assert refusal(folder) == (
        f"{folder / 'config.json'} names a kind of model that everysum does not run\n"
        f"  wanted: model_type gpt2, opt, llama, mistral, qwen2, qwen3, marian, pegasus\n"
        f"  came: {model_type!r}"
    )


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b'"text"', b"[" * 100_000])
def test_a_config_json_that_is_no_object_is_refused(saved: SaveSmall, content: bytes) -> None:
    folder = saved("gpt")
    (folder / "config.json").write_bytes(content)
    assert "config.json" in refusal(folder)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "config.json" in refusal(tmp_path)


# --- model.safetensors ------------------------------------------------------------------------------------------------


def rewrite(folder: Path, change_tensors: Callable[[dict[str, torch.Tensor]], None]) -> None:
    file = folder / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(file).items()}
    change_tensors(tensors)
    save_file(tensors, file)


def names_of(folder: Path) -> list[str]:
    return sorted(load_file(folder / "model.safetensors"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_missing_tensor_is_named(saved: SaveSmall, variant: str) -> None:
    folder = saved(variant)
    whole = (folder / "model.safetensors").read_bytes()
    for name in names_of(folder):
        rewrite(folder, lambda tensors, name=name: tensors.pop(name))
        assert refusal(folder) == f"the weights have no tensor {name!r}\n  do: get the file again"
        (folder / "model.safetensors").write_bytes(whole)


@pytest.mark.parametrize(
    "variant", [pytest.param(name, marks=[] if name in ("gpt", "qwen3") else [pytest.mark.slow]) for name in NEEDED]
)
def test_each_tensor_of_another_shape_is_named_with_both_shapes(saved: SaveSmall, variant: str) -> None:
    folder = saved(variant)
    whole = (folder / "model.safetensors").read_bytes()
    for name in names_of(folder):
        shape = tuple(load_file(folder / "model.safetensors")[name].shape)
        wrong = [(*shape, 1), (), (0,), (shape[0] + 1, *shape[1:]), (shape[0] - 1, *shape[1:])]
        if len(shape) == 2 and shape[0] != shape[1]:
            wrong.append(shape[::-1])
        for other in wrong:
            rewrite(folder, lambda tensors, name=name, other=other: tensors.update({name: torch.zeros(other)}))
            assert refusal(folder) == (
                f"the tensor {name!r} has another shape than config.json says\n  wanted: {shape}\n  came: {other}"
            )
            (folder / "model.safetensors").write_bytes(whole)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool, torch.float8_e4m3fn])
def test_numbers_that_we_do_not_compute_with_are_refused(saved: SaveSmall, dtype: torch.dtype) -> None:
    folder = saved("gpt")
    rewrite(folder, lambda tensors: tensors.update({name: tensor.to(dtype) for name, tensor in tensors.items()}))
    assert re.fullmatch(
        r"the tensor '\S+' is stored in a form that everysum does not compute with\n"
        rf"  wanted: float64 or float32 or bfloat16 or float16\n  came: {str(dtype).removeprefix('torch.')}",
        refusal(folder),
    )


def test_tensors_that_we_have_no_use_for_are_let_pass(saved: SaveSmall) -> None:
    """Older GPT-2 files hold the causal mask of every layer."""
    folder = saved("gpt")
    rewrite(folder, lambda tensors: tensors.update({"transformer.h.0.attn.bias": torch.ones(4, 4)}))
    load_network(folder)


def test_a_missing_weights_file_is_refused(saved: SaveSmall) -> None:
    folder = saved("gpt")
    (folder / "model.safetensors").unlink()
    assert refusal(folder) == (
        f"{folder / 'model.safetensors'} is missing\n"
        "  wanted: a model folder: config.json, model.safetensors, tokenizer.json"
    )


def test_a_weights_file_cut_short_anywhere_is_refused_as_damaged(saved: SaveSmall) -> None:
    folder = saved("gpt")
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for length in (0, 1, 7, 8, 9, header // 2, header - 1, header, header + 1, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        text = refusal(folder)
        assert text.startswith(f"{file} is damaged: ")
        assert text.endswith("do: copy or train it again")


@given(st.binary(max_size=200), st.integers(0, 2**64 - 1) | st.none())
@settings(max_examples=60, deadline=None)
def test_no_bytes_are_read_as_weights_or_crash(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, length: int | None
) -> None:
    file = tmp_path_factory.getbasetemp() / "model.safetensors"
    file.write_bytes((b"" if length is None else length.to_bytes(8, "little")) + content)
    text = ""
    try:
        Weights(file.parent)
    except EverysumError as refused:
        text = str(refused)
    assert text == "" or "model.safetensors is damaged" in text


def test_no_pickle_is_ever_read(saved: SaveSmall) -> None:
    folder = saved("gpt")
    file = folder / "model.safetensors"
    torch.save(load_file(file), folder / "pytorch_model.bin")
    file.unlink()
    assert refusal(folder) == (
        f"{folder} holds its weights as a pickle, which can run a program when it is opened: everysum never opens one\n"
        "  wanted: model.safetensors, or model.safetensors.index.json and its shards\n"
        "  came: pytorch_model.bin\n"
        "  do: look for the same model in safetensors; or convert it elsewhere, where there is nothing to lose, with "
        "transformers: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
    )
    (folder / "pytorch_model.bin").rename(file)
    assert "model.safetensors is damaged" in refusal(folder)


# --- any configuration at all -----------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(-2, 64),
    st.sampled_from([*SIZES.values(), 10, 999, 1_001, 65_536, 2**20, 2**31, 10**12, 2**63, 10**30, 10**400]),
    st.floats(),
)
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), NUMBERS, st.text(max_size=4), st.sampled_from(["gpt2", "relu", "silu", "llama"])
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {variant: tmp_path_factory.mktemp(variant) for variant in VARIANTS}
    for variant, folder in made.items():
        save_network(small(variant).float(), folder)
    return made


@given(st.sampled_from(sorted(VARIANTS)), st.data())
@settings(max_examples=100, deadline=10_000, suppress_health_check=[HealthCheck.too_slow])
def test_any_configuration_gives_a_network_or_a_refusal(
    folders: dict[str, Path], variant: str, data: st.DataObject
) -> None:
    file = folders[variant] / "config.json"
    whole = file.read_text()
    configuration = json.loads(whole)
    keys = data.draw(st.lists(st.sampled_from([*configuration, "rope_scaling", "n_inner"]), min_size=1, max_size=4))
    file.write_text(json.dumps({**configuration, **{key: data.draw(VALUES, label=key) for key in keys}}))
    text = "a network"
    try:
        assert isinstance(load_network(folders[variant])[0], Network)
    except EverysumError as refused:
        text = str(refused)
    finally:
        file.write_text(whole)
    assert 0 < len(text) < 600


class LargestTensor(TorchDispatchMode):
    """Watches every tensor that is made, except on the meta device, and keeps the largest one's size."""

    entries = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and not made.is_meta:
            self.entries = max(self.entries, made.numel())
        return made


@pytest.mark.parametrize("variant", NEEDED)
def test_a_configuration_of_a_trillion_parameters_allocates_none_of_them(saved: SaveSmall, variant: str) -> None:
    """Laid out on the meta device, and refused because the tensors do not fit."""
    folder = saved(variant)
    with LargestTensor() as largest:
        load_network(folder)
    assert largest.entries > 100  # the watcher sees
    changes = {WIDTH_KEY[variant]: 2**20, "vocab_size": 2**20, "head_dim": 2**18}
    change(folder, **changes, word_embed_proj_dim=None)
    with LargestTensor() as largest:
        assert refusal(folder).startswith("the tensor ")
    assert largest.entries == 0


@pytest.mark.parametrize(("variant", "key"), [("gpt", "n_layer"), ("llama", "num_hidden_layers")])
def test_as_many_layers_as_are_allowed_are_laid_out_in_seconds(saved: SaveSmall, variant: str, key: str) -> None:
    folder = saved(variant)
    change(folder, **{key: 1_000})
    assert "the weights have no tensor" in refusal(folder)
