"""The peer: nanoGPT's recipe for a CPU, run with transformers' GPT2LMHeadModel. Prints one line of JSON.

    python benchmarks/peer_gpt2.py train.txt held_out.txt [--steps 2000]

4 layers, 128 wide, 4 heads, a context of 64 characters, batches of 12, AdamW with 1e-3 → 1e-4 along a cosine, warm-up
over 100 steps, β₂ 0.99, weight decay 0.1, clipping at 1, no dropout, float32. Scored on every held-out character once,
in windows of 64 with a stride of 64, the first character from the last of the training text.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

BEGAN = time.monotonic()

import torch  # noqa: E402 - importing it is part of what the peer's user waits for
from torch.nn.functional import cross_entropy  # noqa: E402
from transformers import GPT2Config, GPT2LMHeadModel  # noqa: E402

CONTEXT, BATCH = 64, 12


def gpt2(
    vocabulary: int, *, layers: int = 4, width: int = 128, heads: int = 4, context: int = CONTEXT
) -> GPT2LMHeadModel:
    """The peer's network, as transformers makes it by default but for its sizes and dropout."""
    shape = {"n_layer": layers, "n_embd": width, "n_head": heads, "n_positions": context}
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=vocabulary, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, use_cache=False, **shape)
    )


def rate_at(step: int, steps: int) -> float:
    """nanoGPT's schedule."""
    if step < 100:
        return 1e-3 * (step + 1) / 101
    return 1e-4 + 0.5 * (1 + math.cos(math.pi * (step - 100) / max(1, steps - 100))) * (1e-3 - 1e-4)


def batch_of(data: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    starts = torch.randint(len(data) - CONTEXT - 1, (BATCH, 1))
    windows = data[starts + torch.arange(CONTEXT + 1)]
    return windows[:, :-1], windows[:, 1:]


@torch.no_grad()
def bits(model: GPT2LMHeadModel, before: torch.Tensor, held_out: torch.Tensor) -> float:
    """−log₂ probability of the whole held-out text, windows lying end to end; the last one may be shorter."""
    inputs, targets = torch.cat([before[-1:], held_out[:-1]]), held_out
    whole = len(held_out) // CONTEXT * CONTEXT
    parts = [*zip(inputs[:whole].view(-1, CONTEXT).split(64), targets[:whole].view(-1, CONTEXT).split(64), strict=True)]
    if whole < len(held_out):
        parts.append((inputs[None, whole:], targets[None, whole:]))
    losses = [cross_entropy(model(x).logits.flatten(0, 1), y.flatten(), reduction="sum").item() for x, y in parts]
    return sum(losses) / math.log(2)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("train", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    options = parser.parse_args()
    torch.manual_seed(1337)
    train_text, held_out_text = (path.read_bytes().decode() for path in (options.train, options.held_out))
    characters = {character: number for number, character in enumerate(sorted(set(train_text + held_out_text)))}
    train, held_out = (torch.tensor([characters[c] for c in text]) for text in (train_text, held_out_text))
    model = gpt2(len(characters))
    groups = [
        {"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    began = time.monotonic()
    for step in range(options.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, options.steps)
        inputs, targets = batch_of(train)
        loss = cross_entropy(model(inputs).logits.flatten(0, 1), targets.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    trained = time.monotonic()
    model.eval()
    result = {
        "bits_per_byte": bits(model, train, held_out) / len(held_out_text.encode()),
        "training_seconds": trained - began,
        "seconds": trained - BEGAN,
        "tokens_per_second": options.steps * BATCH * CONTEXT / (trained - began),
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
