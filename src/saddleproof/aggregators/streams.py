"""Messages larger than memory: coordinate-wise rules over memory-mapped rows.

    rows = [np.load(file, mmap_mode="r") for file in files]
    estimate = stream(Median(), rows, b=20, progress=print)

Coordinates know nothing of each other, so the rows pass once, some columns at a time, through the
same kernel as messages in memory. Pages of a memory map that were read are handed back to the
system after each chunk; what is resident at any time is one chunk of columns with what the system
reads around it (a few times as much), and the answer, whatever the length of the rows.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators import kernels
from saddleproof.aggregators.base import Estimate, check_breakdown
from saddleproof.aggregators.coordinatewise import CoordinateWise, finished, single
from saddleproof.aggregators.kernels_rows import rows_of
from saddleproof.errors import OptionError

#: Bytes of messages in memory at a time, unless the caller says otherwise.
CHUNK = 2**26


def stream(
    rule: CoordinateWise,
    rows: NDArray[Any] | Sequence[NDArray[Any]],
    b: int,
    *,
    columns: int | None = None,
    out: NDArray[Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Estimate:
    """What `rule.estimate(rows, b)` says, in one pass and bounded memory.

    Args:
        rule: `Mean`, `Median`, `TrimmedMean` or `MeanAroundMedian`.
        rows: an (m, d) array or a list of m vectors, float16, float32 or float64; memory maps as
            a rule, opened for reading.
        b: the most Byzantine rows.
        columns: how many columns to read at a time; by default 64 MB of messages.
        out: (d,), where the vector is written, for instance another memory map; by default a
            new array.
        progress: called after each chunk with the columns done and d.

    Returns:
        The estimate; its vector is `out`.

    Raises:
        BreakdownError: the rule cannot hold b of m rows.
        OptionError: the rows are not vectors of one length and dtype, or `out` does not fit.

    >>> from saddleproof.aggregators.median import Median
    >>> rows = [np.full(5, x) for x in (1.0, 2.0, 9.0)]
    >>> stream(Median(), rows, b=1, columns=2, progress=print).vector
    2 5
    4 5
    5 5
    array([2., 2., 2., 2., 2.])
    """
    m, d, dtype = len(rows), len(rows[0]), rows[0].dtype
    if any(row.shape != (d,) or row.dtype != dtype for row in rows):
        raise OptionError(f"rows must be vectors of one length and dtype; the first is {d} {dtype}")
    vector = np.empty(d, dtype) if out is None else out
    if vector.shape != (d,) or vector.dtype != dtype:
        raise OptionError(f"out must be ({d},) {dtype}; got {vector.shape} {vector.dtype}")
    check_breakdown(rule, m, b)
    window = rule.window(m, b)
    width = columns or max(CHUNK // (m * dtype.itemsize), 1)
    kept, squares = np.zeros((1, m), np.bool_), []
    for start in range(0, d, width):
        stop = min(start + width, d)
        chunk = rows_of(list(rows), slice(start, stop))
        if chunk is None:
            raise OptionError(f"rows must be float16, float32 or float64; got {dtype}")
        found = kernels.scan(chunk, window, b=b, threads=rule.threads)
        vector[start:stop] = found.vector[0]
        kept |= found.kept
        if found.squares is not None:
            squares.append(found.squares)
        del chunk
        for row in rows:
            forget(row[start:stop])
        if progress is not None:
            progress(stop, d)
    total = np.sum(squares, axis=0) if squares else None
    return single(finished(kernels.Scan(vector[None], kept, total), m, b, d, vector))


def forget(part: NDArray[Any]) -> None:
    """Hand the pages of a part of a memory map back to the system; any other array is left alone.

    The map stays as it is and reads them again when asked. Only maps that share their pages with
    a file are touched: a private copy ("c") would lose what was written to it.
    """
    owner: Any = part
    shared = True
    while isinstance(owner, np.ndarray):
        shared = shared and getattr(owner, "mode", "r") != "c"
        owner = owner.base
    if not isinstance(owner, mmap.mmap) or not shared or not part.flags.c_contiguous:
        return
    if not hasattr(owner, "madvise"):  # Windows
        return
    begin = np.frombuffer(owner, np.uint8).__array_interface__["data"][0]
    first = part.__array_interface__["data"][0] - begin
    first -= first % mmap.PAGESIZE
    owner.madvise(mmap.MADV_DONTNEED, first, part.nbytes)
