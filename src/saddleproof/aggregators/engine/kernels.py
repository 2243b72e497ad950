"""One pass over the messages for every coordinate-wise rule: vector, inexactness and kept.

All of them average order statistics of the m numbers of a coordinate. A `Window` says which; the
block kernel (`engine/kernels_compiled.py`) sorts just as much as that needs, and
reads each message once. Beyond the answer it takes at most m + 8 rows of 256 numbers for each
thread.

The kernel is compiled on its first call in float32 or float64, which takes some seconds, and kept
on disk. Where numba (the extra `fast`) is missing, `engine/kernels_plain.py` computes the same bits
with NumPy, more slowly. Small messages need neither: below `SMALL` numbers the array library's own
sort is used instead. Which way is taken depends on the shape alone, so a run repeats.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.engine.kernels_rows import LANES, RowAddresses
from saddleproof.aggregators.engine.networks import ALONE, UNUSED, network
from saddleproof.aggregators.engine.units import lengths
from saddleproof.arrays import Vector
from saddleproof.ranks import inflatable, rank_bounds

#: Fewer numbers than this, all query points together, are not worth loading the kernel: they take
#: some milliseconds either way, and loading it takes half a second.
SMALL = 2**17
#: Numbers that are worth a thread of their own.
SHARE = 2**18
#: Bytes of scratch from which on half a block is sorted at a time: as much again, fetched for what
#: comes next, must find place beside it in a core's own cache.
SCRATCH = 3 * 2**18


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
        norms: (q, 2), 2-norms of the rank intervals about the vector, and of the MADs. None if
            not asked for, or if b > m/3 makes them void.
    """

    vector: NDArray[Any]
    kept: NDArray[np.bool_]
    norms: Vector | None


def joined(parts: list[Scan]) -> Scan:
    """Scans of the same messages, some columns each, as one."""
    if len(parts) == 1:
        return parts[0]
    norms = [part.norms for part in parts if part.norms is not None]
    return Scan(
        np.concatenate([part.vector for part in parts], axis=1),
        np.any([part.kept for part in parts], axis=0),
        lengths(np.array(norms), axis=0) if norms else None,
    )


def scan(
    rows: RowAddresses,
    window: Window | None,
    *,
    b: int | None = None,
    vector: NDArray[Any] | None = None,
    threads: int | None = None,
) -> Scan:
    """Average the window of every coordinate; with b, also tell who was kept, and the norms.

    Args:
        rows: the messages.
        window: what to average; None judges a vector that is given.
        b: the most Byzantine rows; None asks for the vector alone.
        vector: (q, d) of the dtype of the messages, contiguous, for window=None.
        threads: see `thread_count`. The answer does not depend on it.
    """
    out, kept, squares = _pass(rows, window, b, vector, threads)
    if squares is None:
        return Scan(out, kept, None)
    norms = np.sqrt(squares)
    if rows.dtype == np.float64:  # the squares of float32 are all numbers of float64
        for power, lost in ((600, squares < 2.0**-600), (-600, ~np.isfinite(squares))):
            if lost.any():
                again = _pass(rows, None, b, out, threads, power)[2]
                norms = np.where(lost, np.ldexp(np.sqrt(cast(Vector, again)), -power), norms)
    return Scan(out, kept, norms)


def _pass(
    rows: RowAddresses,
    window: Window | None,
    b: int | None,
    vector: NDArray[Any] | None,
    threads: int | None,
    power: int = 0,
) -> tuple[NDArray[Any], NDArray[np.bool_], Vector | None]:
    """Vector, kept, and (q, 2) sums of squares, each times 4^power; see `scan`."""
    (q, m), d = rows.addresses.shape, rows.d
    bounded = b is not None and not inflatable(m, b)
    steps = network((ALONE,) * m if b is not None or window is None else window.labels(m))
    out = np.empty((q, d), rows.dtype) if vector is None else vector
    kept = np.zeros((q, m if b is not None and window is not None else 0), np.bool_)
    squares = np.zeros((q, -(-d // LANES), 2))
    task = (
        rows.addresses,
        rows.stride,
        steps,
        (0, 0, 0) if window is None else (window.low, window.high, window.pairs),
        rank_bounds(m, b) if b is not None and bounded else (-1, -1),
        2.0**power,
    )

    block_kernel = _block_kernel()

    def work(pieces: Iterator[tuple[int, int]]) -> None:
        width = _width(m, rows.dtype)
        scratch = aligned((m + 4, width), rows.dtype)
        sums = aligned((2, width), np.dtype(np.float64))
        for first, last in pieces:
            block_kernel(scratch[:m], scratch[m:], sums, *task, first, last, out, kept, squares)

    _share(work, q * squares.shape[1], min(thread_count(threads), 1 + q * m * d // SHARE))
    return out, kept, squares.sum(axis=1) if bounded else None


def _width(m: int, dtype: np.dtype[Any]) -> int:
    """How many columns of a block are sorted at once; no bit of the answer depends on it."""
    return LANES if m * LANES * dtype.itemsize <= SCRATCH else LANES // 2


@lru_cache(maxsize=1)
def _block_kernel() -> Callable[..., None]:
    """The compiled kernel, or NumPy's where numba is missing or does not load."""
    try:
        importlib.import_module("numba")
    except ImportError as error:  # numba raises it too where NumPy is newer than it knows
        from saddleproof.aggregators.engine.kernels_plain import scan as plain

        if not isinstance(error, ModuleNotFoundError):
            warnings.warn(
                f"numba is installed but does not load ({error}); aggregation takes the same "
                "values with NumPy, and longer. Install versions of numba and NumPy that fit.",
                RuntimeWarning,
                stacklevel=2,
            )
        return plain
    from saddleproof.aggregators.engine.kernels_compiled import scan as compiled

    return cast(Callable[..., None], compiled)


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


def _share(work: Callable[[Iterator[tuple[int, int]]], None], blocks: int, threads: int) -> None:
    """Let up to `threads` threads take pieces of the blocks until none is left.

    The kernel runs without the interpreter's lock. Nobody waits for a thread that has not begun.
    """
    size = -(-blocks // (1 if threads == 1 else 8 * threads))
    pieces = iter([(i, min(i + size, blocks)) for i in range(0, blocks, size or 1)])
    others = []
    if threads > 1:
        pool = _pool(threads - 1, os.getpid())
        others = [pool.submit(work, pieces) for _ in range(threads - 1)]
    work(pieces)
    for other in others:
        if not other.cancel():
            other.result()


@lru_cache(maxsize=4)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Helpers that stay for the next call; a process that was forked off starts its own."""
    return ThreadPoolExecutor(threads, f"saddleproof-{process}")


def aligned(shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Memory that begins with a cache line."""
    size = shape[0] * shape[1] * dtype.itemsize
    raw = np.empty(size + 64, np.uint8)
    start = -raw.__array_interface__["data"][0] % 64
    return raw[start : start + size].view(dtype).reshape(shape)
