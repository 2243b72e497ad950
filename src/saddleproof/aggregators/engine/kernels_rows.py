"""Messages in main memory, by address: what the block kernel reads, where it already is.

A stack, a list of separate buffers and columns with a stride between them are the same to the
kernel, and so are NumPy, PyTorch and JAX arrays: what is in main memory is shared (DLPack), never
copied. Only float16 and bfloat16 are, widened to float32, some columns at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Array, namespace

#: Columns of a block. A row of it is 1 or 2 kB; shorter rows cost loop overhead, longer ones cache.
LANES = 256
#: DLPack's number for main memory.
MAIN_MEMORY = 1


@dataclass(frozen=True)
class RowAddresses:
    """q times m rows of length d in main memory, wherever they are.

    Attributes:
        addresses: (q, m), of the first number of each row.
        stride: bytes from one number of a row to the next, the same in all.
        d: length of the rows.
        dtype: float32 or float64.
        owner: keeps the memory alive.
    """

    addresses: NDArray[np.intp]
    stride: int
    d: int
    dtype: np.dtype[Any]
    owner: Any


def rows_of(messages: Array | list[Array], columns: slice = slice(None)) -> RowAddresses | None:
    """The rows of a (q, m, d) array, or of a list of m vectors (q = 1), some columns of them.

    None where the kernel cannot read them: on a device, inside a gradient, of another dtype or
    byte order, or vectors that are not of one kind.
    """
    if not isinstance(messages, list):
        host = _in_main_memory(messages[..., columns])
        return None if host is None else _rows_of_stack(host)
    hosts = [_in_main_memory(row[columns]) for row in messages if getattr(row, "ndim", 0) == 1]
    if len(hosts) < len(messages) or not hosts:
        return None
    return _rows_of_list(hosts)


def is_16_bit(x: Array) -> bool:
    """Whether the numbers are float16 or bfloat16."""
    xp = namespace(x)
    return bool(xp.isdtype(x.dtype, "real floating")) and xp.finfo(x.dtype).bits == 16


def as_like(x: NDArray[Any], like: Array) -> Array:
    """A NumPy array as one of the library and on the device of `like`, of its own dtype."""
    if isinstance(like, np.ndarray):
        return x
    from array_api_compat import device

    return namespace(like).asarray(x, device=device(like))


def _in_main_memory(x: Array) -> NDArray[Any] | None:
    """The array as NumPy's, on the same memory; widened if it is of 16 bits."""
    if not isinstance(x, np.ndarray):
        try:
            if x.__dlpack_device__()[0] != MAIN_MEMORY:
                return None
            return np.from_dlpack(
                namespace(x).astype(x, namespace(x).float32) if is_16_bit(x) else x
            )
        except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
            return None  # no DLPack, or in the middle of a gradient
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _rows_of_stack(stack: NDArray[Any]) -> RowAddresses | None:
    if not _readable(stack):
        return None
    points, rows, stride = stack.strides
    q, m, d = stack.shape
    addresses = points * np.arange(q)[:, None] + rows * np.arange(m) + _address(stack)
    return RowAddresses(addresses.astype(np.intp), stride, d, stack.dtype, stack)


def _rows_of_list(rows: list[NDArray[Any] | None]) -> RowAddresses | None:
    one = rows[0]
    if one is None:
        return None
    addresses = []
    for row in rows:
        if row is None or not _readable(row):
            return None
        if (row.shape, row.strides, row.dtype) != (one.shape, one.strides, one.dtype):
            return None
        addresses.append(_address(row))
    return RowAddresses(np.array([addresses], np.intp), one.strides[0], len(one), one.dtype, rows)


def _readable(x: NDArray[Any]) -> bool:
    return x.dtype in (np.float32, np.float64) and x.dtype.isnative and x.flags.aligned


def _address(x: NDArray[Any]) -> int:
    address: int = x.__array_interface__["data"][0]
    return address
