"""A prediction in three views: the last sum, the residual stream, the path."""

from __future__ import annotations

import json

import pytest
import torch
from foreign_networks import FOREIGN, Case, gpt2, llama, marian
from recorded_models import MODELS, PROMPT, model_of
from torch.nn import functional

from everysum.errors import InputError
from everysum.explain import record


@pytest.mark.parametrize("name", MODELS)
def test_our_logits_are_the_sum_of_what_was_added_to_the_stream(name: str) -> None:
    prediction = model_of(name).record(PROMPT).prediction()
    for rank in range(3):
        residual = prediction.residual(rank)
        assert abs(residual.difference) <= 1e-5 * residual.magnitude
        kinds = [part.kind for part in residual.contributions]
        assert kinds.count("attention") == 2 * 4
        assert kinds.count("feed-forward") == 2
        assert kinds.count("embedding") == (2 if name.startswith("gpt") else 1)
        assert "other" not in kinds
        assert residual.held


@pytest.mark.parametrize("name", [name for name in FOREIGN if "torch.nn" not in name])
def test_other_peoples_logits_are_too(name: str) -> None:
    case = FOREIGN[name]()
    pass_ = record(case.network, *case.arguments, **case.named)
    residual = pass_.prediction().residual()
    assert abs(residual.difference) <= 1e-5 * residual.magnitude
    kinds = {part.kind for part in residual.contributions}
    assert {"embedding", "attention", "feed-forward"} <= kinds
    assert "other" not in kinds


def test_the_shares_of_heads_are_those_of_a_plain_loop() -> None:
    """In float64, with the final norm's scale held: head h of block 1 adds W_o[:, h] · mixed[h]."""
    model = model_of("gpt")
    network = model.network.double()
    pass_ = model.record(PROMPT)
    residual = pass_.prediction().residual()
    token = residual.number.write[2][-1]
    stream = pass_["blocks.1"].tensor[0, -1]
    scale = 1 / torch.sqrt(stream.var(correction=0) + network.normalization.epsilon)
    direction = network.head_weight[token].detach() * network.normalization.weight.detach()
    direction = (direction - direction.mean()) * scale
    for block in (0, 1):
        mixed = pass_[f"blocks.{block}.attention.mixed"].tensor[0, :, -1]
        weight = network.blocks[block].attention.output.weight.detach()
        for head in range(4):
            added = weight[:, head * 6 : head * 6 + 6] @ mixed[head]
            share = next(p.value for p in residual.contributions if p.name == f"blocks.{block}.attention, head {head}")
            assert share == pytest.approx((added @ direction).item(), abs=1e-12)
        fed = (
            pass_[f"blocks.{block}.feed_forward"].tensor[0, -1] - network.blocks[block].feed_forward.down.bias.detach()
        )
        share = next(
            p.value for p in residual.contributions if p.name == f"blocks.{block}.feed_forward" and p.kind != "bias"
        )
        assert share == pytest.approx((fed @ direction).item(), abs=1e-12)


def test_in_float64_nothing_is_left_over() -> None:
    for case in (gpt2(), llama("sdpa"), marian()):
        case.network.double()
        pass_ = record(case.network, *case.arguments, **case.named)
        residual = pass_.prediction().residual()
        # transformers rounds RMSNorm to float32 whatever the type
        allowed = 1e-6 if "Llama" in type(case.network).__name__ else 1e-12
        assert abs(residual.difference) <= allowed * residual.magnitude


def test_the_candidates_are_the_likeliest_tokens() -> None:
    model = model_of("gpt")
    pass_ = model.record(PROMPT)
    prediction = pass_.prediction(count=4)
    probabilities = functional.softmax(pass_["logits"].tensor[0, -1].double(), dim=-1)
    expected = probabilities.topk(4)
    assert [candidate.token_id for candidate in prediction.candidates] == expected.indices.tolist()
    assert [candidate.probability for candidate in prediction.candidates] == pytest.approx(expected.values.tolist())
    assert prediction.candidates[0].text == model.token_text(expected.indices[0].item())
    earlier = pass_.prediction("D").candidates[0]
    assert earlier.logit.name.startswith(f"logits[0, {PROMPT.index('D')}, ")


def test_the_path_goes_down_to_a_token_a_weight_or_a_constant() -> None:
    for name in ("gpt", "llama"):
        prediction = model_of(name).record(PROMPT).prediction()
        for rank in range(5):
            path = prediction.path(rank)
            assert path[0] == prediction.candidates[rank].logit
            assert path[-1].kind == "given"
            assert len(path) > 4


def test_the_first_view_is_the_heads_sum() -> None:
    prediction = model_of("gpt").record(PROMPT).prediction()
    explanation = prediction.sum(shown=5)
    assert len(explanation.terms) == 24
    assert "19 more terms, added up" in str(explanation)


def test_all_three_in_text_and_as_data() -> None:
    prediction = model_of("llama").record(PROMPT).prediction()
    text = str(prediction)
    assert "through the residual stream:" in text
    assert "held as in this pass: the scale of normalization" in text
    assert "the path of the largest terms:" in text
    data = prediction.as_json()
    assert json.loads(json.dumps(data)) == data
    assert data["residual"]["held"] == ["normalization"]
    assert sum(part["value"] for part in data["residual"]["contributions"]) == pytest.approx(data["residual"]["total"])


def test_of_a_batch_any_row() -> None:
    case: Case = gpt2()
    pass_ = record(case.network, *case.arguments)
    number = pass_.prediction(2, row=1).candidates[0].logit
    assert number.value == pass_["logits"].tensor[1, 2].max().item()
    assert abs(pass_.prediction(2, row=1).residual().difference) < 1e-6


def test_what_is_no_logit_is_refused() -> None:
    pass_ = model_of("gpt").record(PROMPT)
    with pytest.raises(InputError, match="is no logit"):
        pass_["blocks.0.attention.attention_weights"][0, 0, 0, 0].record.residual(
            pass_["blocks.0.feed_forward.gelu"][0, 0, 0]
        )
    with pytest.raises(InputError, match="no logits over a vocabulary"):
        pass_.prediction(logits="loss")
