"""A recipe says all of a run: the text, the tokenizer, the network, how it is trained, and on what machine part.

A recipe is a value: frozen, validated, written to `recipe.json` before step 0, and enough to repeat the run. How one is
read from what a user says stands in `wishes.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0.0)]


class Section(BaseModel):
    """A part of a recipe: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class Text(Section):
    """Which text is learned from and which is held out to measure on; with targets it is pairs of sentences."""

    paths: tuple[str, ...]
    target_paths: tuple[str, ...] = ()
    """Of sentence pairs: what the lines of `paths` are to become, line by line."""
    held_out_paths: tuple[str, ...] = ()
    held_out_target_paths: tuple[str, ...] = ()
    held_out_share: Share = 0.1
    """The share of the text that is held out when no held-out text is given."""
    errors: Literal["strict", "replace"] = "strict"
    """What to do with bytes that are not UTF-8: refuse the file, or read them as U+FFFD."""
    sha256: str = ""
    """Digest of the text when the run began; going on with another text is refused."""


class TokenizerChoice(Section):
    """How the text is cut into tokens."""

    kind: Literal["characters", "words", "byte_pair", "kept"] = "byte_pair"
    """Learned from the text, or kept: that of the model which the run goes on from."""
    vocabulary_size: Count = 1024
    pattern: Literal["gpt2", "llama3"] = "gpt2"


class GPTChoice(Section):
    """A GPT: learned positions, layer norm, plain feed-forward."""

    kind: Literal["gpt"] = "gpt"
    width: Count
    layers: Count
    heads: Count
    inner_width: Count
    context_length: Count
    activation: Literal["gelu_tanh", "gelu", "relu"] = "gelu_tanh"
    wiring: Literal["pre_norm", "post_norm"] = "pre_norm"
    dropout: Share = 0.0
    tied: bool = True


class LlamaChoice(Section):
    """A Llama: rotary positions, RMSNorm, SwiGLU, grouped queries; with `normalize_heads` a Qwen 3."""

    kind: Literal["llama"] = "llama"
    width: Count
    layers: Count
    heads: Count
    key_value_heads: Count
    head_size: Count
    inner_width: Count
    context_length: Count
    normalize_heads: bool = True
    rotary_base: Positive = 10_000.0
    dropout: Share = 0.0
    tied: bool = False


class PublishedChoice(Section):
    """A network that has been trained before, as its family's config.json describes it."""

    kind: Literal["published"] = "published"
    configuration: dict[str, Any]
    """What config.json says; it comes with the model."""
    context_length: Count
    """Tokens to learn from at once, at most as many as the network can look back on."""
    dropout: Share = 0.0


class Base(Section):
    """The model that a run goes on from."""

    model: str
    """The folder, or the name on the hub, that was given."""
    folder: str = ""
    """Where it lay; the folder of a model of the hub is named after its commit."""
    sha256: str = ""
    """Digest of its weights when the run began; beginning with others is refused."""


class TransformerChoice(Section):
    """The transformer of the paper: an encoder reads the source, a decoder writes the target."""

    kind: Literal["transformer"] = "transformer"
    width: Count
    encoder_layers: Count
    decoder_layers: Count
    heads: Count
    inner_width: Count
    context_length: Count
    """Pairs with a longer side are passed over."""
    activation: Literal["relu", "gelu", "silu"] = "relu"
    wiring: Literal["pre_norm", "post_norm"] = "pre_norm"
    """pre_norm opens as Pegasus, post_norm (the paper's) as Marian."""
    dropout: Share = 0.0
    shared: bool = True
    """One embedding for both sides; only post_norm can have two."""
    tied: bool = True
    """The target's embedding gives the logits too."""


class Optimizer(Section):
    """Learning rates by the role of a parameter, and what the optimizers remember."""

    matrices: Literal["muon", "adamw"] = "muon"
    matrix_rate: Positive
    embedding_rate: Positive
    head_rate: Positive
    vector_rate: Positive
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.1
    """Each step shrinks the matrices by this × their rate."""
    beta1: Share = 0.8
    beta2: Share = 0.95
    momentum: Share = 0.95
    """Muon's."""
    clip: Positive = 1.0
    """The whole gradient is scaled down to at most this length."""
    label_smoothing: Share = 0.0
    """How much of its certainty a prediction is asked to spread over the whole vocabulary."""


class Schedule(Section):
    """How many steps, over which the rate rises from zero, stays, and falls again."""

    steps: Count
    batch_size: Count
    """How much each step learns from, in all: windows of text, or tokens of sentence pairs, both sides counted."""
    accumulation: Count = 1
    """In how many parts a step's batch is computed, to save memory."""
    shape: Literal["line", "inverse_square_root"] = "line"
    """How the rate falls: in a line to its end, or as in the paper, with 1/√step from the warm-up on."""
    warmup_share: Share = 0.02
    decay_share: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    """The last share of the steps, in which the rate falls in a line."""
    final_rate: Share = 0.0
    """The share of the rate that is left at the last step."""
    evaluate_every: Count
    """Steps between looks at the held-out text."""
    evaluate_tokens: Count = 50_000
    """About how many held-out tokens a look scores; the last measurement scores all."""
    sample_every: Count
    """Steps between samples of the model's own text."""


class Engine(Section):
    """On what and in which precision the sums are computed."""

    device: str = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """Cores to use, in all."""
    workers: Annotated[int, Field(ge=1, le=1024)] = 1
    """In how many shares a batch is computed side by side, with threads / workers cores for each."""
    attention: Literal["written_out", "fused"] = "fused"
    compiled: bool = False


NetworkChoice = GPTChoice | LlamaChoice | TransformerChoice | PublishedChoice
NETWORK_KINDS = ("gpt", "llama", "transformer", "published")
Task = Literal["text", "transformer", "separator"]


class Recipe(Section):
    """All of a run."""

    name: str = "default"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    minutes: Positive | None = None
    """The time the plan was made for; the steps are fixed, whatever they then take."""
    text: Text
    tokenizer: TokenizerChoice
    base: Base | None = None
    """The model that the run goes on from, if it does not begin with a new network."""
    network: Annotated[NetworkChoice, Field(discriminator="kind")]
    optimizer: Optimizer
    schedule: Schedule
    engine: Engine
    keep_checkpoints: Count = 2

    @property
    def task(self) -> Task:
        """What is learned: to go on with a text; to translate, with an encoder-decoder, or behind a separator."""
        if not self.text.target_paths:
            return "text"
        return "transformer" if isinstance(self.network, TransformerChoice) else "separator"

    @property
    def step_tokens(self) -> int:
        """About how many tokens a step learns from."""
        return self.schedule.batch_size * (1 if self.text.target_paths else self.network.context_length)
