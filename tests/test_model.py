"""A model: text in, text and measurements out; its folder opened whole or refused by the name of what is broken."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small_translators import translator
from tiny import StopAt, resume_tiny, sentences, train_tiny, write_text

from everysum.errors import InputError, Interrupted, ModelFolderError, UsageError
from everysum.generation.beam_search import Search
from everysum.generation.sampling import Sampling
from everysum.model import Model, load
from everysum.tokenizers import train_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with sub-words."""
    place = tmp_path_factory.mktemp("model")
    over = {"tokenizer": {"kind": "byte_pair", "vocabulary_size": 320}, "schedule": {"steps": 60, "sample_every": 60}}
    train_tiny(write_text(place), place / "run", over)
    return place / "run"


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load(folder, device="cpu")


# --- text in, text out ------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_text_and_another_another(model: Model) -> None:
    texts = [model.generate("the cat", tokens=30, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_more_tokens_only_add_to_the_text(model: Model) -> None:
    assert model.generate("the", tokens=20, seed=3).startswith(model.generate("the", tokens=7, seed=3))
    assert model.generate("the", tokens=0) == ""


@pytest.mark.parametrize("prompt", [None, "the cat sat on", "naïve 😀"])
@pytest.mark.parametrize("stop", [(), ("on", ".\n")])
def test_the_stream_joined_is_the_text(model: Model, prompt: str | None, stop: tuple[str, ...]) -> None:
    pieces = list(model.stream(prompt, tokens=25, seed=5, stop=stop))
    text = model.generate(prompt, tokens=25, seed=5, stop=stop)
    assert "".join(pieces) == text
    assert all(pieces)
    assert not any(word in text for word in stop)


def test_each_of_a_batch_is_what_it_would_be_alone(model: Model) -> None:
    prompts = ["the", "a dog sat on the mat", None, "king"]
    together = model.generate_batch(prompts, tokens=12, seed=[1, 2, 3, 4])
    alone = [model.generate(prompt, tokens=12, seed=seed) for seed, prompt in enumerate(prompts, 1)]
    assert [made.text for made in together] == alone
    prompts = ["the", "a dog sat on the mat", "king"]  # behind nothing the tiny model finds all it never saw alike
    greedy = model.generate_batch(prompts, tokens=12, sampling=Sampling(0.0))
    assert [made.text for made in greedy] == [model.generate(prompt, tokens=12, temperature=0) for prompt in prompts]


def test_the_ways_to_sample_reach_the_sampling(model: Model) -> None:
    greedy = model.generate("the", tokens=12, temperature=0)
    assert model.generate("the", tokens=12, temperature=2.0, top_k=1) == greedy
    assert model.generate("the", tokens=12, temperature=2.0, top_p=1e-9) == greedy
    assert "".join(model.stream("the", tokens=12, temperature=2.0, top_k=1)) == greedy


def test_chances_are_the_networks_and_what_is_taken_is_the_text(model: Model) -> None:
    steps = list(model.chances("the cat", tokens=6, count=4))
    taken = [step.taken.token_id for step in steps]
    assert model.tokenizer.decode(taken) == model.generate("the cat", tokens=6, temperature=0)
    ids = model.tokenizer.encode("the cat")
    for step in steps:
        expected = model.logits(torch.tensor([ids]))[0, -1].softmax(-1)
        likeliest = expected.topk(4)
        assert [candidate.token_id for candidate in step.candidates] == likeliest.indices.tolist()
        found = [candidate.probability for candidate in step.candidates]
        assert found == pytest.approx(likeliest.values.tolist(), rel=1e-4)
        ids = [*ids, step.taken.token_id][-model.context_length :]


def test_the_likeliest_continuations_come_first_with_their_probabilities(model: Model) -> None:
    found = model.continuations("the cat", count=3, length=3)
    assert len(found) == 3
    assert [one.probability for one in found] == sorted((one.probability for one in found), reverse=True)
    prompt = model.tokenizer.encode("the cat")
    for one in found:
        logits = model.logits(torch.tensor([prompt + list(one.token_ids)]))[0].log_softmax(-1)
        total = sum(logits[len(prompt) - 1 + place, token].item() for place, token in enumerate(one.token_ids))
        assert one.probability == pytest.approx(math.exp(total), rel=1e-4)


def test_without_a_prompt_a_new_text_begins(model: Model) -> None:
    assert model.token_ids(None) == [model.tokenizer.end_of_text]


@pytest.mark.parametrize(
    ("ask", "problem"),
    [
        (lambda model: model.generate(""), "the prompt is empty"),
        (lambda model: model.stream(""), "the prompt is empty"),
        (lambda model: list(model.chances("")), "the prompt is empty"),
        (lambda model: model.continuations(""), "the prompt is empty"),
        (lambda model: model.generate("the cat " * 50), "the prompt is longer than the model's context"),
        (lambda model: model.stream("the cat " * 50), "the prompt is longer than the model's context"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused(model: Model, ask: Callable[[Model], object], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        ask(model)


def test_an_empty_prompt_is_told_from_none(model: Model) -> None:
    with pytest.raises(InputError) as refusal:
        model.generate("")
    assert str(refusal.value) == (
        "the prompt is empty\n"
        "  wanted: at least one character\n"
        "  do: leave the prompt out to let the model start a new text"
    )


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_logits_are_one_number_for_each_token_at_each_position(model: Model) -> None:
    token_ids = torch.randint(model.network.vocabulary_size, (3, 7))
    logits = model.logits(token_ids)
    assert logits.shape == (3, 7, model.tokenizer.vocabulary_size)
    assert not logits.requires_grad
    torch.testing.assert_close(logits[:, :4], model.logits(token_ids[:, :4]))  # the future changes nothing


def test_a_model_knows_its_own_text_better_than_noise(model: Model, tmp_path: Path) -> None:
    alike, noise = write_text(tmp_path, sentences(40, seed=8), "alike.txt"), tmp_path / "noise.txt"
    noise.write_text("zqxj vwk " * 100)
    near, far = model.evaluate(alike), model.evaluate(noise)
    assert near.bits_per_byte < far.bits_per_byte
    assert near.bytes == alike.stat().st_size
    assert (near.window, near.stride) == (model.context_length, model.context_length // 2)
    both = model.evaluate(alike, noise)
    assert both.tokens == near.tokens + far.tokens
    assert both.bytes == near.bytes + far.bytes


def test_what_cannot_be_measured_is_refused(model: Model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        model.evaluate(tmp_path / "none.txt")
    (tmp_path / "bad.txt").write_bytes(b"the \xff cat")
    with pytest.raises(InputError, match="the byte 0xff at offset 4"):
        model.evaluate(tmp_path / "bad.txt")
    assert model.evaluate(tmp_path / "bad.txt", errors="replace").bytes == len("the \ufffd cat".encode())


# --- folders ----------------------------------------------------------------------------------------------------------


def test_a_model_saved_and_loaded_is_the_same(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "copy")
    again = load(str(tmp_path / "copy"), device="cpu")
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name
    assert again.generate("the", tokens=20, seed=1) == model.generate("the", tokens=20, seed=1)
    assert again.folder == tmp_path / "copy"
    assert not again.network.training


def test_a_precision_can_be_asked_for(folder: Path) -> None:
    assert load(folder, device="cpu").network.dtype == torch.float32
    half = load(folder, device="cpu", dtype="bfloat16")
    assert half.network.dtype == torch.bfloat16
    assert half.generate("the", tokens=5)


@pytest.fixture
def unfinished(tmp_path: Path) -> Path:
    """A run stopped at steps 3 and 6."""
    with pytest.raises(Interrupted):
        train_tiny(write_text(tmp_path), tmp_path / "run", progress=StopAt(3))
    with pytest.raises(Interrupted):
        resume_tiny(tmp_path / "run", StopAt(6))
    return tmp_path / "run"


def test_a_run_that_is_not_finished_is_opened_at_its_newest_checkpoint(unfinished: Path) -> None:
    before = sorted(unfinished.rglob("*"))
    model = load(unfinished, device="cpu")
    newest = load_file(unfinished / "checkpoints" / "step-00000006" / "model.safetensors")
    assert all(torch.equal(tensor, newest[name]) for name, tensor in model.network.state_dict().items())
    assert model.generate("the", tokens=3)
    assert sorted(unfinished.rglob("*")) == before


def test_a_damaged_checkpoint_is_named_and_the_older_opened_and_nothing_moved(unfinished: Path) -> None:
    damaged = unfinished / "checkpoints" / "step-00000006" / "model.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    before = sorted(unfinished.rglob("*"))
    with pytest.warns(UserWarning, match=r"step-00000006.model\.safetensors is damaged"):
        load(unfinished, device="cpu")
    assert sorted(unfinished.rglob("*")) == before


def test_a_run_without_a_checkpoint_cannot_be_opened_yet(unfinished: Path) -> None:
    shutil.rmtree(unfinished / "checkpoints")
    with pytest.raises(ModelFolderError) as refusal:
        load(unfinished)
    assert str(refusal.value) == (
        f"the run in {unfinished} has no checkpoint yet\n"
        f"  do: let it train a little longer, or go on with it: everysum train --resume --out {unfinished}"
    )


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def overwrite(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return overwrite


def cut(name: str) -> Callable[[Path], None]:
    def truncate(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return truncate


def change(**values: Any) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return rewrite


def larger_tokenizer(folder: Path) -> None:
    train_tokenizer("characters", "".join(map(chr, range(0x400, 0x500)))).save(folder)


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no configuration": (remove("config.json"), "config.json cannot be read: No such file"),
    "no weights": (remove("model.safetensors"), "model.safetensors is missing"),
    "no tokenizer": (remove("tokenizer.json"), "tokenizer.json"),
    "empty configuration": (write("config.json", b""), "config.json is broken"),
    "configuration of a list": (write("config.json", b"[]"), "config.json holds something else"),
    "empty weights": (write("model.safetensors", b""), "model.safetensors is damaged"),
    "weights cut short": (cut("model.safetensors"), "model.safetensors is damaged"),
    "weights of another kind": (write("model.safetensors", b"PK\3\4" * 100), "model.safetensors is damaged"),
    "tokenizer cut short": (cut("tokenizer.json"), "tokenizer.json is broken"),
    "empty tokenizer": (write("tokenizer.json", b"{}"), "tokenizer.json"),
    "tokenizer of another model": (larger_tokenizer, "tokenizer.json does not belong to this model"),
    "unknown kind": (change(model_type="mamba"), "names a kind of model that everysum does not run"),
    "kind missing": (change(model_type=None), "names a kind of model that everysum does not run"),
    "another width": (change(hidden_size=64), "has another shape than config.json says"),
    "more layers": (change(num_hidden_layers=3), "the weights have no tensor"),
    "no width": (change(hidden_size=None), "'hidden_size' cannot be used"),
    "a width of words": (change(hidden_size="wide"), "'hidden_size' cannot be used"),
    "no layers": (change(num_hidden_layers=0), "'num_hidden_layers' cannot be used"),
    "code of its own": (change(hidden_act="exec"), "hidden_act"),
}


@pytest.mark.parametrize(("damage", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_broken_folder_is_refused_by_the_name_of_what_is_broken(
    folder: Path, tmp_path: Path, damage: Callable[[Path], None], problem: str
) -> None:
    copied = tmp_path / "model"
    copied.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / name, copied)
    load(copied, device="cpu")
    damage(copied)
    with pytest.raises(ModelFolderError) as refusal:
        load(copied, device="cpu")
    assert problem in str(refusal.value)
    assert refusal.value.exit_code == 4


def test_heads_that_do_not_share_the_keys_are_refused(folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "model"))
    change(num_attention_heads=3)(copied)
    with pytest.raises((ModelFolderError, UsageError)):
        load(copied, device="cpu")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError) as refusal:
        load(tmp_path / "none")
    assert str(refusal.value) == (
        f"there is no model folder {tmp_path / 'none'}\n"
        "  wanted: a folder with config.json, model.safetensors and tokenizer.json"
    )
    with pytest.raises(ModelFolderError, match=r"config\.json cannot be read"):
        load(tmp_path)


def test_a_configuration_selects_no_code(folder: Path, tmp_path: Path) -> None:
    """`auto_map` and its like are names of code to run: they are not looked at."""
    copied = Path(shutil.copytree(folder, tmp_path / "model"))
    (copied / "evil.py").write_text("raise SystemExit('executed')")
    change(auto_map={"AutoModelForCausalLM": "evil.Model"}, trust_remote_code=True)(copied)
    with pytest.warns(UserWarning, match="names code of its own"):
        assert load(copied, device="cpu").generate("the", tokens=2)


EVENTS: list[str] = []
WATCHED = (
    "exec",
    "compile",
    "import",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.system",
    "subprocess.",
    "socket.",
    "pickle.",
)
watching = False


def watch(event: str, arguments: tuple[object, ...]) -> None:
    if watching and event.startswith(WATCHED):
        EVENTS.append(f"{event} {arguments!r:.100}")


def test_loading_runs_no_code_and_opens_no_socket(folder: Path) -> None:
    """An audit hook cannot be taken off again; it looks away when nothing is watched."""
    global watching  # noqa: PLW0603
    load(folder, device="cpu").generate("the", tokens=2)  # whatever is imported late is imported now
    sys.addaudithook(watch)
    watching = True
    try:
        load(folder, device="cpu")
        compile("1", "<proof that the hook hears>", "eval")
    finally:
        watching = False
    heard = [event for event in EVENTS if not event.startswith("import")]
    assert len(heard) == 1
    assert "proof that the hook hears" in heard[0]
    assert not [event for event in EVENTS if "pickle" in event]


# --- translators ------------------------------------------------------------------------------------------------------

EACH_KIND = pytest.mark.parametrize("kind", ["transformer", "separator"])


@EACH_KIND
def test_a_translator_comes_back_from_its_folder_as_it_was(kind: str, tmp_path: Path) -> None:
    made = Model(*translator(kind))
    made.save(tmp_path)
    opened = load(tmp_path, device="cpu")
    assert opened.is_translator
    texts = ["wo wohnst du?", "", "das haus ist alt"]
    assert opened.translate_batch(texts, count=2) == made.translate_batch(texts, count=2)
    assert [opened.translate(text) for text in texts] == [found[0].text for found in made.translate_batch(texts)]


@EACH_KIND
def test_the_ways_to_search_reach_the_search(kind: str) -> None:
    model = Model(*translator(kind))
    for beams, length_penalty, early_stopping in ((1, 1.0, False), (3, 0.0, "never"), (4, 2.0, True)):
        search = Search(beams, length_penalty, early_stopping)  # type: ignore[arg-type]
        asked = {"beams": beams, "length_penalty": length_penalty, "early_stopping": early_stopping}
        assert model.translate("das haus", **asked) == model.translate_batch(["das haus"], search=search)[0][0].text  # type: ignore[arg-type]


def test_an_encoder_decoder_does_not_go_on_with_texts(tmp_path: Path) -> None:
    model = Model(*translator("transformer"))
    text = write_text(tmp_path)
    for ask in (
        lambda: model.generate("ja"),
        lambda: list(model.stream("ja")),
        lambda: list(model.chances("ja")),
        lambda: model.continuations("ja"),
        lambda: model.logits(torch.tensor([[1]])),
        lambda: model.evaluate(text),
    ):
        with pytest.raises(ModelFolderError, match="this model translates, it does not go on with a text"):
            ask()


def test_a_language_model_does_not_translate(model: Model, tmp_path: Path) -> None:
    text = write_text(tmp_path)
    assert not model.is_translator
    for ask in (lambda: model.translate("the cat"), lambda: model.evaluate_pairs(text, text)):
        with pytest.raises(ModelFolderError, match="this model goes on with a text, it does not translate"):
            ask()
