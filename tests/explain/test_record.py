"""Recording: the pass itself is not changed, and what cannot be seen is said."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from foreign_networks import gpt2, torch_transformer
from recorded_models import PROMPT, model_of, transformer_of
from torch import Tensor, nn
from torch.nn.modules import module as module_hooks

import everysum
from everysum.errors import InputError, UsageError
from everysum.explain import record
from everysum.explain.record import recorded


class Neuron(nn.Module):
    """A layer of neurons with a place to put something in."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"out": torch.tanh(self.linear(x))}


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, generator=torch.Generator().manual_seed(0))


def refusal(error: type[Exception], call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(error) as caught:
        call(*arguments, **named)
    return str(caught.value)


# --- the pass is what it would have been -----------------------------------------------------------------------------


@pytest.mark.parametrize("train", [False, True])
def test_recording_changes_no_result(train: bool) -> None:
    case = gpt2("sdpa", train=train)
    torch.manual_seed(5)
    plain = case().logits
    torch.manual_seed(5)
    pass_ = record(case.network, *case.arguments)
    assert torch.equal(plain, pass_.result.logits)
    assert torch.equal(plain, pass_["logits"].tensor)


def test_gradients_still_flow_through_a_recorded_pass(x: Tensor) -> None:
    network = Neuron()
    network(x)["out"].sum().backward()
    plain = network.linear.weight.grad.clone()
    network.zero_grad()
    record(network, x).result["out"].sum().backward()
    assert torch.equal(plain, network.linear.weight.grad)


def test_everything_that_recording_switches_is_switched_back() -> None:
    hooks = len(module_hooks._global_forward_hooks), len(module_hooks._global_forward_pre_hooks)
    case = torch_transformer()
    with torch.no_grad():
        record(case.network, *case.arguments)
    assert torch.backends.mha.get_fastpath_enabled()
    assert hooks == (len(module_hooks._global_forward_hooks), len(module_hooks._global_forward_pre_hooks))


def test_numbers_are_kept_and_weights_are_not_copied(x: Tensor) -> None:
    network = Neuron()
    pass_ = record(network, x)
    weight = pass_["linear.weight"].view.storage.memory
    assert weight.data_ptr() == network.linear.weight.untyped_storage().data_ptr()


def test_es_record_is_the_same_function() -> None:
    assert everysum.record is record


def test_a_model_records_a_prompt_with_its_prediction() -> None:
    pass_ = model_of("gpt").record(PROMPT)
    assert pass_["logits"].shape == (1, 12, 258)
    assert pass_["probabilities"].tensor.sum(-1) == pytest.approx(torch.ones(1, 12))
    assert pass_["loss"].view.count == 1
    ids = torch.tensor([model_of("gpt").token_ids(PROMPT)])
    torch.testing.assert_close(pass_["logits"].tensor, model_of("gpt").logits(ids).clone())


def test_a_model_refuses_a_prompt_longer_than_its_context() -> None:
    assert "longer than the model's context" in refusal(InputError, model_of("gpt").record, PROMPT * 2)


# --- honesty ---------------------------------------------------------------------------------------------------------


def change_a_weight(network: Neuron, x: Tensor) -> None:
    with torch.no_grad():
        network.linear.weight[0, 0] += 1


def train_on(network: Neuron, x: Tensor) -> None:
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network(x)["out"].sum().backward()
    optimizer.step()


def change_behind_the_back(network: Neuron, x: Tensor) -> None:
    network.linear.weight.data.mul_(2)  # which PyTorch does not count as a change


def change_the_input(network: Neuron, x: Tensor) -> None:
    x.add_(1)


@pytest.mark.parametrize("change", [change_a_weight, train_on, change_behind_the_back, change_the_input])
@pytest.mark.parametrize("ask", ["explain", "verify", "replay"])
def test_a_record_whose_numbers_have_changed_since_refuses(change: Any, ask: str, x: Tensor) -> None:
    network = Neuron()
    pass_ = record(network, x)
    number = pass_["linear"][0, 0]
    assert number.recomputed is not None
    change(network, x)
    number = pass_["linear"][0, 0]
    call = {"explain": lambda: number.recomputed, "verify": pass_.verify, "replay": lambda: pass_.replay({number: 1.0})}
    said = refusal(InputError, call[ask])
    assert "has changed since this pass was recorded" in said
    assert ("x has" if change is change_the_input else "linear.weight has") in said
    assert "record the pass again" in said


def test_weights_that_moved_to_another_place_leave_the_record_as_it_was(x: Tensor) -> None:
    network = Neuron()
    pass_ = record(network, x)
    before = pass_["out"][1, 1].value
    network.double()
    assert pass_["out"][1, 1].value == before
    assert pass_.verify().wrong == 0


def test_a_weight_that_the_pass_itself_changes_is_explained_as_it_was() -> None:
    network = nn.BatchNorm1d(3).train()
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    pass_ = record(network, x)
    verdict = pass_.verify()
    assert verdict.wrong == 0
    assert pass_["num_batches_tracked"].tensor == 0
    assert network.num_batches_tracked == 1


def test_a_number_that_left_pytorch_is_said(x: Tensor) -> None:
    class Breaks(Neuron):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            scale = self.linear(x).max().item()
            return {"out": x * torch.tensor([scale, 2.0, 3.0])}

    pass_ = record(Breaks(), x)
    (place,) = pass_.chain_breaks
    assert place.startswith("test_record.py:")
    constant = pass_["out"][0, 0].terms[1]
    assert constant.kind == "given"
    assert f"a constant of the program; numbers of the pass became the program's own at {place}" in str(
        constant.explain()
    )
    assert pass_.verify().wrong == 0


def test_a_module_that_raises_leaves_the_record_up_to_there(x: Tensor) -> None:
    class Fails(Neuron):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            hidden = self.linear(x) * 2
            return {"out": hidden @ x.t()}

    with pytest.warns(UserWarning, match="the pass ended half-way"):
        pass_ = record(Fails(), x)
    assert isinstance(pass_.error, RuntimeError)
    assert pass_["hidden"][0, 0].agrees
    assert pass_.verify().numbers == 8
    said = refusal(InputError, pass_.__getitem__, "out")
    assert "out was not made: the pass ended half-way (RuntimeError" in said
    record(Neuron(), x)  # and nothing is left behind


def test_a_call_that_does_not_fit_is_the_programs_own_error(x: Tensor) -> None:
    with pytest.warns(UserWarning, match="TypeError"):
        pass_ = record(Neuron(), x, 3)
    assert isinstance(pass_.error, TypeError)


# --- giving up -------------------------------------------------------------------------------------------------------


class Enough(KeyboardInterrupt):
    """Nobody waits any more."""


def after(count: int) -> Callable[[], None]:
    """Lets so many operations pass, and gives up before the next."""
    seen = iter(range(count))

    def watch() -> None:
        if next(seen, None) is None:
            raise Enough

    return watch


def test_a_pass_is_given_up_between_two_operations_and_another_can_be_recorded() -> None:
    model = model_of("gpt")
    whole = model.record(PROMPT)
    operations: list[int] = []
    model.record(PROMPT, watch=lambda: operations.append(1))
    assert len(operations) == len(whole.operations)
    for count in (0, 20, len(operations) - 1):
        with pytest.raises(Enough):
            model.record(PROMPT, watch=after(count))
    assert torch.equal(model.record(PROMPT)["logits"].tensor, whole["logits"].tensor)
    assert not module_hooks._global_forward_pre_hooks


def test_a_translation_and_a_replay_are_given_up_too() -> None:
    with pytest.raises(Enough):
        transformer_of("pre-norm, written out").record(PROMPT, target="Wer", watch=after(30))
    pass_ = model_of("gpt").record(PROMPT)
    with pytest.raises(Enough):
        pass_.replay({pass_["token_embedding"][0, 3, 1]: 1.0}, watch=after(30))


# --- refusals --------------------------------------------------------------------------------------------------------


def test_two_records_at_once_are_refused(x: Tensor) -> None:
    said: list[str] = []

    class Inside(Neuron):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            said.append(refusal(UsageError, record, self.linear, x))
            thread = threading.Thread(target=lambda: said.append(refusal(UsageError, record, self.linear, x)))
            thread.start()
            thread.join()
            return super().forward(x)

    pass_ = record(Inside(), x)
    assert len(said) == 2
    assert all("another pass is being recorded" in text for text in said)
    assert pass_.verify().wrong == 0


def test_other_threads_are_not_recorded(x: Tensor) -> None:
    class WithAHelper(Neuron):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            thread = threading.Thread(target=lambda: nn.Linear(3, 3)(x))
            thread.start()
            thread.join()
            return super().forward(x)

    pass_ = record(WithAHelper(), x)
    assert [call.path for call in pass_.calls] == ["linear", ""]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_module_is_refused_with_what_to_do(x: Tensor) -> None:
    said = refusal(UsageError, record, torch.compile(Neuron()), x)
    assert "this module is compiled" in said
    assert "compiled._orig_mod" in said
    network = Neuron()
    network.linear.compile()
    assert "the module linear is compiled" in refusal(UsageError, record, network, x)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_a_quantized_module_is_refused_with_what_to_do(x: Tensor) -> None:
    network = Neuron()
    network.register_buffer("packed", torch.quantize_per_tensor(x, 0.1, 0, torch.qint8))
    said = refusal(UsageError, record, network, x)
    assert "is quantized" in said
    assert "load the model without quantization" in said


def test_a_module_without_numbers_is_refused(x: Tensor) -> None:
    assert "on the meta device" in refusal(UsageError, record, Neuron().to("meta"), x)


def test_what_is_no_module_is_refused(x: Tensor) -> None:
    assert "only a torch module can be recorded" in refusal(UsageError, record, torch.tanh, x)


def test_fused_kernels_are_opened_and_marked_as_a_rerun() -> None:
    pass_ = model_of("gpt, fused").record(PROMPT)
    inside = pass_["blocks.1.attention.attention_weights"]
    assert inside.rerun
    assert inside[0, 2, -1, 3].rerun
    assert "from a re-run of the fused operation" in str(inside[0, 2, -1, 3].explain())
    mixed = pass_["blocks.1.attention.mixed"][0, 0, -1, 2]
    assert not mixed.rerun
    assert mixed.kind == "sum"
    assert len(mixed.terms) == 12
    assert "from a re-run of the fused operation" in str(mixed.explain())
    written = model_of("gpt").record(PROMPT)["blocks.1.attention.attention_weights"]
    torch.testing.assert_close(inside.tensor, written.tensor)


def test_a_function_can_be_recorded_too() -> None:
    pass_ = recorded(None, lambda: {"sum": torch.ones(3) + 1}, {})
    assert pass_["sum"].tensor.tolist() == [2.0, 2.0, 2.0]
