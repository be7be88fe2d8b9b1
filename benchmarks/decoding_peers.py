"""A peer of benchmarks/decoding.py: transformers' generate. (The other one is in `llama_cpp_peer`.)

transformers is used as its documentation says: `generate`, greedy, with its own cache and attention (SDPA), in float32
or bfloat16, nothing compiled. The moments at which its tokens come are noted by a streamer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from taking_turns import Missing

Ids = Sequence[int]


def measured(began: float, stamps: Sequence[float], token_ids: Ids) -> dict[str, Any]:
    """Of one text: seconds until its first token, tokens a second after that, and the tokens."""
    rate = (len(stamps) - 1) / (stamps[-1] - stamps[0])
    return {"first": stamps[0] - began, "rate": rate, "token_ids": list(token_ids)}


class Stamps:
    """A streamer that notes when tokens come; the first thing that it is given is the prompt."""

    def __init__(self) -> None:
        self.stamps: list[float] = []

    def put(self, value: Any) -> None:
        self.stamps.append(time.perf_counter())

    def end(self) -> None:
        pass


class Transformers:
    """A network of transformers in `dtype` ("float32" or "bfloat16")."""

    def __init__(self, folder: Path, dtype: str, threads: int, device: str = "cpu") -> None:
        try:
            import torch
            from transformers import AutoModelForCausalLM
            from transformers import logging as their_logging
        except ImportError:
            raise Missing("transformers is not installed: pip install transformers") from None
        torch.set_num_threads(threads)
        their_logging.set_verbosity_error()
        their_logging.disable_progress_bar()
        self.torch, self.device = torch, device
        self.network = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval().to(device)
        self.network.generation_config.eos_token_id = None  # nothing ends early
        self.network.generation_config.pad_token_id = 0

    def weights(self) -> tuple[int, int]:
        """Bytes and numbers of the weights that a token reads; of learned positions only a row is looked up."""
        read = [tensor for name, tensor in self.network.named_parameters() if not name.endswith("wpe.weight")]
        return sum(tensor.nbytes for tensor in read), sum(tensor.numel() for tensor in read)

    def generate(self, prompts: Sequence[Ids], tokens: int) -> tuple[float, list[float], list[list[int]]]:
        """When it began, when its tokens came, and which they are."""
        inputs = self.torch.tensor(prompts, device=self.device)
        streamer, began = Stamps(), time.perf_counter()
        found = self.network.generate(
            inputs,
            attention_mask=self.torch.ones_like(inputs),
            do_sample=False,
            max_new_tokens=tokens,
            streamer=streamer,
        )
        return began, streamer.stamps[1:], found[:, inputs.shape[1] :].tolist()

    def decode(self, ids: Ids, tokens: int) -> dict[str, Any]:
        began, stamps, texts = self.generate([ids], tokens)
        return measured(began, stamps, texts[0])

    def prefill(self, ids: Ids) -> float:
        """Seconds until the logits behind a prompt are there, the cache filled."""
        inputs = self.torch.tensor([ids], device=self.device)
        with self.torch.inference_mode():
            began = time.perf_counter()
            self.network(inputs, use_cache=True, logits_to_keep=1).logits.argmax(-1).tolist()
            return time.perf_counter() - began

    def batch(self, prompts: Sequence[Ids], tokens: int) -> float:
        """Seconds for all of the prompts together."""
        began, stamps, _ = self.generate(prompts, tokens)
        return stamps[-1] - began
