"""What fused operations stand for: the same arithmetic in smaller steps, to be carried out once more under a record.

Each function takes the arguments of PyTorch's operation and returns its results. Its variables name what they hold,
since a record names numbers by them. For operations that are not here PyTorch's own table is asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._decomp import decomposition_table


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    visible: Tensor | None,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool = False,
) -> tuple[Tensor, Tensor]:
    """Attention as its definition reads, and the logarithm of the sum of its exponentials."""
    if enable_gqa or query.shape[1] != key.shape[1]:
        group = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(group, dim=1), value.repeat_interleave(group, dim=1)
    products = query @ key.transpose(-2, -1)
    scores = products * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        past = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
        scores = scores.masked_fill(past.logical_not(), -math.inf)
    if visible is not None and visible.dtype == torch.bool:
        scores = scores.masked_fill(visible.logical_not(), -math.inf)
    elif visible is not None:
        scores = scores + visible
    attention_weights = torch.ops.aten._safe_softmax(scores, -1)
    mixed = attention_weights @ value
    return mixed, scores.logsumexp(-1)


def flash_attention_for_cpu(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor] | None:
    """What PyTorch calls flash attention on a CPU."""
    return None if dropout_p else attention(query, key, value, attn_mask, is_causal, scale)


def efficient_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_bias: Tensor | None,
    compute_log_sumexp: bool,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
) -> tuple[Tensor, Tensor] | None:
    """One of the fused kernels on a GPU; its dropout cannot be drawn again."""
    return None if dropout_p else attention(query, key, value, attn_bias, is_causal, scale)


def flash_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    return_debug_mask: bool = False,
    *,
    scale: float | None = None,
) -> tuple[Tensor, Tensor] | None:
    """The other fused kernel on a GPU."""
    return None if dropout_p else attention(query, key, value, None, is_causal, scale)


def cudnn_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_bias: Tensor | None,
    compute_log_sumexp: bool,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    return_debug_mask: bool = False,
    *,
    scale: float | None = None,
) -> tuple[Tensor, Tensor] | None:
    """The one that NVIDIA's library carries out."""
    return None if dropout_p else attention(query, key, value, attn_bias, is_causal, scale)


DECOMPOSITIONS: dict[str, Callable[..., Any]] = {
    "aten._scaled_dot_product_flash_attention_for_cpu": flash_attention_for_cpu,
    "aten._scaled_dot_product_efficient_attention": efficient_attention,
    "aten._scaled_dot_product_flash_attention": flash_attention,
    "aten._scaled_dot_product_cudnn_attention": cudnn_attention,
}


def decomposition_of(function: Any, packet: str) -> Callable[..., Any] | None:
    """How an operation is carried out in smaller ones, where anybody has written it down."""
    return DECOMPOSITIONS.get(packet) or decomposition_table.get(function)
