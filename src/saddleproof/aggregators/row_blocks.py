"""m rows of length d, in blocks of columns: what the Gram rules read, wherever the rows are.

Columns pass through a buffer in float64, whatever the dtype; memory-mapped rows and lists of rows
are never stacked, and what was read of a memory map is handed back to the system. Rows of NumPy,
and of PyTorch and JAX on the CPU, are read on shared memory; arrays on a device stay there.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arrays import Array, Vector, namespace

#: Numbers in the buffer of columns: 4 MB.
BUFFER = 2**19

#: Told of each block of columns once it was used: to report progress.
Seen = Callable[[slice], None]


@dataclass(frozen=True)
class Rows:
    """m rows of length d, to be read in blocks of columns.

    Attributes:
        host: the rows as NumPy vectors that share memory with the messages; None on a device.
        given: the rows as they came.
        d: their length.
        mapped: whether there are memory maps among them.
        seen: see `Seen`.
    """

    host: list[Any] | None
    given: list[Array]
    d: int
    mapped: bool
    seen: Seen | None = None

    @classmethod
    def of(cls, messages: Array, which: Array | None = None, seen: Seen | None = None) -> Rows:
        """The rows of a stack or a list, or those with the indices `which`."""
        chosen = range(len(messages)) if which is None else which.tolist()
        given = [messages[i] for i in chosen]
        mapped = any(_map_of(row) is not None for row in given)
        return cls(_on_host(given), given, int(messages[0].shape[0]), mapped, seen)

    def blocks(self, widest: int | None = None) -> Iterator[tuple[slice, Array]]:
        """Slices of columns, and the (m, h) float64 block in each; a buffer, valid for one turn.

        Args:
            widest: most columns of a block, for callers that make something of the same size.
        """
        m = max(len(self.given), 1)
        width = min(self.d, max(BUFFER // m, 256), widest or self.d)
        buffer = None if self.host is None else np.empty((m, width))
        for start in range(0, self.d, width):
            columns = slice(start, min(start + width, self.d))
            yield columns, self.columns(columns, buffer)
            if self.seen is not None:
                self.seen(columns)

    def columns(self, columns: slice, buffer: Vector | None = None) -> Array:
        """(m, h) float64: the columns of a slice."""
        if self.host is None:
            xp = namespace(self.given[0])
            return xp.astype(xp.stack([row[columns] for row in self.given]), xp.float64)
        width = len(range(*columns.indices(self.d)))
        block = np.empty((len(self.host), width)) if buffer is None else buffer[:, :width]
        for target, row in zip(block, self.host, strict=True):
            target[:] = row[columns]
            if self.mapped:
                forget(row)
        return block

    def native(self, small: Vector) -> Array:
        """A small NumPy array where the blocks are: itself, or on the rows' device."""
        if self.host is not None:
            return small
        xp = namespace(self.given[0])
        return xp.asarray(small, device=_device(self.given[0]))

    def joined(self, pieces: Iterable[Array], *lead: int) -> Array:
        """Pieces (*lead, h) side by side, as an array of the rows' library, dtype and device."""
        like = self.given[0]
        xp = namespace(like)
        if self.host is None:
            return xp.concat([xp.astype(piece, like.dtype) for piece in pieces], axis=-1)
        whole = np.empty((*lead, self.d), self.host[0].dtype)
        start = 0
        for piece in pieces:
            whole[..., start : start + piece.shape[-1]] = piece
            start += piece.shape[-1]
        return whole if isinstance(like, np.ndarray) else xp.asarray(whole)


def _on_host(given: list[Array]) -> list[Any] | None:
    """The rows as NumPy vectors on shared memory; None where they are not NumPy's to read."""
    try:
        return [row if isinstance(row, np.ndarray) else np.from_dlpack(row) for row in given]
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
        return None  # on a device, or of a dtype that NumPy has not: bfloat16


def _device(x: Array) -> Array:
    from array_api_compat import device

    return device(x)


def to_numpy(x: Array) -> Any:
    """A small array of any library as a NumPy array."""
    if not isinstance(x, np.ndarray):
        from array_api_compat import to_device

        x = to_device(x, "cpu")
    return np.asarray(x)


def forget(part: Array) -> None:
    """Hand the pages of (part of) a memory map back to the system; any other array is left alone.

    The map stays as it is and reads them again when asked. Only maps that share their pages with
    a file are touched: a private copy ("c") would lose what was written to it.
    """
    mapped = _map_of(part)
    if mapped is None or not part.flags.c_contiguous or not hasattr(mapped, "madvise"):
        return
    begin = np.frombuffer(mapped, np.uint8).__array_interface__["data"][0]
    first = part.__array_interface__["data"][0] - begin
    first -= first % mmap.PAGESIZE
    mapped.madvise(mmap.MADV_DONTNEED, first, part.nbytes)


def _map_of(part: Array) -> mmap.mmap | None:
    """The memory map behind an array, if there is one that shares its pages with a file."""
    owner = part
    while isinstance(owner, np.ndarray):
        if getattr(owner, "mode", "r") == "c":
            return None
        owner = owner.base
    return owner if isinstance(owner, mmap.mmap) else None
