"""The block kernel in NumPy, for where numba is not installed: the same numbers to the bit, slower.

`scan` takes and does what `engine/kernels_compiled.py`'s does, in the same order: the same network
of comparators, the same additions one after the other, the same sums for each block. A rule's
answer therefore does not depend on whether the extra `fast` is there, but for the sign of a zero:
which of 0 and -0 is the smaller one is nobody's to say, here as in `engine/device_sort.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.engine.kernels_rows import LANES
from saddleproof.aggregators.engine.networks import BUTTERFLY, PAIR

__all__ = ["LANES", "scan"]

#: Blocks that are sorted at once: each call of NumPy then works on 1024 columns.
TOGETHER = 4

Numbers = NDArray[Any]


@np.errstate(all="ignore")  # a pool's thread does not inherit the caller's choice
def scan(
    scratch: Numbers,
    _lanes: Numbers,
    _sums: Numbers,
    addresses: NDArray[np.intp],
    stride: int,
    steps: NDArray[np.int32],
    window: tuple[int, int, int],
    ranks: tuple[int, int],
    unit: float,
    first: int,
    last: int,
    vector: Numbers,
    kept: NDArray[np.bool_],
    bounds: NDArray[np.float64],
) -> None:
    """Blocks `first` to `last` of all query points; arguments as of the compiled `scan`.

    The scratch of one block tells the dtype, and is not written: NumPy makes its own.
    """
    blocks = bounds.shape[1]
    number = first
    while number < last:
        point, block = divmod(number, blocks)
        following = min(block + TOGETHER, blocks, block + last - number)
        start, stop = block * LANES, min(following * LANES, vector.shape[1])
        out = vector[point, start:stop]
        messages = _messages(addresses[point] + start * stride, stride, stop - start, scratch.dtype)
        ordered = messages.copy() if kept.shape[1] else messages
        _arrange(ordered, steps)
        if window[1] > 0:
            low, high = _average(ordered, *window, out)
            for i in range(kept.shape[1]):
                kept[point, i] |= ((low <= messages[i]) & (messages[i] <= high)).any()
        if ranks[0] >= 0:
            bounds[point, block:following] = _squared_bound(ordered, *ranks, unit, out)
        number += following - block


class _Memory:
    """Numbers at an address, as NumPy's array interface describes them."""

    def __init__(self, address: int, stride: int, count: int, dtype: np.dtype[Any]) -> None:
        self.__array_interface__ = {
            "version": 3,
            "data": (address, True),
            "strides": (stride,),
            "shape": (count,),
            "typestr": dtype.str,
        }


def _messages(
    addresses: NDArray[np.intp], stride: int, count: int, dtype: np.dtype[Any]
) -> Numbers:
    """(m, count) numbers that begin at m addresses, as a copy; NaN becomes +inf."""
    found = np.empty((len(addresses), count), dtype)
    for row, address in zip(found, addresses.tolist(), strict=True):
        row[:] = np.asarray(_Memory(address, stride, count, dtype))
    found[np.isnan(found)] = np.inf
    return found


def _arrange(rows: Numbers, steps: NDArray[np.int32]) -> None:
    """Run a network over the rows."""

    def compare(i: int, j: int) -> None:
        smaller = np.minimum(rows[i], rows[j])
        np.maximum(rows[i], rows[j], out=rows[j])
        rows[i] = smaller

    for kind, p, q, r, s in steps.tolist():
        compare(p, q)
        if kind == PAIR:
            continue
        compare(r, s)
        if kind == BUTTERFLY:
            compare(p, r)
            compare(q, s)
        else:
            compare(r, q)


def _average(
    rows: Numbers, low: int, high: int, pairs: int, out: Numbers
) -> tuple[Numbers, Numbers]:
    """Write the mean of a window to `out`; the least and the greatest value that entered.

    The ends are those of ranks low and high - 1, which are the least and the greatest only where
    the network was asked to sort: wherever somebody asks for `kept`.
    """
    least, most = rows[low], rows[high - 1]
    if pairs == 0 and high - low <= 2:
        out[:] = least if high - low == 1 else (least + most) / 2
        return least, most
    entered = list(rows[low:high])
    for i in range(pairs):
        chosen = _nearer(rows, low - 1 - i, len(rows) - 1 - i)
        least, most = np.minimum(least, chosen), np.maximum(most, chosen)
        entered.append(chosen)
    out[:] = _sum(entered) / (high - low + pairs)
    return least, most


def _sum(rows: list[Numbers]) -> NDArray[np.float64]:
    """Their sum in float64, in the order given, with what rounding loses of float64 (Knuth)."""
    total = np.zeros(rows[0].shape)
    lost = np.zeros(rows[0].shape)
    for row in rows:
        if row.dtype == np.float32:
            total += row
        else:
            following = total + row
            added = following - total
            lost += (total - (following - added)) + (row - added)
            total = following
    return total + np.where(np.isfinite(total), lost, 0.0)


def _nearer(rows: Numbers, below: int, above: int) -> Numbers:
    """Whichever of two ranks is nearer to the median (a + b)/2, the lower on a tie."""
    x, y = rows[below], rows[above]
    a, b = rows[(len(rows) - 1) // 2].astype(np.float64), rows[len(rows) // 2].astype(np.float64)
    u, v = x.astype(np.float64), y.astype(np.float64)
    twice, ends = a + b, u + v
    is_lower = twice <= ends
    if rows.dtype == np.float64:
        p, q = twice - a, ends - u
        lost, lost_of_ends = (a - (twice - p)) + (b - p), (u - (ends - q)) + (v - q)
        is_lower = (twice < ends) | ((twice == ends) & (lost <= lost_of_ends))
    chosen: Numbers = np.where(is_lower, x, y)
    return chosen


def _squared_bound(
    rows: Numbers, low: int, high: int, unit: float, vector: Numbers
) -> NDArray[np.float64]:
    """(blocks, 2) sums of squares times unit^2: of rank intervals about the vector, and of MADs."""
    m = len(rows)
    left, right = rows[(m - 1) // 2], rows[m // 2]
    width = np.fmax(rows[high] - vector, vector - rows[low]).astype(np.float64) * unit
    lower, upper = (_deviation(rows, n).astype(np.float64) for n in ((m + 1) // 2, m // 2 + 1))
    mad = (lower + upper) / 2 * unit
    widths = np.where(width < np.inf, width * width, np.inf)
    mads = np.where(np.abs(left + right) < np.inf, mad * mad, np.inf)
    return np.stack([_by_block(widths), _by_block(mads)], axis=1)


def _deviation(rows: Numbers, count: int) -> Numbers:
    """The count-th smallest |x - median| of sorted rows, exactly."""
    median = (rows[(len(rows) - 1) // 2] + rows[len(rows) // 2]) * rows.dtype.type(0.5)
    found = np.full(rows.shape[1], np.inf, rows.dtype)
    for k in range(len(rows) - count + 1):
        farthest = np.fmax(median - rows[k], rows[k + count - 1] - median)
        np.fmin(found, farthest, out=found)
    return found


def _by_block(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of each block's terms, added up one after the other."""
    padded = np.zeros(-(-len(terms) // LANES) * LANES)
    padded[: len(terms)] = terms
    sums: NDArray[np.float64] = np.add.accumulate(padded.reshape(-1, LANES), axis=1)[:, -1]
    return sums
