"""Names: of tensors, of their axes, and of numbers by place and by token."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from foreign_networks import gpt2, llama, marian, token_ids
from recorded_models import PROMPT, model_of

from everysum.errors import InputError
from everysum.explain import Record, record


@pytest.fixture(scope="module")
def pass_() -> Record:
    return model_of("gpt").record(PROMPT)


@pytest.fixture(scope="module")
def foreign() -> Record:
    case = gpt2("eager")
    with torch.no_grad():
        return record(case.network, *case.arguments)


def refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


# --- tensors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("token_ids", "batch position"),
        ("token_embedding.weight", "vocabulary width"),
        ("token_embedding", "batch position width"),
        ("blocks.0.attention.query", "batch position width"),
        ("blocks.0.attention.scores", "batch × heads query key"),
        ("blocks.0.attention.attention_weights", "batch heads query key"),
        ("blocks.0.attention.mixed", "batch heads position head_size"),
        ("blocks.0.feed_forward.up", "batch position features"),
        ("blocks.1", "batch position width"),
        ("normalization", "batch position width"),
        ("logits", "batch position vocabulary"),
        ("probabilities", "batch position vocabulary"),
        ("loss", ""),
    ],
)
def test_tensors_of_our_networks_have_names_and_axes(pass_: Record, name: str, axes: str) -> None:
    assert " ".join(pass_[name].axes).replace(" × ", "×") == axes.replace(" × ", "×")


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("input_ids", "batch position"),
        ("transformer.h.0.attn.query_states", "batch heads position head_size"),
        ("transformer.h.0.attn.attn_weights", "batch heads query key"),
        ("transformer.h.0.attn.c_attn", "batch position features"),
        ("transformer.h.1.mlp.c_fc", "batch position features"),
        ("transformer.h.1", "batch position width"),
        ("logits", "batch position vocabulary"),
    ],
)
def test_tensors_of_other_peoples_networks_have_the_names_of_their_variables(
    foreign: Record, name: str, axes: str
) -> None:
    tensor = foreign[name]
    assert " ".join(tensor.axes) == axes


def test_a_variable_that_is_assigned_again_keeps_its_values_apart() -> None:
    case = llama("eager")
    with torch.no_grad():
        pass_ = record(case.network, *case.arguments)
    path = "model.layers.0.self_attn.attn_weights"
    scaled, masked, softened = (pass_[name] for name in (f"{path}@1", f"{path}@2", path))
    assert (scaled.what, masked.what, softened.what) == ("mul", "add", "softmax")
    assert softened.tensor.sum(-1) == pytest.approx(torch.ones(2, 4, 6))
    assert scaled.place.startswith("modeling_llama.py:")


def test_cross_attention_has_the_tokens_of_both_sides() -> None:
    case = marian()
    with torch.no_grad():
        pass_ = record(case.network, **case.named)
    texts = {name: [[f"{name[0]}{t}" for t in range(ids.shape[1])]] * 2 for name, ids in case.named.items()}
    pass_.label(texts)
    weights = next(t for t in pass_.list() if "encoder_attn" in t.name and "attention_weights" in t.name)
    assert weights.axes == ("batch", "heads", "query", "key")
    assert weights.tokens(2) == ["d0", "d1", "d2", "d3"]
    assert weights.tokens(3) == ["i0", "i1", "i2", "i3", "i4", "i5"]


def test_the_second_call_of_a_module_has_a_name_of_its_own(pass_: Record) -> None:
    first, second = pass_["blocks.0.dropout"], pass_["blocks.0.dropout#2"]
    assert first.tensor.shape == second.tensor.shape
    assert not torch.equal(first.tensor, second.tensor)


def test_the_list_shows_everything_in_order_each_name_once(pass_: Record) -> None:
    tensors = pass_.list()
    names = [tensor.name for tensor in tensors]
    assert len(names) == len(set(names))
    assert names.index("blocks.0") < names.index("blocks.1") < names.index("normalization") < names.index("logits")
    assert all(pass_[name].name == name for name in names)
    shown = {"name", "axes", "shape", "dtype", "what", "module", "place", "rerun"}
    assert shown == tensors[0].as_json().keys()
    assert repr(pass_["blocks.0"]) == "blocks.0 (batch 1, position 12, width 24): output of Block"


def test_what_is_inside_of_a_fused_operation_is_listed_and_marked() -> None:
    pass_ = model_of("llama").record(PROMPT)
    inside = [tensor for tensor in pass_.list() if tensor.rerun]
    assert {tensor.name.rpartition(".")[2] for tensor in inside} >= {"scores", "attention_weights"}
    assert "from a re-run" in repr(inside[0])


def test_an_unknown_name_shows_the_nearest(pass_: Record) -> None:
    said = refusal(pass_.__getitem__, "blocks.0.atention.scores")
    assert "there is no tensor blocks.0.atention.scores in this pass" in said
    assert "blocks.0.attention.scores" in said
    assert "blocks.0.attention.attention_weights" in refusal(pass_.__getitem__, "attention_weights")


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_a_number_is_found_by_place_and_by_token(pass_: Record) -> None:
    logits = pass_["logits"]
    y = model_of("gpt").token_ids("y")[0]
    expected = logits.tensor[0, -1, y].item()
    for number in (
        logits[0, -1, y],
        logits[-1, "y"],
        logits[0, 11, "y"],
        logits[0][11][y],
        logits[..., "y"][0, -1],
        logits[0, 5:, :][6, y],
        logits[:, 1::2, :][0, -1, "y"],
        pass_.number('logits[-1, "y"]'),
        pass_.number(f"logits[0, 11, {y}]"),
    ):
        assert number.value == expected
        assert number.name == f"logits[0, 11, {y}]"
        assert pass_.number(number.name) == number
    assert logits[0, "D", 3].value == logits[0, PROMPT.index("D"), 3].value


def test_equal_numbers_are_one(pass_: Record) -> None:
    assert pass_["blocks.0"][0, 1, 2] == pass_["blocks.0"][0][1][2]
    assert len({pass_["blocks.0"][0, 1, 2], pass_["blocks.0"][0, 1, 2], pass_["blocks.0"][0, 1, 3]}) == 2


def test_tokens_stand_on_their_axes(pass_: Record) -> None:
    assert pass_["blocks.0"].tokens(1) == list(PROMPT)
    assert pass_["blocks.0.attention.attention_weights"].tokens(3) == list(PROMPT)
    assert pass_["blocks.0"].tokens(2) is None
    assert pass_["logits"].tokens(2)[ord("y") - 33 : ord("y") - 32] != []
    assert pass_["blocks.0"][0, 3:5].tokens(0) == list(PROMPT[3:5])


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("logits[0, 12, 0]", "the axis position has 12 places"),
        ("logits[0, -13, 0]", "wanted: -12 to 11"),
        ("logits[0, 0, 0, 0]", "logits has 3 axes: batch, position, vocabulary"),
        ('logits[0, "m", 3]', "stands at 2 places of the axis position"),
        ('logits[0, "q", 3]', "stands at no places"),
        ('blocks.0[0, 1, "y"]', "the axis width counts no tokens"),
        ("logits[0, 1.5, 3]", "cannot be a place"),
        ("logits[0, 1, :]", "this is no place in a tensor"),
        ("logits[-1]", "names 3096 numbers, not one"),
        ("logits[0", "names 3096 numbers, not one"),
        ("logits[nonsense]", "this is no place in a tensor"),
        ("nowhere[0]", "there is no tensor nowhere"),
    ],
)
def test_a_place_that_is_none_is_refused(pass_: Record, where: str, said: str) -> None:
    assert said in refusal(pass_.number, where)


def test_slices_go_forwards(pass_: Record) -> None:
    assert "a slice runs forwards" in refusal(pass_["logits"].__getitem__, (0, slice(None, None, -1), 0))


def test_part_of_a_tensor_is_a_tensor(pass_: Record) -> None:
    part = pass_["blocks.0"][0, 2:8:3]
    assert part.shape == (2, 24)
    assert part.axes == ("position", "width")
    assert torch.equal(part.tensor, pass_["blocks.0"].tensor[0, 2:8:3])
    assert [number.name for number in part.numbers()[23:25]] == ["blocks.0[0, 2, 23]", "blocks.0[0, 5, 0]"]


def test_the_numbers_of_a_batch_name_the_tokens_of_their_own_row() -> None:
    case = gpt2("eager")
    with torch.no_grad():
        pass_ = record(case.network, *case.arguments)
    pass_.label({"input_ids": [list("abcdef"), list("uvwxyz")]})
    assert "position “w”" in str(pass_["transformer.h.0"][1, 2, 3].explain())
    assert pass_["logits"][1, "w", 0].value == pass_["logits"][1, 2, 0].value
    assert token_ids().shape == (2, 6)
