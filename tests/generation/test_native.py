"""The native step: the same sums as PyTorch's, for every network, however texts are put together."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from native_steps import native_library
from small_networks import CONTEXT, VARIANTS, VOCABULARY, randomized, small

from everysum import machine
from everysum.generation.beam_search import Search, beam_search
from everysum.generation.beams import CachedContinuations, CachedTranslations
from everysum.generation.generate import generate, steps
from everysum.generation.lookup import LookedUpTexts
from everysum.generation.native import build as building
from everysum.generation.native.library import LOADING, Library, Loading, described
from everysum.generation.native.tower import NativeTower
from everysum.generation.packed import FORMS, Form, packed_matrix, rounded_inputs
from everysum.generation.packed_networks import Packed
from everysum.generation.packing import pack
from everysum.generation.sampling import GREEDY, Sampling
from everysum.generation.windows import CachedTexts, RecomputedTexts
from everysum.models.network import Network
from everysum.models.transformer import Transformer

each_form = pytest.mark.parametrize("form", FORMS)
PROMPTS = [[5], [1, 2, 3, 4], [28, 0, 7, 8, 9, 10, 11, 12, 13]]
END, LONGEST, FIVE = 18, 14, Search(5)
SOURCES = [[3, 7, 1, END], [12, END], [5, 5, 9, 14, 2, 0, 11, END], [8, 8, END], [17, 4, 16, 10, END]]
FAR = {"float32": 1e-5, "bf16": 0.03, "int8": 0.06, "int4": 0.06}
"""How far logits may lie apart, the root of the mean square in deviations of all logits: a number on the edge may be
rounded either way, and keys and values are kept in bfloat16 where weights have fewer than 32 bits. In these networks of
random weights that comes to 0.02 and 0.04 at most; a form lies farther from the unpacked network than from itself."""


@pytest.fixture(scope="module")
def library() -> Library:
    return native_library()


def distance(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).square().mean().sqrt() / theirs.std())


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@each_form
@pytest.mark.parametrize("shape", [(1, 1), (7, 70), (33, 130), (96, 256)], ids=str)
def test_products_are_those_of_the_definition(library: Library, form: Form, shape: tuple[int, int]) -> None:
    matrix = packed_matrix(random(*shape), random(shape[0], seed=2), form)
    for rows in (1, 2, 7, 8, 9, 20):
        numbers = random(rows, shape[1], seed=rows)
        expected = rounded_inputs(numbers, form).double() @ matrix.unpacked().double().T + matrix.bias
        found = library.multiply(described(matrix), numbers)
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-4)


@each_form
def test_a_row_has_the_same_products_to_the_last_bit_whatever_stands_beside_it(library: Library, form: Form) -> None:
    matrix, numbers = described(kept := packed_matrix(random(70, 200), None, form)), random(21, 200)
    together = library.multiply(matrix, numbers)
    assert all(torch.equal(library.multiply(matrix, numbers[row]), together[row]) for row in range(21))
    assert kept.outputs == 70


@each_form
@pytest.mark.parametrize("variant", VARIANTS)
def test_texts_grow_as_the_definition_says(library: Library, variant: str, form: Form) -> None:
    packed = pack(small(variant).float(), form)
    cached, defined = CachedTexts(packed, PROMPTS, longest=22), RecomputedTexts(packed, PROMPTS)
    for _ in range(12):  # beyond the context: windows move
        ours, theirs = cached.logits(), defined.logits()
        assert distance(ours, theirs) < FAR[form]
        chosen = theirs.argmax(1).tolist()
        cached.append(chosen)
        defined.append(chosen)


@pytest.mark.parametrize("variant", VARIANTS)
def test_greedy_texts_in_32_bits_are_the_network_s_own(library: Library, variant: str) -> None:
    network = small(variant).float()
    packed = pack(network, "float32")
    expected = generate(network, PROMPTS, tokens=14, sampling=GREEDY, use_cache=False)
    assert generate(packed, PROMPTS, tokens=14, sampling=GREEDY) == expected
    assert [generate(packed, [prompt], tokens=14, sampling=GREEDY)[0] for prompt in PROMPTS] == expected
    assert len({token for text in expected for token in text.token_ids}) > 1


@each_form
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("variant", VARIANTS)
def test_from_ids_to_logits_in_one_call_is_the_same(
    library: Library, variant: str, dtype: torch.dtype, form: Form
) -> None:
    """The tables looked up in their own precision, the head behind the last normalization; float16 is PyTorch's."""
    packed = pack(small(variant).to(dtype), form)
    prompts, more = torch.tensor([[5, 1, 2], [28, 0, 7]]), torch.tensor([[8, 11], [3, 3]])
    logits = []
    with torch.inference_mode():
        for behind in (packed.logits_behind, lambda ids, cache: packed.head(packed(ids, cache=cache))):
            cache = packed.new_cache(2, CONTEXT)
            packed(prompts, cache=cache)
            logits.append([behind(more, cache), behind(more[:, :1], cache)])
            assert cache.lengths.tolist() == [6, 6]
    assert (packed.towers["blocks"].ends is None) == (dtype == torch.float16)
    for ours, theirs in zip(*logits, strict=True):
        assert torch.equal(ours, theirs)


def translator(wiring: str, **changes: Any) -> Transformer:
    sizes = {"vocabulary_size": 19, "context_length": 32, "width": 24, "heads": 3, "inner_width": 40}
    return randomized(
        Transformer(**sizes, encoder_layers=2, decoder_layers=2, wiring=wiring, **changes), seed=4
    ).float()


@pytest.mark.parametrize(
    "changes",
    [{"wiring": "pre_norm"}, {"wiring": "post_norm", "head_bias": True}, {"wiring": "post_norm", "shared": False}],
    ids=str,
)
def test_translations_in_32_bits_are_the_network_s_own(library: Library, changes: dict[str, Any]) -> None:
    network = translator(**changes)
    longest = [LONGEST] * len(SOURCES)
    expected = beam_search(CachedTranslations(network, SOURCES, END), longest, end=END, search=FIVE, count=3)
    found = beam_search(
        CachedTranslations(pack(network, "float32"), SOURCES, END), longest, end=END, search=FIVE, count=3
    )
    assert [[text.token_ids for text in texts] for texts in found] == [
        [text.token_ids for text in texts] for texts in expected
    ]
    for ours, theirs in zip(found, expected, strict=True):
        assert [text.score for text in ours] == pytest.approx([text.score for text in theirs], abs=1e-4)


@each_form
def test_a_translator_s_logits_are_those_of_the_definition(library: Library, form: Form) -> None:
    packed = pack(translator("pre_norm"), form)
    assert isinstance(packed, Transformer)
    source, target = torch.tensor([SOURCES[0]]), torch.tensor([[END, 3, 9, 4, 11]])
    with torch.inference_mode():
        expected = packed.head_linear(Transformer.forward(packed, source, target))
        memory = packed.remember(packed.encode(source))
        cache = packed.new_cache(1, 5)
        parts = [packed.head(packed.decode(target[:, :2], memory, cache))]
        parts += [packed.head(packed.decode(target[:, place : place + 1], memory, cache)) for place in (2, 3, 4)]
    assert distance(torch.cat(parts, 1), expected) < FAR[form]


@pytest.mark.parametrize("variant", ["gpt", "mistral", "qwen3"])
def test_beams_of_a_tower_in_32_bits_are_the_network_s_own(library: Library, variant: str) -> None:
    network = small(variant, context_length=40).float()
    longest = [9] * len(PROMPTS)
    found, expected = (
        beam_search(CachedContinuations(each, PROMPTS), longest, end=3, search=FIVE, count=5)
        for each in (pack(network, "float32"), network)
    )
    assert [[text.token_ids for text in texts] for texts in found] == [
        [text.token_ids for text in texts] for texts in expected
    ]


@each_form
@pytest.mark.parametrize("threads", [2, 3])
def test_more_threads_change_nothing(library: Library, form: Form, threads: int) -> None:
    packed = pack(small("llama_tied_grouped").float(), form)
    alone = [step.logits.clone() for step in steps(packed, PROMPTS, tokens=5, sampling=GREEDY)]
    torch.set_num_threads(threads)
    try:
        shared = [step.logits.clone() for step in steps(packed, PROMPTS, tokens=5, sampling=GREEDY)]
    finally:
        torch.set_num_threads(1)
    assert all(map(torch.equal, alone, shared))


def test_a_process_whose_threads_have_worked_comes_to_its_end(library: Library) -> None:
    program = (
        "import torch; from everysum.generation.native.library import LOADING, described\n"
        "from everysum.generation.packed import packed_matrix\n"
        "torch.set_num_threads(3)\n"
        "matrix = packed_matrix(torch.ones(200, 64), None, 'bf16')\n"
        "print(LOADING.get().multiply(described(matrix), torch.ones(1, 64)).sum().item())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "12800.0\n")


def longer_prompt(network: Network) -> list[int]:
    return torch.randint(VOCABULARY, (60,), generator=torch.Generator().manual_seed(1)).tolist()


@pytest.mark.parametrize("variant", ["gpt", "mistral", "llama_wide_heads"])
def test_a_long_prompt_is_read_as_the_definition_says(library: Library, variant: str) -> None:
    network = small(variant, context_length=80).float()
    packed, prompt = pack(network, "float32"), longer_prompt(network)
    ours, theirs = (
        CachedTexts(packed, [prompt, prompt[:17]], longest=70),
        RecomputedTexts(network, [prompt, prompt[:17]]),
    )
    for _ in range(3):
        torch.testing.assert_close(ours.logits(), theirs.logits(), rtol=1e-4, atol=1e-4)
        ours.append([4, 5])
        theirs.append([4, 5])


def test_what_pytorch_began_the_native_step_takes_over(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    for form in FORMS:
        packed, network = pack(small("llama").float(), form), small("llama").float()
        asked = iter([None] * 9)
        with monkeypatch.context() as patched:
            patched.setattr(LOADING, "get", lambda asked=asked: next(asked, library))
            made = generate(packed, PROMPTS, tokens=6, sampling=GREEDY)
        assert packed.towers  # it was there in the end
        if form == "float32":
            assert made == generate(network, PROMPTS, tokens=6, sampling=GREEDY)


@each_form
@pytest.mark.parametrize("sampling", [GREEDY, Sampling(0.5)], ids=["greedy", "sampled"])
def test_guessing_ahead_changes_no_text(library: Library, form: Form, sampling: Sampling) -> None:
    for variant in ("gpt", "llama_tied_grouped", "mistral"):
        packed = pack(small(variant, context_length=70).float(), form)
        prompt = [4, 5, 6, 4, 5, 6, 4, 5]
        without = [s.token_ids for s in steps(packed, [prompt], tokens=90, sampling=sampling, seed=3, lookup=0)]
        assert [s.token_ids for s in steps(packed, [prompt], tokens=90, sampling=sampling, seed=3)] == without


def test_a_text_that_repeats_itself_takes_fewer_steps(library: Library) -> None:
    packed = pack(small("gpt", context_length=128).float(), "float32")
    texts = LookedUpTexts(packed, [1, 2, 3], longest=100)
    steps_taken = 0
    inner = packed.logits_behind

    def counted(*inputs: Any, **named: Any) -> torch.Tensor:
        nonlocal steps_taken
        steps_taken += 1
        return inner(*inputs, **named)

    packed.logits_behind = counted  # type: ignore[method-assign]
    for _ in range(90):
        texts.append(texts.logits().argmax(1).tolist())
    assert texts.right > 30
    assert steps_taken == 89 - texts.right  # the prompt is read by another


def test_a_broken_network_says_so(library: Library) -> None:
    from everysum.errors import ModelFolderError

    network = small("gpt").float()
    network.token_embedding.weight.data[5] = torch.nan
    with pytest.raises(ModelFolderError, match="logits are not numbers"):
        generate(pack(network, "bf16"), [[5]], tokens=2)


# --- building it ------------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with nothing in it, and no memory of what was found before."""
    monkeypatch.setenv("EVERYSUM_CACHE", str(tmp_path))
    monkeypatch.delenv(building.SWITCH, raising=False)
    building.library_path.cache_clear()
    yield tmp_path  # type: ignore[misc]
    building.library_path.cache_clear()


def test_without_a_compiler_pytorch_computes(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cpp_compiler", lambda: None)
    assert building.begun().state == "no compiler"
    monkeypatch.setattr("everysum.generation.packed_networks.LOADING", Loading())
    network = small("gpt").float()
    packed = pack(network, "float32")
    assert generate(packed, PROMPTS, tokens=5, sampling=GREEDY) == generate(network, PROMPTS, tokens=5, sampling=GREEDY)
    assert not packed.towers


def test_it_can_be_switched_off(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(building.SWITCH, "0")
    assert building.begun().state == "switched off"
    assert Loading().get() is None


def test_a_compiler_that_fails_is_asked_once_and_what_it_said_is_kept(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = fresh / "c++"
    compiler.write_text('#!/bin/sh\n[ "$1" = --version ] && echo 1.0 && exit\necho no such flag >&2\nexit 1\n')
    compiler.chmod(0o755)
    monkeypatch.setattr(machine, "cpp_compiler", lambda: str(compiler))
    loading = Loading()
    assert loading.get() is None
    until = time.monotonic() + 60
    while (building.found().state == "building" or [*fresh.glob("native/*.building")]) and time.monotonic() < until:
        time.sleep(0.05)
    assert loading.get() is None
    assert loading.build is not None
    assert (loading.build.state, loading.build.said) == ("failed", "no such flag\n")
    assert sorted(path.suffix for path in (fresh / "native").iterdir()) == [".failed"]


def test_a_cache_that_cannot_be_written_is_no_end(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (fresh / "native").write_text("a file in the way")
    monkeypatch.setattr(machine, "cpp_compiler", lambda: "/bin/true")
    assert building.begun().state == "building"
    assert Loading().get() is None


@pytest.mark.slow
def test_without_the_processor_s_own_products_the_same_comes_out(tmp_path: Path) -> None:
    """What other processors run: the compiler's own vectors."""
    compiler = machine.cpp_compiler()
    if compiler is None:
        pytest.skip("no C++ compiler here")
    flags = [flag for flag in building.FLAGS if flag != "-march=native"]
    subprocess.run([compiler, *flags, building.SOURCES / "tower.cpp", "-o", tmp_path / "plain.so"], check=True)
    plain = Library(tmp_path / "plain.so")
    assert plain.abilities == "vectors as the compiler makes them"
    for form in FORMS:
        matrix = packed_matrix(random(70, 200), None, form)
        numbers = random(9, 200, seed=1)
        expected = rounded_inputs(numbers, form) @ matrix.unpacked().T
        torch.testing.assert_close(plain.multiply(described(matrix), numbers), expected, rtol=1e-4, atol=1e-3)
        packed = pack(small("llama_tied_grouped").float(), form)
        half = form != "float32"
        last: Any = packed.normalization
        packed.towers = {
            "blocks": NativeTower(
                plain, list(packed.blocks), packed.matrices, last, half=half, rotary=packed.rotary_positions
            )
        }
        cached, defined = CachedTexts(packed, PROMPTS, longest=CONTEXT), RecomputedTexts(packed, PROMPTS)
        ours, theirs = cached.logits(), defined.logits()
        assert distance(ours, theirs) < FAR[form]
        assert isinstance(packed, Packed)


def test_building_is_told_and_another_process_does_not_begin_again(fresh: Path) -> None:
    library = fresh / "native" / "some.so"
    library.parent.mkdir()
    assert not building.under_way(library)
    building.marker(library).touch()
    assert building.under_way(library)
    long_ago = time.time() - 2 * building.LONGEST_BUILD
    os.utime(building.marker(library), (long_ago, long_ago))
    assert not building.under_way(library)
