"""What distinguishes a problem with a module from another one, in short texts for a checkpoint.

The start is no part of it: a run keeps that by itself.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from saddleproof.fingerprint import described


def of_module(module: nn.Module) -> str:
    """Its layers and modes, and what it holds beside its trainable parameters."""
    layers = [
        f"{name}: {type(layer).__module__}.{type(layer).__qualname__} {layer.extra_repr()} "
        f"{layer.training}"
        for name, layer in module.named_modules()
    ]
    frozen = {name: p for name, p in module.named_parameters() if not p.requires_grad}
    shapes = [f"{name} {tuple(p.shape)}" for name, p in module.named_parameters()]
    fixed = of_tensors({**frozen, **dict(module.named_buffers())})
    return f"{type(module).__qualname__} {_short(' '.join([*layers, *shapes, fixed]))}"


def of_loss(loss: Any, name: str) -> dict[str, str]:
    """A function by its name and code, a module by its options; both with their tensors."""
    if isinstance(loss, nn.Module):
        return {name: f"{of_module(loss)} {of_tensors(dict(loss.named_parameters()))}"}
    found = described(loss, name)
    if isinstance(loss, functools.partial):
        held: dict[str, Any] = {str(i): x for i, x in enumerate(loss.args)} | loss.keywords
        found[f"{name}.tensors"] = of_tensors(
            {key: x for key, x in held.items() if isinstance(x, Tensor)}
        )
    return found


def of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """A digest of names, dtypes, shapes and numbers."""
    sums = hashlib.sha256()
    for name, x in tensors.items():
        sums.update(f"{name} {x.dtype} {tuple(x.shape)} ".encode())
        sums.update(_bytes(x))
    return sums.hexdigest()[:12]


def of_rows(storage: Iterable[Tensor], sizes: Iterable[int]) -> str:
    """A digest of all workers' rows, and how many each has."""
    named = {str(i): x for i, x in enumerate(storage)}
    return _short(f"{of_tensors(named)} {[int(n) for n in sizes]}")


def _bytes(x: Tensor) -> bytes:
    flat = x.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
