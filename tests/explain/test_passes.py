"""A translator's pass: source and target by their tokens, and what it computes is what the network computes."""

from __future__ import annotations

import pytest
import torch
from recorded_models import TRANSFORMERS, model_of, transformer_of
from small_networks import assert_same
from small_translators import translator
from torch.nn import functional

from everysum.errors import InputError, ModelFolderError
from everysum.model import Model
from everysum.models.transformer import Transformer
from everysum.tokenizers.tokenizer import END_OF_TEXT, SEPARATOR

SOURCE, TARGET = "wo wohnst du?", "where do"


def model(kind: str) -> Model:
    return Model(*translator(kind))


def test_source_and_target_are_what_a_translation_reads_and_writes() -> None:
    ours = model("transformer")
    record = ours.record(f" {SOURCE}\n", target=TARGET)
    end = ours.tokenizer.end_of_text
    source, target = [*ours.tokenizer.encode(SOURCE), end], [end, *ours.tokenizer.encode(TARGET)]
    assert record["source_ids"].tensor.tolist() == [source]
    assert record["target_ids"].tensor.tolist() == [target]
    assert isinstance(ours.network, Transformer)
    with torch.no_grad():
        memory = ours.network.remember(ours.network.encode(torch.tensor([source])))
        expected = ours.network.head(ours.network.decode(torch.tensor([target]), memory))
    assert_same(record["logits"].tensor, expected, 1e-12)
    loss = functional.cross_entropy(expected[0, :-1], torch.tensor(target[1:]))
    assert record["loss"].tensor.item() == pytest.approx(loss.item(), rel=1e-12)


def test_cross_attention_is_asked_for_by_the_tokens_of_both_sides() -> None:
    record = model("transformer").record(SOURCE, target=TARGET)
    weights = record["blocks.1.cross_attention.attention_weights"]
    target, source = (record.token_texts[name][0] for name in ("target_ids", "source_ids"))
    assert (target[0], source[-1]) == (END_OF_TEXT, END_OF_TEXT)
    assert weights.shape == (1, 2, len(target), len(source))
    number = record.number('blocks.1.cross_attention.attention_weights[0, 1, -1, " d"]')
    assert number.value == weights[0, 1, len(target) - 1, source.index(" d")].value
    explained = str(number.explain())
    assert f"query “{target[-1]}”" in explained
    assert "key “ d”" in explained
    assert_same(weights.tensor.sum(dim=-1), torch.ones(1, 2, len(target), dtype=torch.float64), 1e-12)


def test_without_a_target_the_first_token_is_predicted() -> None:
    ours = model("transformer")
    record = ours.record(SOURCE)
    assert record.token_texts["target_ids"] == [[END_OF_TEXT]]
    first = ours.translate_batch([SOURCE])[0][0]
    assert record["probabilities"].shape[:2] == (1, 1)
    assert len(first.token_ids) > 0
    greedy = ours.translate(SOURCE, beams=1)
    best = record.prediction(count=1).candidates[0]
    assert ours.tokenizer.decode([best.token_id]).strip() in greedy


def test_one_tower_reads_both_in_a_row() -> None:
    ours = model("separator")
    record = ours.record(SOURCE, target=TARGET)
    separator = ours.tokenizer.special_tokens[SEPARATOR]
    expected = [*ours.tokenizer.encode(SOURCE), separator, *ours.tokenizer.encode(TARGET)]
    assert record["token_ids"].tensor.tolist() == [expected]
    assert SEPARATOR in record.token_texts["token_ids"][0]


@pytest.mark.parametrize("name", TRANSFORMERS[:3])
def test_a_logit_is_what_each_part_of_the_decoder_added(name: str) -> None:
    residual = transformer_of(name).record("Humpty", target="Wer").prediction().residual()
    assert abs(residual.difference) < 1e-4
    assert {part.kind for part in residual.by_size()} >= {"attention", "feed-forward", "embedding"}
    assert any("cross_attention, head 3" in part.name for part in residual.by_size())


def test_the_waves_are_a_table_of_positions() -> None:
    record = transformer_of("post-norm").record("Humpty", target="Wer")
    assert repr(record["positions.rows"]).startswith("positions.rows (entry 16, width 24)")


def test_changing_a_source_token_is_a_replay_of_the_same_pass() -> None:
    ours = transformer_of("post-norm")
    record = ours.record("Humpty", target="Wer")
    other = ours.tokenizer.encode("D")[0]
    replay = record.replay({record["source_ids"][0, 0]: other})
    assert_same(replay["logits"], ours.record("Dumpty", target="Wer")["logits"].tensor, 1e-5)


def test_what_cannot_be_translated_is_refused() -> None:
    with pytest.raises(ModelFolderError, match="it does not translate"):
        model_of("gpt").record("Humpty", target="Wer")
    for empty in ("", " \n", None):
        with pytest.raises(InputError, match="there is no sentence to translate"):
            transformer_of("post-norm").record(empty)
    for source, target, name in (("H" * 40, "", "the sentence"), ("Humpty", "W" * 40, "the translation")):
        with pytest.raises(InputError, match=f"{name} is longer than the translator's context"):
            transformer_of("post-norm").record(source, target=target)
