"""What cannot be trained or judged here, each refused by one sentence that names the cure."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from saddleproof.errors import OptionError
from saddleproof.torch.comparing import Trouble, close, same
from saddleproof.torch.copies import pristine
from saddleproof.torch.loss import ModuleLoss
from saddleproof.torch.surroundings import Drawing


def check_module(module: nn.Module) -> None:
    """Refuse what cannot be called with other parameters than its own.

    Raises:
        OptionError: says what to pass in its place.
    """
    for name, layer in module.named_modules():
        what = f"layer {name!r}" if name else "the module"
        if isinstance(layer, torch.jit.ScriptModule):
            raise OptionError(
                f"{what} is scripted and cannot be called with other parameters; pass the "
                "nn.Module that it was made from"
            )
        if any(isinstance(p, nn.parameter.UninitializedParameter) for p in layer.parameters()):
            raise OptionError(
                f"{what} is lazy and has no parameters yet; call the module once on a few rows"
            )
        if isinstance(layer, (nn.Embedding, nn.EmbeddingBag)) and layer.max_norm is not None:
            raise OptionError(
                f"{what} has max_norm, which rewrites its weights in every forward pass; leave "
                "max_norm out, or pass penalty="
            )


def check_forward(loss: ModuleLoss, w: Tensor, data: tuple[Tensor, ...]) -> bool:
    """Whether a forward pass draws random numbers; refuse what it may not do."""
    trial = _on_a_copy(loss)
    trial.facts = replace(trial.facts, writes=True)
    before = [x.clone() for x in (w, *trial.module.buffers())]
    with Drawing(0) as mode, torch.no_grad():
        try:
            value: Any = trial.objective(w, *data)
        except Exception as error:
            raise OptionError(
                f"the module or the loss fails on a worker's rows: {first(error)}"
            ) from error
    if not isinstance(value, Tensor) or value.ndim or not value.is_floating_point():
        got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise OptionError(f"the loss must return one floating-point number, a mean; got {got}")
    if not same(before[0], w):
        raise OptionError(
            "a forward pass rewrites the module's parameters, so that its loss is no function of "
            "them; compute with copies"
        )
    _check_buffers(loss, trial, before[1:])
    if all(_draws_outside(trial, w, data) for _ in range(3)):
        raise OptionError(
            "a forward pass draws from NumPy's or Python's generator, which no round can replay; "
            "draw from PyTorch's"
        )
    with Drawing(0), torch.no_grad():
        again = trial.objective(w, *data)
    if not close(again, value):
        raise OptionError(
            "the module or the loss gives another number each time that it is called; it must "
            "not remember earlier calls"
        )
    return bool(mode.draws)


def _check_buffers(loss: ModuleLoss, trial: ModuleLoss, before: list[Tensor]) -> None:
    for (name, after), old in zip(trial.module.named_buffers(), before, strict=True):
        if not same(old, after):
            layer = loss.module.get_submodule(name.rpartition(".")[0])
            cure = "use nn.GroupNorm, or " if hasattr(layer, "running_mean") else ""
            raise OptionError(
                f"{called(loss.module, layer)} changes its buffer {name!r} in every forward "
                f"pass, which no aggregation rule would guard; {cure}call module.eval() first"
            )


def _outside_state() -> tuple[Any, ...]:
    numbers: Any = np.random.get_state()  # noqa: NPY002  # the user's, not ours
    return random.getstate(), numbers[1].tobytes(), numbers[2]


def _draws_outside(trial: ModuleLoss, w: Tensor, data: tuple[Tensor, ...]) -> bool:
    """Another thread may draw at the same time; then a second pass will not see it again."""
    before = _outside_state()
    with Drawing(0), torch.no_grad():
        trial.objective(w, *data)
    return bool(before != _outside_state())


def check_outside(
    loss: ModuleLoss, w: Tensor, data: tuple[Tensor, ...], original: nn.Module
) -> None:
    """With parameters that ask for no gradient, nothing else may ask for one."""
    value = loss.objective(w.detach(), *data)
    if not value.requires_grad:
        return
    ours = {id(p): name for name, p in loss.module.named_parameters()}
    ours |= {id(p): name for name, p in original.named_parameters()}
    tensors = _leaves_of(value)
    names = [f"parameter {ours[id(x)]!r} of the module" for x in tensors if id(x) in ours]
    names += [f"a tensor of shape {tuple(x.shape)}" for x in tensors if id(x) not in ours]
    raise OptionError(
        f"the loss depends on trainable tensors that no message holds: {', '.join(names[:3])}. "
        "Pass a penalty on the parameters as penalty=; make other tensors parameters of the "
        "module, or set requires_grad=False"
    )


def _leaves_of(value: Tensor) -> list[Tensor]:
    found: dict[int, Tensor] = {}
    seen: set[Any] = set()
    todo: list[Any] = [value.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            found[id(leaf)] = leaf
        todo += [parent for parent, _ in node.next_functions]
    if value.grad_fn is None:
        found[id(value)] = value
    return list(found.values())


def writes(loss: ModuleLoss, w: Tensor, data: tuple[Tensor, ...]) -> bool:
    """Whether a forward pass writes into its inputs or its target."""
    trial = tuple(x.clone() for x in data)
    with Drawing(0), torch.no_grad():
        _on_a_copy(loss).objective(w, *trial)
    return not all(same(old, new) for old, new in zip(data, trial, strict=True))


def check_mean(loss: ModuleLoss, w: Tensor, data: tuple[Tensor, ...]) -> None:
    """Every row twice: a mean stays as it is."""
    alone = ModuleLoss(loss.module, loss.loss)
    alone.facts = loss.facts
    try:
        with torch.no_grad():
            once = float(alone.objective(w, *data))
            twice = float(alone.objective(w, *(torch.cat([x, x]) for x in data)))
    except Trouble:
        return  # a module for so many rows and no others
    if not loss.facts.random and once and abs(twice / once - 2) < 1e-4:
        raise OptionError(
            "the loss adds up over the rows, so that its size depends on how many there are; "
            'it must be a mean over them, as with reduction="mean"'
        )


def _on_a_copy(loss: ModuleLoss) -> ModuleLoss:
    made = ModuleLoss(pristine(loss.module), loss.loss, penalty=loss.penalty)
    made.facts = loss.facts
    return made


def first(error: BaseException) -> str:
    """The first line of what an error says."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def called(module: nn.Module, layer: nn.Module) -> str:
    """'norm (BatchNorm1d)'."""
    name = next((name for name, one in module.named_modules() if one is layer), "")
    kind = type(layer).__name__
    return f"layer {name!r} ({kind})" if name else kind
