"""From a tree of plain data to dataclasses, as their type hints say, or an error with a place.

A snapshot's tree is JSON: {"array": name}, {"tuple": [...]}, {"dict": {...}}, and
{"is": class name, "fields": {...}} for a dataclass; the rest stands for itself. The type that the
caller expects decides what may stand where. Nothing else is taken: no unknown field, no text in
the place of a number, no array of another kind.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import Enum
from functools import cache
from typing import Any

import numpy as np

from saddleproof.errors import StoreError

Arrays = dict[str, np.ndarray]
#: What stands for a dataclass where `Any` or `object` is expected: nobody says how to read it.
UNREAD = object()


def decode(tree: object, arrays: Arrays, expected: object, place: str) -> Any:
    """What `tree` stands for, as an instance of `expected`.

    Args:
        tree: plain data of JSON.
        arrays: those that the tree names.
        expected: a type: a dataclass, a scalar, a container, or a union of them.
        place: what the error calls this part.

    Raises:
        StoreError: the tree stands for something else; the message says where.
    """
    options = tuple(Any if option is object else option for option in _options(expected))
    if isinstance(tree, dict) and set(tree) == {"is", "fields"}:
        if Any in options:
            return UNREAD
        for option in options:
            if dataclasses.is_dataclass(option) and getattr(option, "__name__", "") == tree["is"]:
                return _dataclass(tree["fields"], arrays, option, place)
        raise StoreError(f"found a {tree['is']} where {_spelled(expected)} belongs, in {place}")
    kind, content = _kind(tree, place)
    for option in options:
        found = _read(kind, content, arrays, option, place)
        if found is not _NO:
            return found
    raise StoreError(f"found {_shown(tree)} where {_spelled(expected)} belongs, in {place}")


_NO = object()


def _read(kind: str, content: Any, arrays: Arrays, option: Any, place: str) -> Any:
    """The content as one of the expected types, or `_NO`."""
    if kind == "array":
        return _array(content, arrays, option, place)
    if kind == "tuple":
        return _tuple(content, arrays, option, place)
    if kind == "dict":
        return _dict(content, arrays, option, place)
    return _scalar(content, option)


def _kind(tree: object, place: str) -> tuple[str, Any]:
    if not isinstance(tree, dict):
        return "scalar", tree
    if len(tree) == 1:
        ((kind, content),) = tree.items()
        wanted = {"array": str, "tuple": list, "dict": dict}.get(kind)
        if wanted is not None and isinstance(content, wanted):
            return kind, content
    raise StoreError(f"found {_shown(tree)}, which stands for nothing, in {place}")


def _dataclass(content: Any, arrays: Arrays, option: Any, place: str) -> Any:
    fields, hints = _fields(option)
    if not isinstance(content, dict):
        raise StoreError(f"found {_shown(content)} where fields belong, in {place}")
    if unknown := sorted(content.keys() - fields.keys()):
        raise StoreError(f"unknown field {unknown[0]!r}, in {place}")
    if missing := [name for name, needed in fields.items() if needed and name not in content]:
        raise StoreError(f"the field {missing[0]!r} is missing, in {place}")
    inner = {
        name: decode(item, arrays, hints[name], f"{place}.{name}") for name, item in content.items()
    }
    try:
        return option(**inner)
    except ValueError as error:  # what the dataclass itself refuses; an OptionError is one
        raise StoreError(f"{error}, in {place}") from error


@cache
def _fields(option: Any) -> tuple[dict[str, bool], dict[str, Any]]:
    """Field to whether it has no default; and the hints."""
    needed = {
        f.name: f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        for f in dataclasses.fields(option)
        if f.init
    }
    return needed, typing.get_type_hints(option)


def _array(name: str, arrays: Arrays, option: object, place: str) -> Any:
    if name not in arrays:
        raise StoreError(f"the array {name!r} is missing, in {place}")
    found = arrays[name]
    if option is Any or option is np.ndarray:
        return found
    if typing.get_origin(option) is not np.ndarray:
        return _NO
    kinds = typing.get_args(typing.get_args(option)[1])
    if kinds and isinstance(kinds[0], type):
        # A run in float32 keeps float32 where a hint says float64, numpy's word for a vector.
        wanted = np.floating if issubclass(kinds[0], np.floating) else kinds[0]
        if not np.issubdtype(found.dtype, wanted):
            return _NO
    return found


def _tuple(items: list[Any], arrays: Arrays, option: object, place: str) -> Any:
    if option in (Any, tuple):
        inner: tuple[Any, ...] = (Any,) * len(items)
    elif typing.get_origin(option) is tuple:
        inner = typing.get_args(option)
        if len(inner) == 2 and inner[1] is Ellipsis:
            inner = (inner[0],) * len(items)
    else:
        return _NO
    if len(inner) != len(items):
        return _NO
    return tuple(
        decode(item, arrays, kind, f"{place}[{i}]")
        for i, (item, kind) in enumerate(zip(items, inner, strict=True))
    )


def _dict(items: dict[str, Any], arrays: Arrays, option: object, place: str) -> Any:
    if option not in (Any, dict) and typing.get_origin(option) is not dict:
        return _NO
    inner = (typing.get_args(option) or (str, Any))[1]
    return {key: decode(item, arrays, inner, f"{place}[{key!r}]") for key, item in items.items()}


def _scalar(value: object, option: object) -> Any:
    if isinstance(value, list):
        return _NO
    if option is Any or type(value) is option:
        return value
    if option is float and type(value) is int:
        return value
    if isinstance(option, type) and issubclass(option, Enum):
        return next((member for member in option if member.value == value), _NO)
    if typing.get_origin(option) is typing.Literal and value in typing.get_args(option):
        return value
    return _NO


def _options(expected: object) -> tuple[Any, ...]:
    """The members of a union; any other type stands for itself."""
    if typing.get_origin(expected) in (typing.Union, types.UnionType):
        return typing.get_args(expected)
    return (expected,)


def _spelled(expected: object) -> str:
    return expected.__name__ if isinstance(expected, type) else str(expected)


def _shown(tree: object) -> str:
    text = repr(tree)
    return text if len(text) <= 40 else f"{text[:40]}..."
