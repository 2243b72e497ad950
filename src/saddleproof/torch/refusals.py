"""What a forward pass and a loss may not do, each refused by one sentence that names the cure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from saddleproof.errors import OptionError
from saddleproof.torch.closeness import same
from saddleproof.torch.comparing import Trouble
from saddleproof.torch.facts import Facts
from saddleproof.torch.history import on_a_copy
from saddleproof.torch.loss import ModuleLoss
from saddleproof.torch.surroundings import Drawing, original_of
from saddleproof.torch.watching import Watching

Data = tuple[Tensor, ...]


def check_forward(loss: ModuleLoss, w: Tensor, data: Data, whose: str) -> Facts:
    """Whether a forward pass draws random numbers or writes into rows; refuse what it may not do.

    Raises:
        OptionError: the module, the loss or the penalty fails or gives no number, parameters or
            buffers are written into, or numbers are drawn from another generator.
    """
    trial, own = on_a_copy(loss), tuple(x.clone() for x in data)
    names = dict(trial.module.named_buffers())
    before = {name: x.clone() for name, x in names.items()}
    w = w.clone()
    rows = {f" row {i}": x for i, x in enumerate(own)}
    with Watching({" w": w, **rows, **names}) as watching, Drawing(0) as drawing:
        value = _value(trial, w, own, whose)
    if " w" in watching.written:
        raise OptionError(
            "a forward pass rewrites the module's parameters, so that its loss is no function of "
            "them; compute with copies"
        )
    changed = [name for name, x in names.items() if not same(before[name], x)]
    _check_buffers(loss.module, [*changed, *sorted(watching.written & set(names))])
    _check_number(value)
    writes = any(not same(x, y) or y.requires_grad for x, y in zip(data, own, strict=True))
    writes = writes or bool(watching.written & set(rows))
    if all(_draws_outside(trial, w, data) for _ in range(3)):
        raise OptionError(
            "a forward pass draws from NumPy's or Python's generator, which no round can replay; "
            "draw from PyTorch's"
        )
    narrow = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in watching.narrow))
    return replace(loss.facts, random=bool(drawing.draws), writes=writes, narrow=narrow)


def check_rows(loss: ModuleLoss, w: Tensor, shards: Mapping[str, Data], size: int | None) -> None:
    """Let every worker's rows pass once: all of them, and as many as a minibatch has.

    Args:
        loss: the module and its loss.
        w: (d,).
        shards: each worker's rows, by what error messages call the worker.
        size: of a minibatch; None for full gradients only.

    Raises:
        OptionError: the module or the loss fails on a worker's rows; names the worker.
    """
    trial = on_a_copy(loss)
    for whose, shard in shards.items():
        n = len(shard[0])
        for rows in {n, n if size is None else min(n, size)}:
            data = tuple(x[:rows].clone() for x in shard)
            try:
                with Drawing(0):
                    trial.objective(w, *data)
            except Exception as error:  # whatever the user's code raises
                which = "rows" if rows == n else f"first {rows} rows, a minibatch"
                raise OptionError(
                    f"the module or the loss fails on {whose}'s {which}: {first(error)}"
                ) from error


def _value(trial: ModuleLoss, w: Tensor, data: Data, whose: str) -> Any:
    tree = trial.layout.tree(w)
    try:
        value = trial.unpenalised(tree, *data)
    except Exception as error:  # whatever the user's code raises
        raise OptionError(
            f"the module or the loss fails on {whose}'s rows: {first(error)}"
        ) from error
    _check_number(value)
    if trial.penalty is None:
        return value
    try:
        return value + trial.penalty(tree)
    except Exception as error:  # whatever the user's code raises
        raise OptionError(
            f"the penalty fails: {first(error)}. It is handed a dict of the trainable parameters, "
            f"{', '.join(map(repr, list(tree)[:3]))}..., and must return one number"
        ) from error


def _check_number(value: Any) -> None:
    if not isinstance(value, Tensor):
        raise OptionError(
            f"the loss must return one floating-point number, a mean, as a tensor; got "
            f"{type(value).__name__}"
        )
    if value.ndim or not value.is_floating_point():
        raise OptionError(
            "the loss must return one floating-point number, a mean; got shape "
            f"{tuple(value.shape)} of {value.dtype}"
        )


def _check_buffers(module: nn.Module, written: list[str]) -> None:
    for name in written[:1]:
        layer = module.get_submodule(name.rpartition(".")[0])
        convert = "pass saddleproof.torch.convert(module), which has GroupNorm in its place, or "
        cure = convert if isinstance(layer, (_BatchNorm, _InstanceNorm)) else ""
        raise OptionError(
            f"{called(module, layer)} changes its buffer {name!r} in every forward "
            f"pass, which no aggregation rule would guard; {cure}call module.eval() first"
        )


def _outside_state() -> tuple[Any, ...]:
    numbers: Any = np.random.get_state()  # noqa: NPY002  # the user's, not ours
    return random.getstate(), numbers[1].tobytes(), numbers[2]


def _draws_outside(trial: ModuleLoss, w: Tensor, data: Data) -> bool:
    """Another thread may draw at the same time; then a second pass will not see it again."""
    before = _outside_state()
    with Drawing(0):
        trial.objective(w, *(x.clone() for x in data))
    return bool(before != _outside_state())


def check_outside(loss: ModuleLoss, w: Tensor, data: Data) -> None:
    """With parameters that ask for no gradient, nothing else may; with parameters that do, it must.

    A tensor that a forward pass makes anew each time, as for a derivative by its inputs, is none
    from outside.

    Raises:
        OptionError: the loss depends on other trainable tensors, or not on the parameters.
    """
    # The tensors of the first pass are held, so that no tensor of the second can take their place.
    passes = [loss.objective(w.detach(), *(x.clone() for x in data)) for _ in range(2)]
    once, again = ({id(x): x for x in _leaves_of(value)} for value in passes)
    outside = [x for key, x in once.items() if key in again]
    if outside:
        ours = {id(p): name for name, p in loss.module.named_parameters()}
        ours |= {id(p): name for name, p in original_of(loss.module).named_parameters()}
        names = [f"parameter {ours[id(x)]!r} of the module" for x in outside if id(x) in ours]
        names += [f"a tensor of shape {tuple(x.shape)}" for x in outside if id(x) not in ours]
        raise OptionError(
            f"the loss depends on trainable tensors that no message holds: {', '.join(names[:3])}. "
            "Pass a penalty on the parameters as penalty=; make other tensors parameters of the "
            "module, or set requires_grad=False; compute in the forward pass what the module keeps"
        )
    leaf = w.detach().clone().requires_grad_()
    if not loss.objective(leaf, *(x.clone() for x in data)).requires_grad:
        raise OptionError(
            "the loss cannot be differentiated by the module's parameters; leave no_grad, "
            "inference_mode, detach, argmax and NumPy out of the forward pass and the loss"
        )


def _leaves_of(value: Tensor) -> list[Tensor]:
    if not value.requires_grad:
        return []
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


def check_mean(loss: ModuleLoss, points: Tensor, data: Data) -> None:
    """Every row twice and three times: a mean stays as it is, and a sum grows by the same again.

    Raises:
        OptionError: the loss, or a part of it, adds up over the rows.
    """
    if loss.facts.random:
        return  # the next draw differs
    alone = ModuleLoss(loss.module, loss.loss, keys=loss.keys)
    alone.facts = loss.facts
    for w in points:
        try:
            one, two, three = (
                float(alone.objective(w, *(torch.cat([x] * times) for x in data)).detach())
                for times in (1, 2, 3)
            )
        except Trouble:
            return  # a module for so many rows and no others
        size = max(map(abs, (one, two, three)))
        if abs(two - one) > 1e-3 * size and abs(three - two - (two - one)) < 1e-4 * size:
            raise OptionError(
                "the loss, or a part of it, adds up over the rows, so that its size depends on how "
                'many there are; it must be a mean over them, as with reduction="mean"'
            )


def first(error: BaseException) -> str:
    """The first line of what an error says."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def called(module: nn.Module, layer: nn.Module) -> str:
    """'norm (BatchNorm1d)'."""
    name = next((name for name, one in module.named_modules() if one is layer), "")
    kind = type(layer).__name__
    return f"layer {name!r} ({kind})" if name else kind
