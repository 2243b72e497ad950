"""State as data: a frozen dataclass of arrays and scalars, to bytes and back. Never pickle.

A snapshot is an .npz archive: the arrays, one JSON tree that says where they belong, and the
SHA-256 of all of it in the archive's comment. Loading is directed by the type that the caller
expects (`storage/typed.py`), so a snapshot names no class and can run no code. Files are private
and replaced atomically (`storage/files.py`): a reader sees the old one or the new one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import zipfile
from typing import Any, TypeVar

import numpy as np

from saddleproof.errors import StoreError
from saddleproof.storage import files
from saddleproof.storage.typed import decode

#: The format that is written; format 1 had no checksum, and is still read.
FORMAT = 2
#: In front of the checksum, which ends the file.
SEAL = b"sha256:"
_SEALED = len(SEAL) + 64
T = TypeVar("T")

#: What a tree of plain data may make a type raise that is not meant for it.
UNFIT = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError),
    RecursionError,
)


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
        archive.comment = SEAL + bytes(64)
    data = buffer.getvalue()[:-64]
    return data + hashlib.sha256(data).hexdigest().encode()


def loads(data: bytes, expected: type[T], source: str = "") -> T:
    """The state that `dumps` wrote, as an instance of `expected`.

    Args:
        data: the bytes.
        expected: a dataclass.
        source: where they were found, for the error.

    Raises:
        StoreError: the bytes are damaged, or no snapshot, or not one of this type; says where.
    """
    where = f"{source}: " if source else ""
    name = expected.__name__
    try:
        tree, arrays = _opened(data)
        state, place = tree["state"], name
        found: T = decode(state, arrays, expected, place)
    except StoreError as error:
        raise StoreError(f"{where}not a snapshot of {name}: {error}") from error
    except UNFIT as error:
        raise StoreError(f"{where}not a snapshot of {name}: {_said(error)}") from error
    return found


def save(path: str | os.PathLike[str], state: object) -> None:
    """Write a snapshot so that a crash at any instant leaves the old file or the new one.

    Raises:
        StoreError: the state is no data, or the file cannot be written; the old one is intact.
    """
    data = dumps(state)
    try:
        target = files.expanded(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        files.replace(target, data)
    except OSError as error:
        raise StoreError(f"cannot write the snapshot {path}: {_said(error)}") from error


def load(path: str | os.PathLike[str], expected: type[T]) -> T:
    """Read a snapshot that `save` wrote.

    Raises:
        StoreError: the file cannot be read, or `loads` refuses it; names the file.
    """
    try:
        data = files.expanded(path).read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read the snapshot {path}: {_said(error)}") from error
    return loads(data, expected, str(path))


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _opened(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The tree and the arrays, once the checksum has been found right."""
    if not data:
        raise StoreError("it is empty")
    sealed = data[-_SEALED:-64] == SEAL
    if sealed and hashlib.sha256(data[:-64]).hexdigest().encode() != data[-64:]:
        raise StoreError("it is damaged: its checksum is another")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = dict(archive)
        tree = json.loads(arrays.pop("tree").tobytes())
        version = tree["format"]
    except Exception as error:  # zipfile, zlib, tokenize and NumPy each raise kinds of their own
        raise StoreError(_said(error)) from error
    if version not in (1, FORMAT):
        raise StoreError(f"it has format {version!r}; this version reads 1 and {FORMAT}")
    if version == FORMAT and not sealed:
        raise StoreError("it is damaged: its checksum is missing")
    return tree, arrays


def _encode(value: object, arrays: dict[str, np.ndarray]) -> Any:
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
