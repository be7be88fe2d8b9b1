"""Every token is scored once; the loss is that of a plain loop over the text."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from everysum.data.token_files import TokenFile
from everysum.errors import InputError, UsageError
from everysum.models.gpt import GPT
from everysum.models.network import Network
from everysum.tokenizers import train_tokenizer
from everysum.training.evaluation import Measurement, evaluate_tokens, token_sizes

CONTEXT, VOCABULARY, END = 8, 11, 10
SIZES = torch.tensor([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 0])


@pytest.fixture
def network() -> Network:
    network = GPT(vocabulary_size=VOCABULARY, context_length=CONTEXT, width=12, layers=2, heads=2, dropout=0.5)
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            parameter.normal_(0, 0.6, generator=torch.Generator().manual_seed(number))
    return network.double()


def token_file(folder: Path, ids: list[int]) -> TokenFile:
    path = folder / "tokens.bin"
    np.array(ids, dtype="<u2").tofile(path)
    return TokenFile(path, VOCABULARY, END, len(ids), ids.count(END) - 1, sum(SIZES[ids].tolist()))


def documents(lengths: list[int]) -> list[int]:
    generator = torch.Generator().manual_seed(9)
    ids = [END]
    for length in lengths:
        ids += [*torch.randint(END, (length,), generator=generator).tolist(), END]
    return ids


def plain_losses(network: Network, ids: list[int], stride: int) -> list[float]:
    """Token by token: from its window on, back to the end of text before its document; no batch, no mask, no chunk."""
    network = network.eval()
    last = len(ids) - 1
    window = min(CONTEXT, last)
    losses, end, start = [], 0, 0
    while end < last:
        start = min(start, last - window)
        for target in range(end + 1, start + window + 1):
            begin = max([start, *(place for place in range(start, target) if ids[place] == END)])
            with torch.no_grad():
                hidden = at_positions(network, ids[begin:target], begin - start)
                logits = network.head(hidden).tolist()
            largest = max(logits)
            total = math.fsum(math.exp(logit - largest) for logit in logits)
            losses.append(-(logits[ids[target]] - largest - math.log(total)))
        end, start = start + window, start + stride
    return losses


def at_positions(network: Network, ids: list[int], first: int) -> torch.Tensor:
    """The last hidden state where the document stands at `first` of its window: what is before it is not seen."""
    padded = torch.tensor([[0] * first + ids])
    length = padded.shape[1]
    visible = torch.ones(length, length, dtype=torch.bool).tril()
    visible[first:, :first] = False
    return network(padded, visible[None, None])[0, -1]


TEXTS = [[40], [5, 9, 1, 20, 3], [3], [7], [8], [1, 1, 1, 1, 1, 1, 1, 1]]


@pytest.mark.parametrize("stride", [CONTEXT, CONTEXT // 2, 1, 3])
@pytest.mark.parametrize("lengths", TEXTS)
def test_the_loss_is_that_of_a_plain_loop(network: Network, tmp_path: Path, lengths: list[int], stride: int) -> None:
    ids = documents(lengths)
    found = evaluate_tokens(network, token_file(tmp_path, ids), SIZES, stride=stride)
    expected = plain_losses(network, ids, min(stride, len(ids) - 1))
    assert found.tokens == len(expected) == len(ids) - 1
    assert found.bytes == sum(SIZES[ids[1:]].tolist())
    assert found.loss == pytest.approx(math.fsum(expected) / len(expected), rel=1e-12)


def test_the_figures_that_follow_from_the_loss() -> None:
    """Four equally likely tokens, of two bytes each: 2 bits a token, 1 bit a byte."""
    measured = Measurement(loss=math.log(4), tokens=100, bytes=200, window=8, stride=4)
    assert measured.perplexity == pytest.approx(4)
    assert measured.bits_per_byte == pytest.approx(1)
    assert Measurement.from_json(measured.as_json()) == measured
    assert Measurement(1e6, 1, 1, 1, 1).perplexity < math.inf


def test_the_stride_is_half_the_context_unless_said(network: Network, tmp_path: Path) -> None:
    found = evaluate_tokens(network, token_file(tmp_path, documents([40])), SIZES)
    assert (found.window, found.stride) == (CONTEXT, CONTEXT // 2)
    short = evaluate_tokens(network, token_file(tmp_path, documents([2])), SIZES)
    assert (short.window, short.stride, short.tokens) == (3, 1, 3)


def test_a_model_that_looks_back_far_is_measured_in_shorter_windows(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everysum.training.evaluation.LARGEST_WINDOW", 4)
    measured = evaluate_tokens(network, token_file(tmp_path, documents([20])), SIZES)
    assert CONTEXT > 4
    assert (measured.window, measured.stride, measured.tokens) == (4, 2, 21)


def test_what_is_in_another_document_changes_nothing(network: Network, tmp_path: Path) -> None:
    one, two = documents([6, 6]), documents([6, 6])
    two[1:7] = [(number + 1) % END for number in one[1:7]]
    losses = [plain_losses(network, ids, CONTEXT) for ids in (one, two)]
    assert losses[0][7:] == losses[1][7:]
    assert losses[0][:6] != losses[1][:6]


def test_a_quick_look_stops_early_and_says_how_far_it_came(network: Network, tmp_path: Path) -> None:
    ids = documents([4000] * 12)
    quick = evaluate_tokens(network, token_file(tmp_path, ids), SIZES, stride=CONTEXT, most=1000)
    assert 1000 <= quick.tokens < len(ids) - 1
    assert quick.loss == pytest.approx(
        evaluate_tokens(network, token_file(tmp_path, ids[: quick.tokens + 1]), SIZES, stride=CONTEXT).loss
    )


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_off_while_measuring_and_back_afterwards(network: Network, tmp_path: Path, training: bool) -> None:
    network.train(training)
    tokens = token_file(tmp_path, documents([30]))
    assert evaluate_tokens(network, tokens, SIZES) == evaluate_tokens(network, tokens, SIZES)
    assert network.training is training


def test_a_text_without_a_token_to_predict_is_refused(network: Network, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refusal:
        evaluate_tokens(network, token_file(tmp_path, [END]), SIZES)
    assert str(refusal.value) == "there is no token to predict\n  wanted: a text of at least one token"


def test_a_stride_below_one_is_refused(network: Network, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="impossible stride"):
        evaluate_tokens(network, token_file(tmp_path, documents([30])), SIZES, stride=-1)


def test_token_sizes_are_the_bytes_that_tokens_stand_for() -> None:
    tokenizer = train_tokenizer("byte_pair", "naïve naïve the the the", 262)
    sizes = token_sizes(tokenizer)
    text = "the naïve one, über!"
    assert sizes[tokenizer.encode(text)].sum() == len(text.encode())
    assert sizes[tokenizer.end_of_text] == 0
