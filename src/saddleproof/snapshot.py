"""State as data: a frozen dataclass of arrays and scalars, to bytes and back. Never pickle.

A snapshot is an .npz archive: the arrays, and one JSON tree that says where they belong. Loading
is directed by the type that the caller expects, so a snapshot names no class and can run no code.
Files are replaced atomically (write, fsync, rename): a reader sees the old one or the new one.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import types
import typing
import zipfile
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from saddleproof.errors import StoreError

FORMAT = 1
T = TypeVar("T")


#: What reading a damaged archive may raise; RuntimeError is zipfile's for a bit that reads
#: "encrypted", and NotImplementedError, a kind of it, for an unknown compression.
DAMAGED = (KeyError, ValueError, TypeError, zipfile.BadZipFile, OSError, EOFError, RuntimeError)


def dumps(state: object) -> bytes:
    """A dataclass of arrays, scalars, strings, tuples, dicts and dataclasses, as bytes.

    Equal states give equal bytes.

    Raises:
        StoreError: the state holds something that is not data.
    """
    arrays: dict[str, np.ndarray] = {}
    tree = {"format": FORMAT, "state": _encode(state, arrays)}
    arrays["tree"] = np.frombuffer(json.dumps(tree).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            # A ZipInfo of our own carries no clock, so that equal states give equal bytes.
            archive.writestr(zipfile.ZipInfo(name + ".npy"), member.getvalue())
    return buffer.getvalue()


def loads(data: bytes, expected: type[T]) -> T:
    """The state that `dumps` wrote, as an instance of `expected`.

    Raises:
        StoreError: the bytes are no snapshot, or not one of this type.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = dict(archive)
        tree = json.loads(arrays["tree"].tobytes())
        if tree["format"] != FORMAT:
            raise StoreError(f"snapshot format {tree['format']}; this version reads {FORMAT}")
        state = _decode(tree["state"], arrays, expected)
        if not isinstance(state, expected):
            raise StoreError(f"not a snapshot of {expected.__name__}: found {state!r}")
    except DAMAGED as error:
        raise StoreError(f"not a snapshot of {expected.__name__}: {error}") from error
    return state


def save(path: str | os.PathLike[str], state: object) -> None:
    """Write a snapshot so that a crash at any instant leaves the old file or the new one."""
    data = dumps(state)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)


def load(path: str | os.PathLike[str], expected: type[T]) -> T:
    """Read a snapshot that `save` wrote."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read the snapshot {path}: {error}") from error
    return loads(data, expected)


def _encode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        name = f"a{len(arrays)}"
        arrays[name] = np.asarray(value, order="C")  # equal values, equal bytes
        return {"array": name}
    if isinstance(value, np.generic):
        return _encode(value.item(), arrays)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {
            "is": type(value).__name__,
            "fields": {name: _encode(item, arrays) for name, item in fields.items()},
        }
    if isinstance(value, tuple):
        return {"tuple": [_encode(item, arrays) for item in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _encode(item, arrays) for key, item in value.items()}}
    raise StoreError(
        f"a state holds arrays, scalars, strings, tuples, dicts and dataclasses; "
        f"got {type(value).__name__}"
    )


def _decode(tree: Any, arrays: dict[str, np.ndarray], expected: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return arrays[tree["array"]]
    if "tuple" in tree:
        inner = _arguments(expected, tuple)
        return tuple(_decode(item, arrays, inner[0]) for item in tree["tuple"])
    if "dict" in tree:
        inner = _arguments(expected, dict)
        return {key: _decode(item, arrays, inner[-1]) for key, item in tree["dict"].items()}
    for option in _options(expected):
        if isinstance(option, type) and option.__name__ == tree["is"]:
            hints = typing.get_type_hints(option)
            fields = tree["fields"].items()
            return option(**{k: _decode(v, arrays, hints[k]) for k, v in fields})
    raise StoreError(f"found a {tree['is']} where {expected} belongs")


def _options(expected: Any) -> tuple[Any, ...]:
    """The members of a union; any other type stands for itself."""
    if typing.get_origin(expected) in (typing.Union, types.UnionType):
        return typing.get_args(expected)
    return (expected,)


def _arguments(expected: Any, container: type) -> tuple[Any, ...]:
    for option in _options(expected):
        if typing.get_origin(option) is container:
            return typing.get_args(option)
    return (Any,)
