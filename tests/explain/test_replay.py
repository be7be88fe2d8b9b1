"""Replaying a pass with numbers changed: bit for bit what the network itself would have computed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from foreign_networks import Case, gpt2, llama, marian, torch_transformer
from recorded_models import PROMPT, model_of
from torch import Tensor, nn

from everysum.errors import InputError, UsageError
from everysum.explain import Record, record
from everysum.explain.record import recorded


def ours(name: str) -> Case:
    model = model_of(name)
    ids = torch.tensor([model.token_ids(PROMPT)])
    return Case(model.network, (ids,))


@contextmanager
def patched(module: nn.Module, index: tuple[int, ...], value: float) -> Iterator[None]:
    """While this lasts, one number that the module returns is another."""

    def hook(_: nn.Module, __: object, result: Tensor) -> Tensor:
        result = result.clone()
        result[index] = value
        return result

    handle = module.register_forward_hook(hook)
    yield
    handle.remove()


CASES: dict[str, tuple[Callable[[], Case], str, str]] = {
    "our GPT": (lambda: ours("gpt, fused"), "blocks.0.feed_forward.up", "blocks.0.attention.query.weight"),
    "our GPT, written out": (lambda: ours("gpt"), "blocks.1.attention.value", "position_embedding.weight"),
    "our Llama": (lambda: ours("llama"), "blocks.0.attention.key", "normalization.weight"),
    "GPT-2": (gpt2, "transformer.h.0.ln_2", "transformer.wte.weight"),
    "GPT-2, SDPA": (lambda: gpt2("sdpa"), "transformer.h.0.attn.c_attn", "transformer.h.1.mlp.c_fc.bias"),
    "Llama": (lambda: llama("sdpa"), "model.layers.0.self_attn.k_proj", "model.layers.1.mlp.gate_proj.weight"),
    "Marian": (marian, "model.encoder.layers.0.fc1", "model.shared.weight"),
    "torch.nn.Transformer": (torch_transformer, "encoder.layers.1.linear1", "decoder.layers.0.norm1.weight"),
}


def output_of(result: object) -> Tensor:
    found = result.logits if hasattr(result, "logits") else result
    assert isinstance(found, Tensor)
    return found


@pytest.fixture(params=CASES, scope="module")
def situation(request: pytest.FixtureRequest) -> Iterator[tuple[Case, Record, str, str, str]]:
    build, module, weight = CASES[request.param]
    case = build()
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    with torch.no_grad():
        pass_ = record(case.network, *case.arguments, **case.named)
    name = "logits" if hasattr(pass_.result, "logits") else "output"
    yield case, pass_, module, weight, name
    torch.backends.mha.set_fastpath_enabled(fast)


def test_a_changed_number_of_a_module_gives_bitwise_what_a_patched_forward_gives(
    situation: tuple[Case, Record, str, str, str],
) -> None:
    case, pass_, path, _, name = situation
    index = tuple(size // 2 for size in pass_[path].shape)
    replay = pass_.replay({pass_[path][index]: 1.75})
    with torch.no_grad(), patched(case.network.get_submodule(path), index, 1.75):
        expected = output_of(case())
    assert torch.equal(replay[name], expected)
    assert not torch.equal(replay[name], pass_[name].tensor)


def test_a_changed_weight_gives_bitwise_what_the_network_with_it_gives(
    situation: tuple[Case, Record, str, str, str],
) -> None:
    case, pass_, _, weight, name = situation
    index = tuple(size // 2 for size in pass_[weight].shape)
    number = pass_[weight][index]
    replay = pass_.replay({number: number.value + 0.5})
    other = copy.deepcopy(case.network)
    with torch.no_grad():
        other.get_parameter(weight)[index] += 0.5
        expected = output_of(Case(other, case.arguments, case.named)())
    assert torch.equal(replay[name], expected)
    assert replay.differences


def test_with_its_own_value_nothing_differs(situation: tuple[Case, Record, str, str, str]) -> None:
    _, pass_, path, weight, name = situation
    changes = {pass_[path].numbers()[3]: pass_[path].numbers()[3].value, pass_[weight].numbers()[1]: None}
    changes = {number: number.value for number in changes}
    replay = pass_.replay(changes)
    assert replay.differences == []
    assert torch.equal(replay[name], pass_[name].tensor)
    assert "nothing that was computed differs" in str(replay)


def test_what_differs_where_and_by_how_much() -> None:
    pass_ = model_of("gpt").record(PROMPT)
    number = pass_["blocks.1.attention.attention_weights"][0, 2, -1, 3]
    replay = pass_.replay({number: 0.18})
    first, *_, last = replay.differences
    assert first.name == "blocks.1.attention.bmm"
    assert first.changed == 6  # one head's numbers at one position
    assert last.name in ("probabilities", "loss@1", "loss")
    found = next(item for item in replay.differences if item.name == "logits")
    change = replay["logits"] - pass_["logits"].tensor
    assert found.changed == int((change != 0).sum())
    assert found.largest == pytest.approx(change.abs().max().item() * (1 if found.largest > 0 else -1), rel=1e-6)
    assert found.before == pass_["logits"].tensor[found.index].item()
    assert replay.value(pass_["logits"][0, 11, 5]) == replay["logits"][0, 11, 5].item()
    text = str(replay)
    assert text.startswith("blocks.1.attention.attention_weights[0, 2, 11, 3]: ")
    assert f"logits: {found.changed} of 3,096 numbers differ, most {found.where}: " in text
    data = replay.as_json()
    assert data["changes"][0]["after"] == 0.18
    assert [item["tensor"] for item in data["differences"]] == [item.name for item in replay.differences]


def test_positions_before_the_change_stay_as_they_were() -> None:
    pass_ = model_of("llama").record(PROMPT)
    replay = pass_.replay({pass_["blocks.0"][0, 7, 3]: 2.0})
    same = replay["logits"] == pass_["logits"].tensor
    assert same[0, :7].all()
    assert not same[0, 7:].all()


def test_a_number_inside_of_a_fused_operation_moves_only_what_depends_on_it() -> None:
    fused, written = (model_of(name).record(PROMPT) for name in ("gpt, fused", "gpt"))
    name = "blocks.1.attention.attention_weights"
    number = fused[name][0, 2, -1, 3]
    assert number.rerun
    replay = fused.replay({number: 0.18})
    first = replay.differences[0]
    assert (first.name, first.changed) == ("blocks.1.attention.mixed", 6)
    expected = written.replay({written[name][0, 2, -1, 3]: 0.18})
    torch.testing.assert_close(replay["logits"], expected["logits"])
    assert torch.equal(replay["logits"][0, :-1], fused["logits"].tensor[0, :-1])


def test_several_changes_at_once() -> None:
    pass_ = model_of("gpt").record(PROMPT)
    one, other = pass_["blocks.0"][0, 3, 2], pass_["blocks.1.feed_forward.up"][0, 3, 2]
    both = pass_.replay({one: 1.0, other: 2.0})
    assert both.value(other) == 2.0
    alone = pass_.replay({other: 2.0})
    assert not torch.equal(both["logits"], alone["logits"])


def test_random_draws_stay_as_they_were() -> None:
    pass_ = model_of("gpt, dropout").record(PROMPT)
    number = pass_["token_embedding"][0, 2, 3]
    replay = pass_.replay({number: 5.0})
    kept = next(tensor for tensor in pass_.list() if tensor.name.endswith("kept"))
    assert torch.equal(replay[kept.name], kept.tensor)
    assert replay.held == []


def test_a_number_that_left_pytorch_is_held_and_said() -> None:
    class Breaks(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"out": x * x.max().item()}

    pass_ = record(Breaks(), torch.tensor([1.0, 3.0]))
    replay = pass_.replay({pass_["x"][1]: 7.0})
    assert replay["out"].tolist() == [3.0, 21.0]
    assert replay.held == ["aten._local_scalar_dense.default"]
    assert "held as it was" in str(replay)


def test_numbers_that_are_overwritten_are_changed_at_their_time() -> None:
    x = torch.tensor([1.0, 2.0])

    def compute() -> dict[str, Tensor]:
        y = x * 1
        before = y + 0
        y.mul_(10)
        return {"before": before, "y": y}

    pass_ = recorded(None, compute, {"x": x})
    replay = pass_.replay({pass_["y"][0]: -1.0})  # behind the multiplication
    assert replay["before"].tolist() == [1.0, 2.0]
    assert replay["y"].tolist() == [-1.0, 20.0]
    replay = pass_.replay({pass_["before"][0].terms[0]: 4.0})  # before it
    assert replay["before"].tolist() == [4.0, 2.0]
    assert replay["y"].tolist() == [40.0, 20.0]
    assert pass_["y"].tensor.tolist() == [10.0, 20.0]


def test_a_token_can_be_another() -> None:
    model = model_of("gpt")
    pass_ = model.record(PROMPT)
    other = PROMPT[:3] + "x" + PROMPT[4:]
    replay = pass_.replay({pass_["token_ids"][0, 3]: model.token_ids("x")[0]})
    assert torch.equal(replay["logits"], model.record(other)["logits"].tensor)


def test_what_cannot_be_changed_is_refused() -> None:
    pass_ = model_of("gpt").record(PROMPT)
    for changes, error, said in (
        ({}, UsageError, "nothing is changed"),
        ({pass_["token_ids"][0, 3]: 0.5}, UsageError, "is a whole number"),
        ({pass_["blocks.0"][0, 3, 1]: "x"}, UsageError, "can only be given a number"),
        ({model_of("gpt").record(PROMPT)["blocks.0"][0, 3, 1]: 1.0}, UsageError, "belongs to another record"),
    ):
        with pytest.raises(error, match=said):
            pass_.replay(changes)


def test_an_index_of_a_row_that_there_is_not_is_refused() -> None:
    pass_ = model_of("gpt").record(PROMPT)
    with pytest.raises(InputError, match="cannot be carried out") as caught:
        pass_.replay({pass_["token_ids"][0, 3]: 10**6})
    assert "aten.embedding" in str(caught.value)


def test_a_change_that_would_change_shapes_is_refused() -> None:
    x = torch.tensor([1.0, -1.0, 2.0])
    pass_ = recorded(None, lambda: {"out": x[x > 0] * 2}, {"x": x})
    with pytest.raises(InputError, match="gives another shape"):
        pass_.replay({pass_["x"][1]: 1.0})
