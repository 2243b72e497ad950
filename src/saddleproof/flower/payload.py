"""Arrays as clients send them: a NumPy file in memory, read only where it is what was asked for.

Nothing is unpickled, no header is parsed but of the one form in which NumPy writes the headers of
numbers (NumPy's own reader raises errors of other modules on some bytes), and nothing is allocated
by what a header claims: it is compared with the model's own array before any number is read.
"""

from __future__ import annotations

import re
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.errors import FleetError

#: Format version 1.0 of https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
_FILE = re.compile(
    rb"\x93NUMPY\x01\x00(?P<length>..)"
    rb"\{'descr': '(?P<dtype>[<>|][fiub][1248])', 'fortran_order': (?P<fortran>True|False), "
    rb"'shape': \((?P<shape>[0-9, ]{0,400})\), \} *\n",
    re.DOTALL,
)
_PREFIX = 10  # bytes before the header itself
#: How dtypes of one kind are called: other widths and byte orders of the same kind are converted.
_KINDS = {"f": "floating-point numbers", "i": "integers", "u": "integers", "b": "booleans"}


class UnreadableError(FleetError):
    """An array that is not what the model asks for; the message says why."""


def read(data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The array in the bytes of a NumPy file.

    Args:
        data: what came, from anybody.
        shape: of the model's array.
        dtype: of the model's array; an answer has the same kind of numbers, of 64 bits at most.

    Returns:
        The array, of `shape` and of the sender's own width; for reading only.

    Raises:
        UnreadableError: anything else.

    >>> import io
    >>> file = io.BytesIO()
    >>> np.save(file, np.array([1.0, 2.0], dtype=np.float32))
    >>> read(file.getvalue(), (2,), np.dtype(np.float64))
    array([1., 2.], dtype=float32)
    """
    header = _FILE.match(data)
    if header is None or header.end() != _PREFIX + int.from_bytes(header["length"], "little"):
        raise UnreadableError("no NumPy array of real numbers")
    claimed = tuple(int(n) for n in header["shape"].replace(b" ", b"").split(b",") if n)
    if claimed != shape:
        raise UnreadableError(f"wrong shape {claimed!s:.40}, not {shape}")
    try:
        kind = np.dtype(header["dtype"].decode("ascii"))
    except TypeError as error:  # a width that its kind does not have
        raise UnreadableError(f"no dtype: {header['dtype']!a}") from error
    if _KINDS.get(kind.kind) != _KINDS[dtype.kind]:
        raise UnreadableError(f"wrong dtype {kind}, not {dtype}")
    if len(data) - header.end() != prod(shape) * kind.itemsize:
        raise UnreadableError(f"{len(data) - header.end()} bytes for shape {shape} of {kind}")
    flat = np.frombuffer(data, dtype=kind, offset=header.end())
    return flat.reshape(shape, order="F" if header["fortran"] == b"True" else "C")
