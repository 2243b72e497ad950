"""Whether a module or a loss remembers earlier calls: then it is no function of the parameters.

Remembered may be the rows of another worker, parameters of another point, or how often it was
called. A copy that has been called with other rows and at other points must give what a copy gives
that was never called. A number that a call changes, such as a counter, is set far ahead: a schedule
of a weight then shows.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from saddleproof.errors import OptionError
from saddleproof.torch.copies import pristine
from saddleproof.torch.loss import ModuleLoss
from saddleproof.torch.reach import kept_by
from saddleproof.torch.surroundings import Drawing

#: How far a counter is set ahead.
AHEAD = (97, 10_007, 1_000_003)
#: Roundings by which two equal computations may differ; some GPU kernels add in any order.
ROUNDINGS = 100

Data = tuple[Tensor, ...]


def check_history(loss: ModuleLoss, points: Tensor, first: Data, other: Data) -> list[str]:
    """Refuse a module or a loss whose value depends on the calls before.

    Args:
        loss: the module and its loss.
        points: (q, d) points.
        first: rows of one worker.
        other: rows of another one.

    Returns:
        The attributes of the module that a call changes, without effect on the value.

    Raises:
        OptionError: says what to do.
    """
    used = on_a_copy(loss)
    known = [_value(on_a_copy(loss), w, first) for w in points]
    before = _attributes(used.module)
    for w in points:
        _value(used, w, other)
    after = _attributes(used.module)
    changed = [name for name in after if not _is_same(before.get(name), after[name])]
    if not _agrees(used, points, first, known):
        raise OptionError(
            "the module or the loss gives another number each time that it is called, or after "
            "other rows; it must not remember earlier calls, and draw random numbers from "
            "PyTorch's generator alone"
        )
    for name in changed:
        layer, attribute, number = _found(used.module, name)
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            for ahead in AHEAD:
                setattr(layer, attribute, number + ahead)
                if not _agrees(used, points, first, known):
                    raise OptionError(
                        f"the loss depends on {name!r}, which changes with every call of the "
                        "module; no worker's loss may change by itself. Make it a fixed number"
                    )
    return changed


def on_a_copy(loss: ModuleLoss) -> ModuleLoss:
    """The same loss on a copy of the module, which may be spoiled."""
    made = ModuleLoss(pristine(loss.module), loss.loss, penalty=loss.penalty, keys=loss.keys)
    made.facts = loss.facts
    return made


def _agrees(used: ModuleLoss, points: Tensor, data: Data, known: list[Tensor]) -> bool:
    return all(_close(_value(used, w, data), value) for w, value in zip(points, known, strict=True))


def _value(loss: ModuleLoss, w: Tensor, data: Data) -> Tensor:
    with Drawing(0):
        return loss.objective(w.clone(), *(x.clone() for x in data)).detach()


def _close(one: Tensor, other: Tensor) -> bool:
    unit = ROUNDINGS * torch.finfo(other.dtype).eps
    return torch.allclose(one, other, rtol=unit, atol=0.0, equal_nan=True)


def _attributes(module: nn.Module) -> dict[str, Any]:
    """Layer and name to what a layer keeps beside its parameters, buffers and layers."""
    return {
        f"{prefix}.{name}" if prefix else name: list(x) if isinstance(x, (list, dict)) else x
        for prefix, layer in module.named_modules()
        for name, x in kept_by(layer).items()
    }


def _is_same(old: Any, new: Any) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_is_same, old, new))
    return old is new or (isinstance(old, (int, float, str)) and bool(old == new))


def _found(module: nn.Module, name: str) -> tuple[nn.Module, str, Any]:
    prefix, _, attribute = name.rpartition(".")
    layer = module.get_submodule(prefix)
    return layer, attribute, vars(layer).get(attribute)
