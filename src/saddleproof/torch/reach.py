"""Whether a loss reaches into the user's own module, which the workers never call.

`lambda output, target: mse_loss(output, target) + net.penalty` reads what the forward pass of `net`
left there. The workers call copies, so that it would read an old number, or none.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from saddleproof.torch.surroundings import original_of

#: Objects inside objects that are looked into.
DEPTH = 5
#: What PyTorch keeps in every layer.
_TORCHS = frozenset(vars(nn.Module()))


def kept_by(layer: nn.Module) -> dict[str, Any]:
    """What a layer keeps beside its parameters, buffers and layers."""
    return {name: x for name, x in vars(layer).items() if name not in _TORCHS}


def reaches(function: Any, module: nn.Module) -> bool:
    """Whether a function's closure, globals, defaults or attributes lead to a layer of a module.

    Lists and dicts that a layer keeps count as parts of it.
    """
    parts: set[int] = set()
    for layer in module.modules():
        parts |= {
            id(layer),
            *(id(x) for x in kept_by(layer).values() if isinstance(x, (list, dict))),
        }
    todo, seen = [(function, 0)], set()
    while todo:
        x, depth = todo.pop()
        x = original_of(x) if isinstance(x, nn.Module) else x
        if id(x) in parts:
            return True
        if id(x) not in seen and depth <= DEPTH:
            seen.add(id(x))
            todo += [(part, depth + 1) for part in _parts(x)]
    return False


def _parts(x: Any) -> Iterable[Any]:
    if isinstance(x, types.FunctionType):
        names = _names(x.__code__)
        cells = [cell.cell_contents for cell in x.__closure__ or () if _filled(cell)]
        known = [x.__globals__[name] for name in names if name in x.__globals__]
        return [*cells, *known, *(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values()]
    if isinstance(x, types.MethodType):
        return [x.__self__, x.__func__]
    if isinstance(x, functools.partial):
        return [x.func, *x.args, *x.keywords.values()]
    if isinstance(x, dict):
        return x.values()
    if isinstance(x, (list, tuple, set)):
        return x
    if isinstance(x, (Tensor, type, types.ModuleType, str, bytes, int, float)) or x is None:
        return []
    calls = [getattr(type(x), name, None) for name in ("__call__", "forward")]
    return [*getattr(x, "__dict__", {}).values(), *calls]  # any object may be a loss


def _names(code: types.CodeType) -> list[str]:
    inner = [name for x in code.co_consts if isinstance(x, types.CodeType) for name in _names(x)]
    return [*code.co_names, *inner]


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell says so when it is read
    except ValueError:
        return False
    return True
