"""One pass over the messages for every coordinate-wise rule: vector, inexactness and kept.

All of them average order statistics of the m numbers of a coordinate. A `Window` says which; the
block kernel (`saddleproof.aggregators.kernels_compiled`) sorts just as much as it needs, and reads
each message once. Rows are taken by address: a stack, a list of separate buffers and columns with
a stride between them are the same to it, and NumPy, PyTorch and JAX arrays in main memory are
read where they are.

The kernel is compiled on its first call in float32 or float64, some seconds, and kept on disk.
Small messages never need it: below `SMALL` numbers, the array library's own sort is used instead.
Which way is taken depends on the shape alone, so a run repeats.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.networks import ALONE, UNUSED, network
from saddleproof.arrays import Array, Vector
from saddleproof.ranks import inflatable, rank_bounds

#: Fewer numbers than this, all query points together, are not worth loading the kernel.
SMALL = 2**16
#: Numbers that are worth a thread of their own.
SHARE = 2**18
#: DLPack's number for main memory.
MAIN_MEMORY = 1


@dataclass(frozen=True)
class Window:
    """Which of m sorted numbers are averaged.

    Attributes:
        low, high: ranks low, ..., high - 1 enter.
        pairs: and of each pair of ranks low-1-i and m-1-i, i < pairs, the one nearer to the
            median; pairs is low or 0. Pairing the nearest below with the farthest above leaves
            exactly the `pairs` nearest of all 2 * pairs (Batcher's half-cleaner).
    """

    low: int
    high: int
    pairs: int = 0

    def labels(self, m: int) -> tuple[int, ...]:
        """What a network must do with each rank so that the average can be read off."""
        wanted = [UNUSED] * m
        wanted[self.low : self.high] = [1] * (self.high - self.low)
        if self.pairs:
            wanted[: self.pairs] = wanted[m - self.pairs :] = [ALONE] * self.pairs
            wanted[(m - 1) // 2] = wanted[m // 2] = 2
        return tuple(wanted)


@dataclass(frozen=True)
class Scan:
    """What one pass found out.

    Attributes:
        vector: (q, d), the averages.
        kept: (q, m), the rows that entered somewhere; (q, 0) if not asked for.
        bounds: (q, 2) sums of squares over the coordinates: of the rank intervals about the
            vector, and of the MADs. None if not asked for, or if b > m/3 makes it void.
    """

    vector: NDArray[Any]
    kept: NDArray[np.bool_]
    bounds: Vector | None


@dataclass(frozen=True)
class Rows:
    """q times m rows of length d in main memory, wherever they are.

    Attributes:
        addresses: (q, m).
        stride: bytes from one number of a row to the next, the same for all.
        d: length of the rows.
        dtype: float32 or float64.
        owner: whoever keeps the memory alive.
    """

    addresses: NDArray[np.intp]
    stride: int
    d: int
    dtype: np.dtype[Any]
    owner: Any

    @classmethod
    def of_stack(cls, stack: NDArray[Any]) -> Rows | None:
        """The rows of a (q, m, d) array; None if the kernel cannot read it in place."""
        if not _readable(stack):
            return None
        q, m, d = stack.shape
        points, rows, stride = stack.strides
        start = stack.__array_interface__["data"][0]
        addresses = start + points * np.arange(q)[:, None] + rows * np.arange(m)
        return cls(addresses.astype(np.intp), stride, d, stack.dtype, stack)

    @classmethod
    def of_list(cls, rows: Sequence[NDArray[Any]]) -> Rows | None:
        """m separate vectors of one length, dtype and stride; None if they are not."""
        one = rows[0]
        alike = all(
            row.ndim == 1 and (row.shape, row.strides, row.dtype)
            == (one.shape, one.strides, one.dtype) and _readable(row)
            for row in rows
        )
        if not alike:
            return None
        addresses = np.array([[row.__array_interface__["data"][0] for row in rows]], np.intp)
        return cls(addresses, one.strides[0], len(one), one.dtype, rows)

    @property
    def size(self) -> int:
        """q m d."""
        return self.addresses.size * self.d


def in_main_memory(x: Array) -> NDArray[Any] | None:
    """The array as a NumPy array that shares its memory; None where there is none to share."""
    if isinstance(x, np.ndarray):
        return x
    try:
        if x.__dlpack_device__()[0] != MAIN_MEMORY:
            return None
        return np.from_dlpack(x)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
        return None  # no DLPack; or a dtype that NumPy lacks; or in the middle of a gradient


def scan(
    rows: Rows,
    window: Window | None,
    *,
    b: int | None = None,
    vector: NDArray[Any] | None = None,
    threads: int | None = None,
) -> Scan:
    """Average the window of every coordinate; with b, also tell who was kept, and the bounds.

    Args:
        rows: the messages.
        window: what to average; None bounds the error of a vector that is given.
        b: the most Byzantine rows; None asks for the vector alone.
        vector: (q, d) of the dtype of the messages, contiguous, for window=None.
        threads: see `thread_count`. The answer does not depend on it.
    """
    from saddleproof.aggregators import kernels_compiled as kernel

    q, m = rows.addresses.shape
    d = rows.d
    bounded = b is not None and not inflatable(m, b)
    steps = network((ALONE,) * m if b is not None or window is None else window.labels(m))
    out = np.empty((q, d), rows.dtype) if vector is None else vector
    kept = np.zeros((q, m if b is not None and window is not None else 0), np.bool_)
    bounds = np.zeros((q, -(-d // kernel.LANES), 2))
    task = (
        rows.addresses,
        rows.stride,
        steps,
        (0, 0, 0) if window is None else (window.low, window.high, window.pairs),
        rank_bounds(m, b) if b is not None and bounded else (-1, -1),
    )

    def work(pieces: Any) -> None:
        scratch = _aligned((m + 4, kernel.LANES), rows.dtype)
        sums = _aligned((2, kernel.LANES), np.dtype(np.float64))
        for first, last in pieces:
            kernel.scan(
                scratch[:m], scratch[m:], sums, *task, first, last, out, kept, bounds
            )

    _share(work, q * bounds.shape[1], min(thread_count(threads), 1 + rows.size // SHARE))
    return Scan(out, kept, bounds.sum(axis=1) if bounded else None)


def thread_count(threads: int | None) -> int:
    """How many threads: as asked, else OMP_NUM_THREADS, else one for each processor we may use."""
    if threads is not None:
        return threads
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _share(work: Any, blocks: int, threads: int) -> None:
    """Let `threads` threads take pieces of the blocks until none is left.

    They are started for this call and end with it, which takes microseconds and is safe where
    processes fork; the kernel runs without the interpreter's lock.
    """
    size = -(-blocks // (1 if threads == 1 else 8 * threads))
    pieces = iter([(i, min(i + size, blocks)) for i in range(0, blocks, size or 1)])
    if threads == 1:
        work(pieces)
        return
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(work, pieces) for _ in range(threads - 1)]
        work(pieces)
        for other in others:
            other.result()


def _readable(x: NDArray[Any]) -> bool:
    return x.dtype in (np.float32, np.float64) and x.dtype.isnative and x.flags.aligned


def _aligned(shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Memory that begins with a cache line."""
    size = shape[0] * shape[1] * dtype.itemsize
    raw = np.empty(size + 64, np.uint8)
    start = -raw.__array_interface__["data"][0] % 64
    return raw[start : start + size].view(dtype).reshape(shape)
