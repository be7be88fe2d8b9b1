from __future__ import annotations

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from everysum.errors import InputError, ModelFolderError, UsageError
from everysum.generation.generate import Generated, generate, steps
from everysum.generation.sampling import GREEDY, Sampling
from everysum.generation.windows import window
from everysum.models.network import Network
from everysum.pretrained.gpt2 import GPT2
from everysum.pretrained.qwen3 import QWEN3

PROMPTS = [[3], [1, 2], [9, 8, 7, 6, 5, 4, 3], [20, 21, 22, 0, 1, 2, 3, 4], [5, 6, 5]]
SETTINGS = [GREEDY, Sampling(), Sampling(temperature=1.5, top_k=9, top_p=0.95)]


@pytest.mark.parametrize("sampling", SETTINGS)
@pytest.mark.parametrize("tokens", [1, 5, 40])
def test_cached_uncached_batched_and_one_by_one_agree(network: Network, sampling: Sampling, tokens: int) -> None:
    together = generate(network, PROMPTS, tokens=tokens, sampling=sampling, seed=4)
    uncached = generate(network, PROMPTS, tokens=tokens, sampling=sampling, seed=4, use_cache=False)
    alone = [generate(network, [prompt], tokens=tokens, sampling=sampling, seed=4)[0] for prompt in PROMPTS]
    assert together == uncached == alone
    assert {len(text.token_ids) for text in together} == {tokens}
    assert tokens == 1 or len(set(together)) > 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_greedy_goes_on_beyond_the_context_with_its_last_half(network: Network, dtype: torch.dtype) -> None:
    network.to(dtype)
    text = [5, 1, 4]
    for _ in range(30):
        hidden = network(torch.tensor([text[-window(len(text), 8) :]]))
        text.append(int(network.head(hidden[0, -1]).argmax()))
    for use_cache in (True, False):
        generated = generate(network, [[5, 1, 4]], tokens=30, sampling=GREEDY, use_cache=use_cache)
        assert list(generated[0].token_ids) == text[3:]


@pytest.mark.parametrize("kind", ["gpt", "llama"])
@pytest.mark.parametrize("context_length", [1, 2])
def test_the_smallest_contexts_generate(build, kind: str, context_length: int) -> None:
    network = build(kind, context_length=context_length)
    prompts = [[3], [7] * context_length]
    cached, uncached = (
        generate(network, prompts, tokens=9, sampling=Sampling(), seed=1, use_cache=use_cache)
        for use_cache in (True, False)
    )
    assert cached == uncached
    assert [len(text.token_ids) for text in cached] == [9, 9]


@pytest.mark.parametrize("length", [7, 8])
def test_a_prompt_may_fill_the_context(network: Network, length: int) -> None:
    assert len(generate(network, [[1] * length], tokens=12)[0].token_ids) == 12


def tiny_gpt2() -> tuple[PreTrainedModel, Network]:
    configuration = GPT2Config(
        vocab_size=61,
        n_positions=64,
        n_embd=24,
        n_layer=3,
        n_head=4,
        initializer_range=0.6,
        bos_token_id=None,
        eos_token_id=None,
    )
    theirs = GPT2LMHeadModel(configuration)
    return theirs, GPT2.network_from(configuration.to_dict())


def tiny_qwen3() -> tuple[PreTrainedModel, Network]:
    configuration = Qwen3Config(
        vocab_size=61,
        max_position_embeddings=64,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        initializer_range=0.6,
    )
    return Qwen3ForCausalLM(configuration), QWEN3.network_from(configuration.to_dict())


@pytest.mark.parametrize(("build_both", "family"), [(tiny_gpt2, GPT2), (tiny_qwen3, QWEN3)])
def test_greedy_texts_are_those_of_transformers(build_both, family) -> None:
    torch.manual_seed(2)
    theirs, ours = build_both()
    theirs.double().eval()
    ours.double().load_state_dict(family.ours(ours, theirs.state_dict()))
    prompts = [[5], [1, 2, 3, 4], [60, 0, 30, 31, 32, 33]]
    generated = generate(ours, prompts, tokens=40, sampling=GREEDY)
    for prompt, text in zip(prompts, generated, strict=True):
        ids = torch.tensor([prompt])
        # without a mask transformers would take the token 0 for padding
        output = theirs.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=40, do_sample=False, pad_token_id=0
        )
        assert list(text.token_ids) == output[0, len(prompt) :].tolist()
    assert len({text.token_ids[-8:] for text in generated}) > 1


def test_the_same_seed_gives_the_same_text_and_another_one_another(network: Network) -> None:
    texts = [generate(network, [[1, 2]], tokens=20, seed=seed)[0] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_equal_prompts_get_different_texts_from_different_seeds(network: Network) -> None:
    together = generate(network, [[1, 2]] * 3, tokens=20, seed=[5, 6, 5])
    assert together[0] == together[2] != together[1]
    assert together[1] == generate(network, [[1, 2]], tokens=20, seed=6)[0]


def test_asking_for_more_tokens_only_adds_some(network: Network) -> None:
    few, many = (generate(network, [[4]], tokens=tokens, seed=3)[0].token_ids for tokens in (5, 30))
    assert many[:5] == few


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_weights_of_any_precision_generate(network: Network, dtype: torch.dtype) -> None:
    network.to(dtype)
    step = next(steps(network, [[1, 2, 3]], tokens=1))
    assert step.logits.dtype == dtype
    assert len(generate(network, [[1, 2, 3]], tokens=20, sampling=Sampling(top_p=0.9))[0].token_ids) == 20


def test_a_text_ends_at_end_of_text_while_the_others_go_on(reciter) -> None:
    # 10 words and the end, which is 10; each prompt has another way to it
    generated = generate(reciter(11), [[7], [2, 8], [0], [9]], tokens=5, sampling=GREEDY, end_of_text=10)
    assert generated == [
        Generated((8, 9), "end_of_text"),
        Generated((9,), "end_of_text"),
        Generated((1, 2, 3, 4, 5), "tokens"),
        Generated((), "end_of_text"),
    ]


def test_a_row_that_ends_leaves_the_others_texts_unchanged(network: Network) -> None:
    free = generate(network, PROMPTS, tokens=25, seed=9)
    end_of_text = free[1].token_ids[12]
    for prompt_free, prompt_ended in zip(
        free, generate(network, PROMPTS, tokens=25, seed=9, end_of_text=end_of_text), strict=True
    ):
        ids = prompt_free.token_ids
        assert prompt_ended.token_ids == (ids[: ids.index(end_of_text)] if end_of_text in ids else ids)


def test_steps_say_which_prompts_go_on_and_what_they_chose_from(reciter) -> None:
    coming = list(steps(reciter(5), [[0], [2]], tokens=3, sampling=GREEDY, over=lambda row, token_id: token_id == 4))
    assert [step.rows for step in coming] == [(0, 1), (0, 1), (0,)]
    assert [step.token_ids for step in coming] == [(1, 3), (2, 4), (3,)]
    assert coming[2].logits.tolist() == [[0, 0, 0, 1, 0]]


def test_nothing_is_computed_that_nobody_asked_for(reciter, monkeypatch: pytest.MonkeyPatch) -> None:
    network, calls = reciter(9), []
    forward = network.forward
    monkeypatch.setattr(network, "forward", lambda ids, **more: calls.append(ids) or forward(ids, **more))
    coming = steps(network, [[0, 1]], tokens=3)
    assert not calls
    next(coming)
    assert len(calls) == 1
    assert len(list(coming)) == 2
    assert len(calls) == 3
    assert generate(network, [[1]], tokens=0) == [Generated((), "tokens")]
    assert generate(network, [], tokens=4) == []
    assert len(calls) == 3


def test_generating_leaves_no_trace_in_gradients(network: Network) -> None:
    for step in steps(network, [[1, 2]], tokens=3):
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()
        assert not step.logits.requires_grad
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("prompts", "text"),
    [
        (
            [[]],
            "the prompt has no tokens, and a model can only say what comes after some\n  wanted: at least 1 token\n"
            "  came: 0 tokens\n  do: begin with the end-of-text token to start a new text",
        ),
        ([[1], [], [2]], "prompt 2 of 3 has no tokens"),
        (
            [[1] * 9],
            "the prompt is longer than the model's context\n  wanted: at most 8 tokens\n  came: 9 tokens\n"
            "  do: shorten it, or take a model with a longer context",
        ),
        ([[1], [1] * 800], "prompt 2 of 2 is longer than the model's context\n  wanted: at most 8 tokens\n  came: 800"),
        (
            [[1, 23]],
            "the prompt has a token that the model does not know\n  wanted: token ids from 0 to 22\n  came: 23\n"
            "  do: encode it with the tokenizer of this model",
        ),
        ([[-1]], "  came: -1"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused_before_anything_is_computed(
    network: Network, prompts: list[list[int]], text: str
) -> None:
    with pytest.raises(InputError) as refusal:
        steps(network, prompts, tokens=5)
    assert text in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"tokens": -1}, "the number of tokens to generate cannot be negative\n  wanted: 0 or more\n  came: -1"),
        ({"tokens": 1, "seed": -1}, "this seed cannot be\n  wanted: a whole number from 0 to 2⁶³ − 1\n  came: -1"),
        ({"tokens": 1, "seed": 2**64}, "this seed cannot be"),
        ({"tokens": 1, "seed": [1, 2]}, "each prompt needs a seed\n  wanted: one seed for all, or 1\n  came: 2"),
    ],
)
def test_impossible_wishes_are_refused(network: Network, values: dict[str, int], text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        generate(network, [[1]], **values)
    assert text in str(refusal.value)


def test_damaged_weights_are_named_as_the_cause(network: Network) -> None:
    with torch.no_grad():
        network.token_embedding.weight[0, 0] = torch.nan
    with pytest.raises(ModelFolderError) as refusal:
        generate(network, [[0]], tokens=3)
    assert str(refusal.value) == (
        "the model's logits are not numbers: its weights are damaged, or too large for torch.float64\n"
        "  do: get or train the model again, or load it in float32"
    )
