"""A model: a network, its tokenizer and the folder they came from. Text goes in; text and measurements come out."""

from __future__ import annotations

import functools
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from everysum import machine
from everysum.data.sentence_pairs import find_sides
from everysum.data.text import Errors, find_texts, survey
from everysum.data.token_files import prepare_tokens
from everysum.errors import InputError, ModelFolderError, UsageError
from everysum.explain.passes import record_prompt, record_translation
from everysum.explain.record import Record
from everysum.generation.beam_search import Search
from everysum.generation.chances import Chances, chances
from everysum.generation.chat import Chat
from everysum.generation.continuations import Continuation, continuations
from everysum.generation.generate import Step, steps
from everysum.generation.packing import pack, usual_form
from everysum.generation.sampling import Sampling
from everysum.generation.text import GeneratedText, generate_text, stream_text
from everysum.generation.translation import TranslatedText, Translator, translate_texts
from everysum.models.network import Network
from everysum.models.transformer import Transformer
from everysum.parallel import Team, cores_restored, use_cores
from everysum.pretrained.family import FLOATS
from everysum.pretrained.folder import save_network
from everysum.pretrained.gguf import save_gguf
from everysum.pretrained.hub import folder_of
from everysum.tokenizers.chat_template import ChatTemplate, Message, read_template, template_of
from everysum.tokenizers.ggml import ggml_vocabulary
from everysum.tokenizers.tokenizer import SEPARATOR, Tokenizer
from everysum.training.base import opened
from everysum.training.evaluation import Measurement, evaluate_tokens, token_sizes
from everysum.training.translation_evaluation import TranslationMeasurement, evaluate_translations

FREELY = Sampling(temperature=0.8)
"""How text is sampled when nothing else is said."""
FIVE_BEAMS = Search(beams=5)
"""How translations are searched for when nothing else is said."""


class Model:
    """What `everysum.load` returns and `everysum.train` leaves: ready to generate, to measure and to be taken apart."""

    def __init__(
        self,
        network: Network,
        tokenizer: Tokenizer,
        folder: Path | None = None,
        configuration: Mapping[str, Any] | None = None,
        packed: Network | None = None,
    ) -> None:
        """`configuration` is the config.json that the network came with, if any: `save` keeps its family by it.

        `packed` is the same network with packed weights (see `generation.packed`): texts come from it, and are measured
        with it; it is taken apart and saved as it is without.
        """
        self.network, self.tokenizer, self.folder, self.configuration = network, tokenizer, folder, configuration
        self.decoding = network if packed is None else packed

    @property
    def context_length(self) -> int:
        return self.network.context_length

    # --- text in, text out -------------------------------------------------------------------------------------------

    def generate(
        self,
        prompt: str | None = None,
        *,
        tokens: int = 200,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> str:
        """The text that the model puts behind a prompt; without one it starts a new text.

        At temperature 0 the likeliest token is always taken. With an equal seed the text is the same again. It ends
        after `tokens` tokens, at the end of a text, or before one of the strings in `stop`.
        Raises InputError for an empty prompt and for one that is longer than the context.
        """
        sampling = Sampling(temperature, top_k, top_p)
        return self.generate_batch([prompt], tokens=tokens, sampling=sampling, seed=seed, stop=stop)[0].text

    def generate_batch(
        self,
        prompts: Sequence[str | None],
        *,
        tokens: int = 200,
        sampling: Sampling = FREELY,
        seed: int | Sequence[int] = 0,
        stop: Sequence[str] = (),
        watch: Callable[[Step], object] = lambda step: None,
    ) -> list[GeneratedText]:
        """The texts behind several prompts, computed together; each is what it would be alone."""
        token_ids = [self.token_ids(prompt) for prompt in prompts]
        return generate_text(
            self.decoding,
            self.tokenizer,
            token_ids,
            tokens=tokens,
            sampling=sampling,
            seed=seed,
            stop=stop,
            watch=watch,
        )

    def stream(
        self,
        prompt: str | None = None,
        *,
        tokens: int = 200,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> Iterator[str]:
        """The same text as `generate` in pieces, each as soon as it is certain."""
        sampling = Sampling(temperature, top_k, top_p)
        return stream_text(
            self.decoding,
            self.tokenizer,
            self.token_ids(prompt),
            tokens=tokens,
            sampling=sampling,
            seed=seed,
            stop=stop,
        )

    def chat(
        self,
        messages: Sequence[Message],
        *,
        tokens: int = 500,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> str:
        """The answer to the last of these messages: `[{"role": "user", "content": "Good morning"}]`.

        The model's chat template makes one text of them. What they say is never a special token. Where they are longer
        than the context the oldest turns are left out, with a warning; the system message stays.
        Raises ModelFolderError for a model without a template, InputError for messages that it refuses.
        """
        chat = self.conversation(messages)
        if chat.left_out:
            warnings.warn(chat.told_left_out(), stacklevel=2)
        sampling = Sampling(temperature, top_k, top_p)
        return "".join(chat.answer(tokens=tokens, sampling=sampling, seed=seed, stop=stop))

    def conversation(self, messages: Sequence[Message] = ()) -> Chat:
        """A chat that begins with these messages and is gone on with; `answer` streams the model's part of it."""
        return Chat(self.decoding, self.tokenizer, self.chat_template, messages)

    @functools.cached_property
    def chat_template(self) -> ChatTemplate:
        """The template in the model's folder; ModelFolderError where there is none."""
        template = None if self.folder is None else template_of(self.folder, self.tokenizer)
        if template is None:
            raise ModelFolderError(
                f"the model in {self.folder} has no chat template: nothing says how a question would be put to it, "
                "and most likely it was not trained to answer any",
                wanted="chat_template.jinja, or chat_template in tokenizer_config.json",
                advice="let it go on from a text instead: everysum generate",
            )
        return template

    def chances(
        self,
        prompt: str | None = None,
        *,
        tokens: int = 10,
        count: int = 5,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
    ) -> Iterator[Chances]:
        """For each step of generating: the likeliest `count` tokens with their probabilities, and the one taken."""
        sampling, ends = Sampling(temperature, top_k, top_p), self.tokenizer.ends
        for step in steps(
            self.decoding,
            [self.token_ids(prompt)],
            tokens=tokens,
            sampling=sampling,
            seed=seed,
            over=lambda row, token_id: token_id in ends,
        ):
            yield chances(step.logits[0], step.token_ids[0], count)

    def translate(
        self,
        text: str,
        *,
        beams: int = 5,
        length_penalty: float = 1.0,
        early_stopping: bool | Literal["never"] = False,
    ) -> str:
        """The translation of a sentence, searched for with so many beams; an empty one stays empty.

        Raises ModelFolderError if the model is no translator, InputError for a sentence longer than its context.
        """
        search = Search(beams, length_penalty, early_stopping)
        return self.translate_batch([text], search=search)[0][0].text

    def translate_batch(
        self,
        texts: Sequence[str],
        *,
        search: Search = FIVE_BEAMS,
        count: int = 1,
        names: Sequence[str] | None = None,
        progress: Callable[[int], None] = lambda done: None,
    ) -> list[list[TranslatedText]]:
        """For each sentence its best `count` translations; see `generation.translation.translate_texts`."""
        translator = Translator.of(self.decoding, self.tokenizer)
        with self.workers() as team:
            return translate_texts(
                translator,
                self.tokenizer,
                texts,
                search=search,
                count=count,
                team=team,
                names=names,
                progress=progress,
            )

    @property
    def is_translator(self) -> bool:
        """Whether the model was trained on pairs of sentences."""
        return isinstance(self.network, Transformer) or SEPARATOR in self.tokenizer.special_tokens

    def refuse_translator(self) -> None:
        """Say that an encoder-decoder has no text to go on with."""
        if isinstance(self.network, Transformer):
            raise ModelFolderError(
                "this model translates, it does not go on with a text",
                wanted="a language model, made by `everysum train TEXT`",
                came="an encoder-decoder",
                advice="let it translate: everysum translate",
            )

    def continuations(self, prompt: str | None = None, *, count: int = 5, length: int = 8) -> list[Continuation]:
        """The likeliest ways to go on, each with its probability; `generation.continuations.tree` makes them a tree."""
        end = self.tokenizer.end_of_text
        return continuations(self.decoding, self.token_ids(prompt), count=count, length=length, end_of_text=end)

    def token_ids(self, prompt: str | None) -> list[int]:
        """A prompt's tokens, with what this family of models has in front of every text.

        None is that alone, or else the end-of-text token: behind it a new text starts.
        """
        self.refuse_translator()
        if prompt is None:
            return list(self.tokenizer.before) or [self.tokenizer.end_of_text]
        if not prompt:
            raise InputError(
                "the prompt is empty",
                wanted="at least one character",
                advice="leave the prompt out to let the model start a new text",
            )
        return [*self.tokenizer.before, *self.tokenizer.encode(prompt)]

    # --- numbers -----------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def logits(self, token_ids: Int[Tensor, "batch position"]) -> Float[Tensor, "batch position vocabulary"]:
        """For every position the logits of what comes next."""
        self.refuse_translator()
        logits: Tensor = self.network.head(self.network(token_ids.to(self.network.device)))
        return logits

    def record(
        self, prompt: str | None = None, *, target: str | None = None, watch: Callable[[], None] | None = None
    ) -> Record:
        """The pass over a prompt with every number in it, ready to be explained: see `everysum.explain`.

        Beside what the network computes it has `logits`, `probabilities` (of what comes after each token) and, for two
        tokens or more, `loss` (the mean of −ln probability of those that came). Positions can be named by tokens.

        A translator reads the prompt as its source, and predicts what comes behind `target`, the translation so far.
        `watch` is called before each operation, and may raise KeyboardInterrupt or the like to give the pass up.
        """
        if target is not None or isinstance(self.network, Transformer):
            return record_translation(self.network, self.tokenizer, prompt, target or "", self.token_text, watch)
        return record_prompt(self.network, self.token_ids(prompt), self.token_text, watch)

    def token_text(self, token_id: int) -> str:
        """What a token stands for: its text, where it is not half a character, or a name for it."""
        if not 0 <= token_id < self.tokenizer.vocabulary_size:
            return f"token {token_id}"
        if token_id in self.special_names:
            return self.special_names[token_id]
        return self.tokenizer.token_bytes(token_id).decode("utf-8", errors="backslashreplace")

    @functools.cached_property
    def special_names(self) -> dict[int, str]:
        """How the special tokens are written."""
        return {token_id: name for name, token_id in self.tokenizer.special_tokens.items()}

    def evaluate(self, *texts: Path | str, stride: int | None = None, errors: Errors = "strict") -> Measurement:
        """How well the model predicts texts (files or folders); every token is scored once, documents kept apart."""
        self.refuse_translator()
        paths = find_texts([Path(path) for path in texts])
        survey(paths, errors=errors)
        with tempfile.TemporaryDirectory() as folder:
            files = prepare_tokens(
                paths,
                None,
                self.tokenizer,
                folder=Path(folder),
                held_out_fraction=0.0,
                errors=errors,
            )
            with self.workers() as team:
                return evaluate_tokens(
                    self.decoding, files.train, token_sizes(self.tokenizer), stride=stride, team=team
                )

    def evaluate_pairs(
        self,
        sources: Path | str,
        targets: Path | str,
        *,
        search: Search = FIVE_BEAMS,
        errors: Errors = "strict",
        progress: Callable[[int], None] = lambda done: None,
    ) -> TranslationMeasurement:
        """How well the model translates the lines of one file, those of the other being their translations."""
        Translator.of(self.network, self.tokenizer)
        sides = find_sides([Path(sources)], [Path(targets)], errors)
        with tempfile.TemporaryDirectory() as folder, self.workers() as team:
            return evaluate_translations(
                self.decoding, self.tokenizer, sides, search=search, folder=Path(folder), team=team, progress=progress
            )

    @contextmanager
    def workers(self) -> Iterator[Team]:
        """Workers of one core each while something is computed; on a GPU a single one."""
        with cores_restored():
            team = Team(torch.get_num_threads() if self.network.device.type == "cpu" else 1)
            use_cores(1)
            yield team

    # --- folders -----------------------------------------------------------------------------------------------------

    def save(self, folder: Path | str) -> None:
        """Write config.json, model.safetensors and the tokenizer's files: Hugging Face's programs open the folder."""
        end = self.tokenizer.end_of_text
        save_network(self.network, Path(folder), end_of_text=end, like=self.configuration)
        self.tokenizer.save(Path(folder))

    def save_gguf(self, file: Path | str, *, dtype: str | None = None) -> None:
        """Write one file for llama.cpp, with matrices in `dtype` ("float32", "float16" or "bfloat16"; else its own).

        Raises UsageError, with the reason, for a model that llama.cpp has no form of.
        """
        template = None if self.folder is None else read_template(self.folder)
        vocabulary = ggml_vocabulary(self.tokenizer, self.network.vocabulary_size)
        save_gguf(self.network, vocabulary, Path(file), dtype=form_called(dtype), template=template)


def load(
    model: Path | str,
    *,
    device: str = "auto",
    dtype: str | None = None,
    weights: str | None = None,
    download: bool = False,
    revision: str | None = None,
) -> Model:
    """Open a model folder, or a run folder, also while the run is not finished: then its newest good checkpoint.

    A name such as "org/name" or "org/name@revision" is a model of the Hugging Face hub (docs/models.md lists the
    families). It is taken from the local cache, and fetched only with `download=True`; its `folder` then ends in the
    hash of the commit. `dtype` ("float32", "bfloat16", "float16", "float64") is that of the file if not given.

    `weights` ("float32", "bf16", "int8", "int4") packs the weights for decoding, on a CPU, and "auto" does so with the
    bits that they have, where it can: texts come several times faster.

    Raises ModelFolderError naming what is missing or broken, and MachineError where there is too little memory.
    """
    folder = folder_of(model, download=download, revision=revision)
    chosen = machine.choose_device(device)
    network, tokenizer, configuration = opened(folder, dtype=form_called(dtype), device=chosen)
    form = usual_form(network) if weights == "auto" else weights
    packed = None if form is None else pack(network, form)
    return Model(network, tokenizer, folder, configuration, packed)


def form_called(dtype: str | None) -> torch.dtype | None:
    """The form of numbers of this name."""
    forms = {str(form).removeprefix("torch."): form for form in FLOATS}
    if dtype is None or dtype in forms:
        return None if dtype is None else forms[dtype]
    raise UsageError(f"everysum does not compute in {dtype!r}", wanted=" or ".join(forms))
