"""Copies of a user's module and loss, which are never changed themselves.

A module may hold tensors that are no parameters: its last output, a weight that it computed once,
a view of a parameter's memory. They would not follow the parameters of a message. In a copy each is
a trainable tensor of its own, so that the probe finds and refuses a forward pass that reads one.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from saddleproof.errors import OptionError
from saddleproof.torch.layout import Layout
from saddleproof.torch.loss import LossFunction
from saddleproof.torch.surroundings import note_copy, plainly

M = TypeVar("M", bound=nn.Module)


def pristine(module: M) -> M:
    """A copy of a module, which waits for the same lock.

    `copy.deepcopy` alone refuses a module that keeps its last output, or the old `weight_norm`.

    Raises:
        OptionError: the module cannot be copied, or its copy is another module.
    """
    memo: dict[int, Any] = {}
    with plainly():
        ours = {(p.untyped_storage().data_ptr(), p.device) for p in module.parameters()}
        own = {id(p) for p in module.parameters()} | {id(x) for x in module.buffers()}
        for x in tensors_kept(module):
            views = (x.untyped_storage().data_ptr(), x.device) in ours and id(x) not in own
            if x.grad_fn is not None or (views and x.is_floating_point()):
                memo[id(x)] = x.detach().clone().requires_grad_()
        try:
            copied = copy.deepcopy(module, memo)
        except Exception as error:  # whatever a part of the user's raises when it is copied
            raise OptionError(
                f"{type(module).__name__} cannot be copied, and the library never changes a "
                f"user's own: {error}. Keep what cannot be copied outside of it"
            ) from error
    _check_copy(module, copied)
    note_copy(module, copied)
    return copied


def tensors_kept(module: nn.Module) -> Iterator[Tensor]:
    """The dense tensors among a module's attributes, also in lists, tuples and dicts."""
    seen: set[int] = set()
    kept = [x for layer in module.modules() for x in vars(layer).values()]
    while kept:
        x = kept.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if isinstance(x, Tensor):
            if x.layout == torch.strided:
                yield x
        elif isinstance(x, (list, tuple)):
            kept += x
        elif isinstance(x, dict):
            kept += x.values()


def _check_copy(module: nn.Module, copied: nn.Module) -> None:
    old, new = dict(module.named_parameters()), dict(copied.named_parameters())
    cure = "Leave its __deepcopy__ out, or let it copy parameters and values"
    if copied is module or {id(p) for p in old.values()} & {id(p) for p in new.values()}:
        raise OptionError(f"a copy of {type(module).__name__} shares its parameters. {cure}")
    if old.keys() != new.keys() or not all(map(_is_same, old.values(), new.values())):
        raise OptionError(f"a copy of {type(module).__name__} has other parameters. {cure}")


def _is_same(p: Tensor, q: Tensor) -> bool:
    return p.shape == q.shape and torch.allclose(p, q, 0.0, 0.0, equal_nan=True)


def matched(loss: LossFunction, layout: Layout) -> LossFunction:
    """A loss whose own tensors, such as class weights, have a module's dtype and device."""
    if isinstance(loss, nn.Module):
        with plainly():
            copied: LossFunction = pristine(loss).to(layout.device, layout.dtype)
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
