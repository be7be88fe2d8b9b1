"""What cannot be recorded, and what to do instead."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from everysum.errors import UsageError


def refuse_unrecordable(module: Any) -> None:
    """Refuse what hides its arithmetic: a compiled, scripted or quantized module, and one without numbers."""
    if not isinstance(module, nn.Module):
        raise UsageError("only a torch module can be recorded", wanted="a torch.nn.Module", came=type(module).__name__)
    for path, part in module.named_modules():
        name = f"the module {path}" if path else "this module"
        if type(part).__name__ == "OptimizedModule" or getattr(part, "_compiled_call_impl", None) is not None:
            raise UsageError(
                f"{name} is compiled: its sums are merged into kernels, and no single one can be seen",
                wanted="a module as it was before torch.compile",
                advice="record the module that was given to torch.compile: compiled._orig_mod",
            )
        if isinstance(part, torch.jit.ScriptModule):
            raise UsageError(
                f"{name} is a TorchScript module: its lines cannot be named",
                wanted="the Python module that it was made from",
            )
        if "quantized" in type(part).__module__ or "bitsandbytes" in type(part).__module__:
            raise quantized(name)
        for tensor in [*part._parameters.values(), *part._buffers.values()]:
            if tensor is None:
                continue
            if tensor.is_quantized or type(tensor).__module__.startswith(("torchao", "bitsandbytes")):
                raise quantized(name)
            if tensor.device.type == "meta":
                raise UsageError(
                    f"{name} is on the meta device: it has shapes, but no numbers",
                    advice="load its weights first, or move it with to_empty and fill it",
                )


def quantized(name: str) -> UsageError:
    return UsageError(
        f"{name} is quantized: its products are made of packed integers inside one kernel",
        wanted="a module with weights in float32, bfloat16 or float16",
        advice="load the model without quantization (for example dtype='float32'), and record that",
    )
