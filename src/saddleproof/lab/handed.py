"""What members of a caller's own are made of, so that a ledger tells when one of them changed.

A description (`saddleproof.fingerprint`) has an object's class and its options. An object of
another library, or of the caller's own, may hold more, and its code is in a file that can change.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from saddleproof.config.members import Given, Member

#: Objects inside objects that are looked into.
_DEPTH = 8
#: Packages whose objects a description and the versions tell apart.
_KNOWN = ("saddleproof", "builtins", "numpy", "scipy")


def foreign(members: Iterable[Member]) -> list[str]:
    """The digests of the files and of the states of all that is not of this library.

    Looked at are what makes a member, what a caller handed in, and what these hold: fields, items,
    defaults, closures, and the classes that a class inherits from. What cannot be pickled counts by
    its files alone.

    Args:
        members: of a comparison or a benchmark.
    """
    found = list(_inside(list(members), _DEPTH, set()))
    modules = sorted({name for one in found for name in _modules(one)})
    return [*map(file_of, modules), *map(_state, found)]


def file_of(module: str) -> str:
    """The digest of a module's file; "" of one that has none."""
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None or not Path(path).is_file():
        return ""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _inside(value: Any, depth: int, seen: set[int]) -> Iterator[Any]:
    """The foreign objects in a value, each once."""
    plain = value is None or isinstance(value, str | bytes | int | float | np.ndarray | np.generic)
    if plain or depth < 0 or id(value) in seen:
        return
    seen.add(id(value))
    if any(_modules(value)):
        yield value
    for part in _parts(value):
        yield from _inside(part, depth - 1, seen)


def _parts(value: Any) -> list[Any]:
    match value:
        case Member():
            return [value.make, value.options]
        case Given():
            return [value.value]
        case Mapping():
            return list(value.values())
        case list() | tuple() | set() | frozenset():
            return list(value)
        case functools.partial():
            return [value.func, value.args, value.keywords]
        case types.MethodType():
            return [value.__self__]
        case types.FunctionType():
            cells = [cell.cell_contents for cell in value.__closure__ or () if _filled(cell)]
            return [cells, value.__defaults__, value.__kwdefaults__]
        case type() | types.ModuleType():
            return []
    return list(getattr(value, "__dict__", {}).values())


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _modules(value: Any) -> Iterator[str]:
    """The foreign modules that this object's code is from."""
    if isinstance(value, types.FunctionType):
        names = [value.__module__]
    else:
        kind = value if isinstance(value, type) else type(value)
        names = [one.__module__ for one in kind.__mro__]
    for name in names:
        if (
            name
            and name.partition(".")[0] not in _KNOWN
            and hasattr(sys.modules.get(name), "__file__")
        ):
            yield name


def _state(value: Any) -> str:
    """The digest of what an object holds; "" of a class, a function and what is not pickled."""
    if isinstance(value, type | types.FunctionType | types.MethodType):
        return ""
    try:
        return hashlib.sha256(pickle.dumps(value, protocol=4)).hexdigest()
    except Exception:  # noqa: BLE001 - pickling asks the object, which is the user's own
        return ""
