"""The networks that benchmarks/decoding.py decodes with: random weights by transformers, in folders and GGUF files.

GPT-2's shape and Llama's, 124 million parameters each, a vocabulary of 50,304, tied. All contestants read the same
weights: everysum and transformers the folder, llama.cpp a BF16 file that everysum exports from it and what
llama.cpp's own quantization makes of that file. Its Q4_0 keeps the head (here the embedding, which is tied to it) in
Q6_K; "pure" makes all of it Q4_0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMS = ("BF16", "Q8_0", "Q4_0", "Q4_0 pure")
"""What llama.cpp is given."""


@dataclass(frozen=True)
class Sizes:
    """Both shapes have these in common."""

    layers: int = 12
    width: int = 768
    heads: int = 12
    vocabulary: int = 50_304
    context: int = 1024
    prompt: int = 32
    tokens: int = 128
    prefill: int = 512
    batch: int = 32
    batch_tokens: int = 64


FULL = Sizes()
QUICK = Sizes(
    layers=2, width=64, heads=4, vocabulary=512, context=128, prompt=8, tokens=16, prefill=64, batch=4, batch_tokens=8
)
"""Only to see that the benchmark itself works."""


def configuration(shape: str, sizes: Sizes) -> Any:
    """transformers' configuration of "GPT-2" or "Llama"."""
    import transformers

    ends = {"bos_token_id": 0, "eos_token_id": 0}
    if shape == "GPT-2":
        return transformers.GPT2Config(
            n_layer=sizes.layers,
            n_embd=sizes.width,
            n_head=sizes.heads,
            vocab_size=sizes.vocabulary,
            n_positions=sizes.context,
            **ends,
        )
    return transformers.LlamaConfig(
        num_hidden_layers=sizes.layers,
        hidden_size=sizes.width,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.width * 8 // 3,
        vocab_size=sizes.vocabulary,
        max_position_embeddings=sizes.context,
        tie_word_embeddings=True,
        **ends,
    )


def make_folder(shape: str, sizes: Sizes, folder: Path) -> Path:
    """A model folder; its tokenizer knows few of the network's tokens, which decoding does not mind."""
    if (folder / "tokenizer.json").is_file():
        return folder
    import torch
    import transformers

    from everysum.tokenizers import train_tokenizer

    transformers.logging.disable_progress_bar()
    torch.manual_seed(0)
    made = configuration(shape, sizes)
    kind = transformers.GPT2LMHeadModel if shape == "GPT-2" else transformers.LlamaForCausalLM
    kind(made).save_pretrained(folder)
    train_tokenizer("byte_pair", "Humpty Dumpty sat on a wall", 258).save(folder)
    return folder


def make_gguf(folder: Path) -> dict[str, Path]:
    """The files for llama.cpp, by form; those that are there already are kept."""
    files = {form: folder / f"{form.replace(' ', '-')}.gguf" for form in FORMS}
    if not files["BF16"].is_file():
        import everysum

        everysum.load(folder, device="cpu", dtype="bfloat16").save_gguf(files["BF16"])
    for form in FORMS[1:]:
        if not files[form].is_file():
            quantize(files["BF16"], files[form], form)
    return files


def quantize(source: Path, target: Path, form: str) -> None:
    """llama.cpp's own quantization, as `llama-quantize` does it, with nothing but the form said."""
    from llama_cpp_peer import library_of

    llama_cpp = library_of()
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = {"Q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0, "Q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0}[
        form.removesuffix(" pure")
    ]
    settings.pure = form.endswith(" pure")
    unfinished = target.with_suffix(".unfinished")
    if llama_cpp.llama_model_quantize(str(source).encode(), str(unfinished).encode(), settings):
        raise RuntimeError(f"llama.cpp could not quantize {source} to {form}")
    unfinished.rename(target)


def weights_of_gguf(file: Path) -> tuple[int, int]:
    """Bytes and numbers of the weights that a token reads: all, less those of which only a row is looked up."""
    from gguf import GGUFReader

    tensors = {tensor.name: tensor for tensor in GGUFReader(file).tensors}
    looked_up = {"position_embd.weight"} | ({"token_embd.weight"} if "output.weight" in tensors else set())
    read = [tensor for name, tensor in tensors.items() if name not in looked_up]
    return sum(int(tensor.n_bytes) for tensor in read), sum(int(tensor.n_elements) for tensor in read)
