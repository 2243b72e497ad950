"""What a module must be before it is copied: refused otherwise, by one sentence with the cure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize

from saddleproof.errors import OptionError


def check_module(module: Any) -> None:
    """Refuse what cannot be called with other parameters than its own.

    Raises:
        OptionError: says what to pass in its place.
    """
    if not isinstance(module, nn.Module):
        called = f"{module.__name__}(...)" if isinstance(module, type) else "an nn.Module"
        raise OptionError(f"module must be {called}, made already; got {module!r:.60}")
    for name, layer in module.named_modules():
        _check_layer(f"layer {name!r}" if name else "the module", layer)
    if parametrize._cache_enabled:  # noqa: SLF001  # PyTorch has no public name for it
        raise OptionError(
            "inside of torch.nn.utils.parametrize.cached() parameters stay as they were first "
            "computed; train and certify outside of it"
        )
    for name, p in module.named_parameters():
        _check_parameter(name, p)
    _check_memory(module)


def check_loss(loss: Any) -> None:
    """Refuse a loss that cannot be called; None is the module's own (`loss_of`).

    Raises:
        OptionError: a class, a name, or another thing that is no function.
    """
    if loss is not None and (isinstance(loss, type) or not callable(loss)):
        cure = f"{loss.__name__}()" if isinstance(loss, type) else "nn.functional.cross_entropy"
        raise OptionError(
            f"loss must be a function of (output, target), such as {cure}; got {loss!r:.60}"
        )


def loss_of(loss: Any, keys: tuple[str, ...]) -> Any:
    """The loss function; without one, what the module's output has as `loss`.

    Raises:
        OptionError: there is none, and rows are tuples.
    """
    if loss is not None:
        return loss
    if not keys:
        raise OptionError(
            "loss must be a function of (output, target), such as nn.functional.cross_entropy; "
            "loss=None is for modules that return their loss, and needs rows as dicts, such as "
            '{"input_ids": ..., "labels": ...}'
        )
    return own_loss


def own_loss(output: Any, batch: dict[str, Tensor]) -> Tensor:
    """`output.loss`, or `output["loss"]`, as modules of Hugging Face give it.

    Raises:
        OptionError: the output has no loss.
    """
    found = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    if not isinstance(found, Tensor):
        raise OptionError(
            f"the module returned no loss for a dict of {', '.join(map(repr, batch))}: add the "
            "labels that it needs, or pass loss=, a function of (output, dict)"
        )
    return found


def _check_layer(what: str, layer: nn.Module) -> None:
    if isinstance(layer, torch.jit.ScriptModule):
        raise OptionError(
            f"{what} is scripted and cannot be called with other parameters; pass the "
            "nn.Module that it was made from"
        )
    if isinstance(layer, nn.DataParallel | nn.parallel.DistributedDataParallel):
        raise OptionError(
            f"{what} is {type(layer).__name__}, whose replicas have parameters of their own; pass "
            "its .module"
        )
    if isinstance(layer, LazyModuleMixin) and layer.has_uninitialized_params():
        raise OptionError(
            f"{what} is lazy and has no parameters yet; call the module once on a few rows"
        )
    if isinstance(layer, (nn.Embedding, nn.EmbeddingBag)) and layer.max_norm is not None:
        raise OptionError(
            f"{what} has max_norm, which rewrites its weights in every forward pass; leave "
            "max_norm out, or pass penalty="
        )


def _check_parameter(name: str, p: nn.Parameter) -> None:
    if p.is_meta:
        raise OptionError(f"parameter {name!r} is on the device meta and has no numbers; load some")
    hooks = (p._backward_hooks, p._post_accumulate_grad_hooks)  # noqa: SLF001  # autograd's own
    if p.requires_grad and any(hooks):
        raise OptionError(
            f"parameter {name!r} has a hook on its gradient, which no worker would call; remove "
            "it, and change the forward pass to the same effect, such as a mask on the weight"
        )
    if any(step == 0 and size > 1 for step, size in zip(p.stride(), p.shape, strict=True)):
        raise OptionError(
            f"parameter {name!r} is expanded: several of its numbers are one in memory; expand "
            "it in the forward pass"
        )


def _check_memory(module: nn.Module) -> None:
    """Two names for one piece of memory: a message would hold one of them, or two that differ."""
    named = [*module.named_parameters(), *module.named_buffers()]
    spans = sorted(
        (*_span(x), name, x.requires_grad) for name, x in named if x.numel() and _is_plain(x)
    )
    for i, (device, _, end, name, trains) in enumerate(spans):
        for other_device, start, _, other, trains_too in spans[i + 1 :]:
            if other_device != device or start >= end:
                break
            if trains or trains_too:
                raise OptionError(
                    f"{name!r} and {other!r} are different tensors in the same memory, so that one "
                    "changes with the other; make them one parameter, or compute one from the "
                    "other in the forward pass"
                )


def _is_plain(x: Tensor) -> bool:
    return x.layout == torch.strided and not x.is_meta


def _span(x: Tensor) -> tuple[str, int, int]:
    """The device, and the first byte and the one after the last."""
    last = sum(step * (size - 1) for step, size in zip(x.stride(), x.shape, strict=True))
    return str(x.device), x.data_ptr(), x.data_ptr() + (last + 1) * x.element_size()
