"""Copies of a user's module and loss, which are never changed themselves."""

from __future__ import annotations

import copy
import functools
from typing import Any

from torch import Tensor, nn

from saddleproof.torch.layout import Layout
from saddleproof.torch.loss import LossFunction
from saddleproof.torch.surroundings import plainly


def pristine(module: nn.Module) -> nn.Module:
    """A copy of a module; tensors that it computed and kept are copied as plain numbers.

    `copy.deepcopy` refuses a module that keeps its last output, or the old `weight_norm`.
    """
    with plainly():
        memo: dict[int, Any] = {}
        seen: set[int] = set()
        kept = [x for layer in module.modules() for x in vars(layer).values()]
        while kept:
            x = kept.pop()
            if id(x) in seen:
                continue
            seen.add(id(x))
            if isinstance(x, Tensor) and x.grad_fn is not None:
                memo[id(x)] = x.detach().clone()
            elif isinstance(x, (list, tuple)):
                kept += x
            elif isinstance(x, dict):
                kept += x.values()
        return copy.deepcopy(module, memo)


def matched(loss: LossFunction, layout: Layout) -> LossFunction:
    """A loss whose own tensors, such as class weights, have a module's dtype and device."""
    if isinstance(loss, nn.Module):
        with plainly():
            copied: LossFunction = copy.deepcopy(loss).to(layout.device, layout.dtype)
        return copied
    if isinstance(loss, functools.partial):
        args = [_converted(x, layout) for x in loss.args]
        keywords = {key: _converted(x, layout) for key, x in loss.keywords.items()}
        return functools.partial(matched(loss.func, layout), *args, **keywords)
    return loss


def _converted(x: Any, layout: Layout) -> Any:
    if not isinstance(x, Tensor):
        return x
    with plainly():
        return x.to(layout.device, layout.dtype if x.is_floating_point() else None)


def dense(module: nn.Module) -> nn.Module:
    """A module whose embeddings have dense gradients: the same numbers, where zeros are stored."""
    for layer in module.modules():
        if isinstance(layer, (nn.Embedding, nn.EmbeddingBag)):
            layer.sparse = False
    return module
