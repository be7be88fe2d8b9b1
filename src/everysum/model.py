"""A model: a network, its tokenizer and the folder they came from. Text goes in; text and measurements come out."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from everysum import machine
from everysum.data.text import Errors, find_texts, survey
from everysum.data.token_files import prepare_tokens
from everysum.errors import InputError, ModelFolderError
from everysum.explain.record import Record, recorded
from everysum.generation.chances import Chances, chances
from everysum.generation.continuations import Continuation, continuations
from everysum.generation.generate import refuse_unusable, steps
from everysum.generation.sampling import Sampling
from everysum.generation.text import GeneratedText, generate_text, stream_text
from everysum.models.network import Network
from everysum.parallel import Team, cores_restored, use_cores
from everysum.pretrained.folder import load_network, save_network
from everysum.tokenizers import load_tokenizer
from everysum.tokenizers.tokenizer import END_OF_TEXT, Tokenizer
from everysum.training.build import build_network
from everysum.training.checkpoint import Checkpoints, load_weights
from everysum.training.evaluation import Measurement, evaluate_tokens, token_sizes
from everysum.training.prepare import RECIPE, read_run_recipe

FREELY = Sampling(temperature=0.8)
"""How text is sampled when nothing else is said."""


class Model:
    """What `everysum.load` returns and `everysum.train` leaves: ready to generate, to measure and to be taken apart."""

    def __init__(self, network: Network, tokenizer: Tokenizer, folder: Path | None = None) -> None:
        self.network, self.tokenizer, self.folder = network, tokenizer, folder

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
    ) -> list[GeneratedText]:
        """The texts behind several prompts, computed together; each is what it would be alone."""
        token_ids = [self.token_ids(prompt) for prompt in prompts]
        return generate_text(
            self.network, self.tokenizer, token_ids, tokens=tokens, sampling=sampling, seed=seed, stop=stop
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
            self.network, self.tokenizer, self.token_ids(prompt), tokens=tokens, sampling=sampling, seed=seed, stop=stop
        )

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
        sampling, end = Sampling(temperature, top_k, top_p), self.tokenizer.end_of_text
        for step in steps(
            self.network,
            [self.token_ids(prompt)],
            tokens=tokens,
            sampling=sampling,
            seed=seed,
            over=lambda row, token_id: token_id == end,
        ):
            yield chances(step.logits[0], step.token_ids[0], count)

    def continuations(self, prompt: str | None = None, *, count: int = 5, length: int = 8) -> list[Continuation]:
        """The likeliest ways to go on, each with its probability; `generation.continuations.tree` makes them a tree."""
        end = self.tokenizer.end_of_text
        return continuations(self.network, self.token_ids(prompt), count=count, length=length, end_of_text=end)

    def token_ids(self, prompt: str | None) -> list[int]:
        """A prompt's tokens; None is the end-of-text token, behind which a new text starts."""
        if prompt is None:
            return [self.tokenizer.end_of_text]
        if not prompt:
            raise InputError(
                "the prompt is empty",
                wanted="at least one character",
                advice="leave the prompt out to let the model start a new text",
            )
        return self.tokenizer.encode(prompt)

    # --- numbers -----------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def logits(self, token_ids: Int[Tensor, "batch position"]) -> Float[Tensor, "batch position vocabulary"]:
        """For every position the logits of what comes next."""
        logits: Tensor = self.network.head(self.network(token_ids.to(self.network.head_weight.device)))
        return logits

    def record(self, prompt: str | None = None) -> Record:
        """The pass over a prompt with every number in it, ready to be explained: see `everysum.explain`.

        Beside what the network computes it has `logits`, `probabilities` (of what comes after each token) and, for two
        tokens or more, `loss` (the mean of −ln probability of those that came). Positions can be named by tokens.
        """
        token_ids = self.token_ids(prompt)
        refuse_unusable(self.network, [token_ids], 0)
        batch = torch.tensor([token_ids], device=self.network.head_weight.device)

        @torch.no_grad()
        def predict() -> dict[str, Tensor]:
            hidden = self.network(batch)
            logits = self.network.head(hidden)
            made = {"logits": logits, "probabilities": logits.softmax(dim=-1), "hidden": hidden}
            if batch.shape[1] > 1:
                made["loss"] = functional.cross_entropy(logits[0, :-1], batch[0, 1:])
            return made

        record = recorded(self.network, predict, {"token_ids": batch})
        return record.label({"token_ids": [list(map(self.token_text, token_ids))]}, self.token_text)

    def token_text(self, token_id: int) -> str:
        """What a token stands for: its text, where it is not half a character, or a name for it."""
        if token_id == self.tokenizer.end_of_text:
            return END_OF_TEXT
        if not 0 <= token_id < self.tokenizer.vocabulary_size:
            return f"token {token_id}"
        return self.tokenizer.token_bytes(token_id).decode("utf-8", errors="backslashreplace")

    def evaluate(self, *texts: Path | str, stride: int | None = None, errors: Errors = "strict") -> Measurement:
        """How well the model predicts texts (files or folders); every token is scored once, documents kept apart."""
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
            with cores_restored():
                team = Team(torch.get_num_threads() if self.network.head_weight.device.type == "cpu" else 1)
                use_cores(1)
                return evaluate_tokens(self.network, files.train, token_sizes(self.tokenizer), stride=stride, team=team)

    # --- folders -----------------------------------------------------------------------------------------------------

    def save(self, folder: Path | str) -> None:
        """Write config.json, model.safetensors and the tokenizer's files: Hugging Face's programs open the folder."""
        save_network(self.network, Path(folder), end_of_text=self.tokenizer.end_of_text)
        self.tokenizer.save(Path(folder))


def load(folder: Path | str, *, device: str = "auto", dtype: str | None = None) -> Model:
    """Open a model folder, or a run folder, also while the run is not finished: then its newest good checkpoint.

    `dtype` is that of the file if not given. Raises ModelFolderError naming what is missing or broken.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelFolderError(
            f"there is no model folder {folder}",
            wanted="a folder with config.json, model.safetensors and tokenizer.json",
        )
    if (folder / "config.json").is_file() or not (folder / RECIPE).is_file():
        network = load_network(folder)[0]
        tokenizer = load_tokenizer(folder)
    else:
        tokenizer = load_tokenizer(folder)
        network = network_of_run(folder, tokenizer)
    if tokenizer.vocabulary_size > network.vocabulary_size:
        raise ModelFolderError(
            f"{folder}: tokenizer.json does not belong to this model",
            wanted=f"at most {network.vocabulary_size} tokens, as many as the model knows",
            came=f"{tokenizer.vocabulary_size}",
        )
    network = network.to(device=machine.choose_device(device), dtype=None if dtype is None else getattr(torch, dtype))
    return Model(network.eval(), tokenizer, folder)


def network_of_run(folder: Path, tokenizer: Tokenizer) -> Network:
    """The network in a run's newest good checkpoint."""
    checkpoints = Checkpoints(folder / "checkpoints")
    newest = checkpoints.newest_good(lambda _, problem: warnings.warn(str(problem), stacklevel=5))
    if newest is None:
        raise ModelFolderError(
            f"the run in {folder} has no checkpoint yet",
            advice=f"let it train a little longer, or go on with it: everysum train --resume --out {folder}",
        )
    network = build_network(read_run_recipe(folder), tokenizer.vocabulary_size)
    load_weights(newest, network)
    return network
