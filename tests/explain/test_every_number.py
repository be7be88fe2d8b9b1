"""Every element of every tensor that a pass records is recomputed in float64 from its explanation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from foreign_networks import ARCHITECTURES, FOREIGN
from recorded_models import MODELS, PROMPT, TRANSFORMERS, WITHOUT_TEXT, bare_network_of, model_of, transformer_of
from torch import nn

from everysum.explain import record
from everysum.explain.record import recorded

MODES = {"with gradients": torch.enable_grad, "without": torch.no_grad, "inference mode": torch.inference_mode}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FOREIGN)
def test_of_other_peoples_networks(name: str, mode: str) -> None:
    case = FOREIGN[name]()
    with MODES[mode]():
        verdict = record(case.network, *case.arguments, **case.named).verify()
    assert verdict.numbers > 4_000
    assert (verdict.unexplained, verdict.wrong) == (0, 0), str(verdict)
    assert verdict.worst < 1e-5


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_of_architectures_that_nobody_prepared_for(name: str) -> None:
    case = ARCHITECTURES[name]()
    with torch.no_grad():
        verdict = record(case.network, **case.named).verify()
    assert verdict.numbers > 10_000
    assert (verdict.unexplained, verdict.wrong) == (0, 0), str(verdict)


@pytest.mark.parametrize("name", MODELS)
def test_of_our_networks(name: str) -> None:
    model = model_of(name)
    verdict = model.record(PROMPT).verify()
    assert verdict.numbers > 20_000
    assert (verdict.unexplained, verdict.wrong) == (0, 0), str(verdict)
    assert verdict.worst < 1e-5
    assert (verdict.drawn > 0) == ("dropout" in name)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_of_our_translators(name: str) -> None:
    verdict = transformer_of(name).record(PROMPT, target="Wer fällt").verify()
    assert verdict.numbers > 20_000
    assert (verdict.unexplained, verdict.wrong) == (0, 0), str(verdict)
    assert verdict.worst < 1e-5
    assert (verdict.drawn > 0) == ("dropout" in name)


@pytest.mark.parametrize("name", WITHOUT_TEXT)
def test_of_the_networks_of_the_first_chapters(name: str) -> None:
    network, inputs = bare_network_of(name)
    pass_ = record(network, inputs)
    verdict = pass_.verify()
    assert verdict.numbers >= 10
    assert (verdict.unexplained, verdict.wrong) == (0, 0), str(verdict)
    assert verdict.worst < 1e-5


@pytest.mark.parametrize("name", ["gpt", "llama"])
def test_of_a_batch_that_goes_on_behind_our_cache(name: str) -> None:
    network = model_of(name).network
    cache = network.new_cache(2, 8)
    first, second = torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([[7], [8]])
    with torch.inference_mode():
        network(first, None, cache)
        pass_ = recorded(network, lambda: network.head(network(second, None, cache)), {"token_ids": second})
    verdict = pass_.verify()
    assert (verdict.unexplained, verdict.wrong) == (0, 0), str(verdict)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["gpt, fused", "llama, written out"])
def test_in_other_precisions(name: str, dtype: torch.dtype) -> None:
    model = model_of(name)
    model.network.to(dtype)
    verdict = model.record(PROMPT).verify()
    assert (verdict.unexplained, verdict.wrong) == (0, 0), str(verdict)


def test_a_sample_is_a_sample() -> None:
    pass_ = model_of("gpt").record(PROMPT)
    verdict = pass_.verify(500, seed=1)
    assert verdict.numbers + verdict.drawn == 500
    assert (verdict.unexplained, verdict.wrong) == (0, 0)
    assert verdict.as_json() == pass_.verify(500, seed=1).as_json()


class Writes(nn.Module):
    """What makes provenance hard: numbers overwritten while views of them are about."""

    def forward(self, x: torch.Tensor) -> dict[str, Any]:
        kept = x * 1
        view = kept[:, 1:]
        before = view + 0.5
        kept.mul_(2)
        view[0] = torch.arange(3.0)
        kept[:, 0] += view[:, 2]
        turned = kept.t().contiguous()
        turned.sub_(before.t()[:1])
        filled = torch.empty(2, 4)
        filled[0], filled[1] = kept[0], turned[:, 1]
        return {"before": before, "kept": kept, "view": view, "turned": turned, "filled": filled}


def test_where_numbers_are_overwritten_each_is_explained_as_it_was_at_its_time() -> None:
    x = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    pass_ = record(Writes(), x)
    verdict = pass_.verify()
    assert (verdict.unexplained, verdict.wrong) == (0, 0), str(verdict)
    before = pass_["before"][1, 0]
    assert before.terms[0].value == pytest.approx(x[1, 1].item())  # and not twice that, which it is by now
    assert pass_["view"][0, 1].terms[0].name.startswith("arange")
    assert pass_["kept"][1, 3].value == pytest.approx(2 * x[1, 3].item())
