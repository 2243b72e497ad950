"""What a run was begun with, in short texts that a resume can compare.

    described(PGD(step=0.1), "optimizer")
    {"optimizer": "saddleproof.optimizers.pgd.PGD", "optimizer.step": "0.1", ...}

An object is described by its type and by its options: the fields of a dataclass, or the attributes
that bear the names of its constructor's parameters. Arrays are described by dtype, shape and a
digest of their bytes; functions by their name and their code. What is none of these counts by its
type alone: two such objects look alike, whatever they hold.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import types
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

#: Longest text that is kept as it is; a longer one is kept as its digest.
LONGEST = 60
#: Objects inside objects that are looked into.
DEPTH = 6


@runtime_checkable
class Described(Protocol):
    """A problem or a fleet that says itself what distinguishes it."""

    def conditions(self) -> Mapping[str, str]:
        """Name to short text; another text on a resume is another run.

        A fleet that wraps another one passes `conditions_of` of that on.
        """


@runtime_checkable
class KeepingFleet(Protocol):
    """A fleet whose answers depend on earlier rounds, by a memory that it can hand out."""

    def kept(self) -> dict[str, Any]:
        """The memory: arrays, numbers, strings, tuples and dicts with strings for keys."""

    def restore(self, kept: dict[str, Any]) -> None:
        """Take a memory back, after `announce` and before the first round of a resumed run."""


def conditions_of(fleet: object) -> dict[str, str]:
    """What a fleet says of itself, or else a description of the problem that it holds, if any.

    Workers in other processes have their data to themselves: nothing is known of them here.
    """
    if isinstance(fleet, Described):
        return dict(fleet.conditions())
    problem = getattr(fleet, "problem", None)  # `LocalFleet.problem`, and what wraps such a fleet
    if problem is None:
        return {}
    if isinstance(problem, Described):
        return dict(problem.conditions())
    found = described(problem, "problem")
    for name, value in sorted(_public(problem).items()):
        if isinstance(value, np.ndarray):
            found[f"problem.{name}"] = digest(value)
    return found


def described(value: object, name: str) -> dict[str, str]:
    """An object's type under `name`, and its options under `name.option`."""
    return _flat(value, name, DEPTH)


def digest(array: NDArray[Any]) -> str:
    """An array's dtype and shape, and 48 bits of the SHA-256 of its bytes.

    >>> digest(np.zeros(3))
    'float64(3,) 9d908ecfb6b2'
    """
    if array.dtype.hasobject:
        shape = f"{array.dtype}{array.shape}"
        return f"{shape} {_short(repr([_text(item, 2) for item in array.ravel()]))}"
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return f"{array.dtype}{array.shape} {hashlib.sha256(data.data).hexdigest()[:12]}"


def _flat(value: object, name: str, depth: int) -> dict[str, str]:
    options = None if depth == 0 else _options(value)
    if options is None:
        return {name: _text(value, depth)}
    found = {name: _named(type(value))}
    for option, inner in options.items():
        found |= _flat(inner, f"{name}.{option}", depth - 1)
    return found


def _text(value: object, depth: int) -> str:
    return _limited(_whole(value, depth))


def _whole(value: object, depth: int) -> str:
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | PurePath):
        return repr(value)
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, np.ndarray):
        return digest(value)
    if isinstance(value, np.generic | np.dtype):
        return repr(value.item() if isinstance(value, np.generic) else str(value))
    if depth == 0:
        return _named(type(value))
    if isinstance(value, Mapping):
        inner = [f"{key!r}: {_whole(item, depth - 1)}" for key, item in value.items()]
        return f"{{{', '.join(inner)}}}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_whole(item, depth - 1) for item in value)}]"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(_whole(item, depth - 1) for item in value))}}}"
    if callable(value) and (code := _code(value, depth)) is not None:
        return code
    options = _options(value) or {}
    inner = [f"{name}={_whole(item, depth - 1)}" for name, item in options.items()]
    return f"{_named(type(value))}({', '.join(inner)})"


def _code(value: object, depth: int) -> str | None:
    """A function by its name and code, and by what it closes over; a class by its name."""
    if isinstance(value, type):
        return _named(value)
    if isinstance(value, functools.partial):
        parts = (value.func, value.args, dict(value.keywords))
        return f"partial({', '.join(_whole(part, depth - 1) for part in parts)})"
    if isinstance(value, types.MethodType):
        return f"{_whole(value.__self__, depth - 1)}.{value.__name__}"
    if isinstance(value, types.FunctionType):
        over = [cell.cell_contents for cell in value.__closure__ or () if _filled(cell)]
        over += [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        inner = ", ".join(_whole(item, depth - 1) for item in over)
        return f"{value.__module__}.{value.__qualname__}[{_body(value.__code__)}]({inner})"
    if isinstance(value, types.BuiltinFunctionType | np.ufunc):
        return str(value.__name__)
    return None


def _body(code: types.CodeType) -> str:
    inner = [_body(x) if isinstance(x, types.CodeType) else repr(x) for x in code.co_consts]
    return _short(repr((code.co_code, inner, code.co_names)))


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell says so when it is read
    except ValueError:
        return False
    return True


def _options(value: object) -> dict[str, Any] | None:
    """What an object was made with, by name; None for plain data, arrays and functions."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in _told(value)}
    plain = (
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        PurePath,
        Enum,
        np.ndarray,
        np.generic,
        np.dtype,
    )
    if value is None or isinstance(value, (*plain, Mapping, tuple, list, set, frozenset, type)):
        return None
    if callable(value) and _code(value, 1) is not None:
        return None
    public, wanted = _public(value), _parameters(type(value))
    return {name: public[name] for name in wanted if name in public}


def _told(value: Any) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(value) if f.init and f.compare]


def _public(value: object) -> dict[str, Any]:
    """The attributes that a constructor may have set: no caches, and nothing private."""
    return {
        name: held
        for name, held in getattr(value, "__dict__", {}).items()
        if not name.startswith("_")
        and not isinstance(
            inspect.getattr_static(type(value), name, None), functools.cached_property
        )
    }


def _parameters(kind: type) -> tuple[str, ...]:
    """The names of the parameters of a class's constructor, and of those that it inherits."""
    names: dict[str, None] = {}
    for ancestor in kind.__mro__[:-1]:
        begin = vars(ancestor).get("__init__")
        if isinstance(begin, types.FunctionType):
            names |= dict.fromkeys(list(inspect.signature(begin).parameters)[1:])
    return tuple(names)


def _named(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _limited(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}... {_short(text)}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
