"""The block kernel: sorts the m numbers of each coordinate, 256 coordinates at a time.

Importing this file imports numba; `saddleproof.aggregators.engine.kernels` does so when it is first
needed. What is compiled is kept on disk, so a process compiles only where none did before.

A block of columns of all m rows is copied into a scratch that fits the cache, sorted by a network
of comparators between whole rows (`engine/networks.py`), and everything that is
asked of the coordinates is read off it: each number comes from memory once. Blocks know nothing
of each other, so neither the order they are done in nor who does them changes a bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable

from saddleproof.aggregators.engine.kernels_rows import LANES
from saddleproof.aggregators.engine.networks import BUTTERFLY, PAIR
from saddleproof.aggregators.engine.vectors import (
    INF,
    LINE,
    butterfly,
    copy_line,
    fetch_ahead,
    lower,
    number_at,
    pair,
    upper,
    zigzag,
)


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on the first call of each dtype, and keep the result on disk where one may write."""
    try:
        return numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # neither the package's directory nor the user's cache is writable
        return numba.njit(nogil=True, error_model="numpy")(function)


# Rows are named by their number, never sliced out: a slice is an object with a reference count.


@register_jitable
def load(rows, i, address, stride, n):
    """`n` numbers, `stride` bytes apart, into row i; NaN becomes +inf."""
    inf = rows.dtype.type(INF)
    done = 0
    if stride == rows.itemsize:
        size = n * rows.itemsize // LINE * LINE
        target = rows.ctypes.data + i * rows.shape[1] * rows.itemsize
        for byte in range(0, size, LINE):
            copy_line(rows, address + byte, target + byte)
        done = size // rows.itemsize
    for t in range(done, n):
        x = number_at(rows, address + t * stride, 0)
        rows[i, t] = x if x == x else inf


@register_jitable
def arrange(rows, steps, n, coming, offset, size):
    """Run a network over the first n columns of the rows, which are whole lines long.

    Meanwhile the next block is fetched: `size` bytes at `offset` from each of the addresses
    `coming`. Reading memory and comparing take about as long, so one hides behind the other.
    """
    width, base = rows.shape[1] * rows.itemsize, rows.ctypes.data
    used = (n * rows.itemsize + LINE - 1) // LINE * LINE
    row, byte, fetched, lines = 0, 0, 0, len(coming) * ((size + LINE - 1) // LINE)
    for step in range(len(steps)):
        while fetched * len(steps) < (step + 1) * lines:
            fetch_ahead(coming[row] + offset + byte)
            fetched, byte = fetched + 1, byte + LINE
            if byte >= size:
                row, byte = row + 1, 0
        kind = steps[step, 0]
        p, q = base + steps[step, 1] * width, base + steps[step, 2] * width
        if kind == PAIR:
            for line in range(0, used, LINE):
                pair(rows, p + line, q + line)
        else:
            r, s = base + steps[step, 3] * width, base + steps[step, 4] * width
            if kind == BUTTERFLY:
                for line in range(0, used, LINE):
                    butterfly(rows, p + line, q + line, r + line, s + line)
            else:
                for line in range(0, used, LINE):
                    zigzag(rows, p + line, q + line, r + line, s + line)


@register_jitable
def add(sums, rows, i, n):
    """Add row i to the sums; what rounding loses of a float64 goes to sums[1] (Knuth)."""
    if rows.itemsize == 4:
        for t in range(n):
            sums[0, t] += rows[i, t]  # a float32 in float64: nothing is lost that would count
    else:
        for t in range(n):
            total = sums[0, t]
            following = total + rows[i, t]
            added = following - total
            sums[1, t] += (total - (following - added)) + (rows[i, t] - added)
            sums[0, t] = following


@register_jitable
def nearer(rows, below, above, lanes, n):
    """Whichever of two ranks is nearer to the median (a + b)/2, the lower on a tie; to lanes[2].

    med - x <= y - med is a + b <= x + y, which is decided without rounding.
    """
    left, right = (len(rows) - 1) // 2, len(rows) // 2
    for t in range(n):
        x, y = rows[below, t], rows[above, t]
        a, b = np.float64(rows[left, t]), np.float64(rows[right, t])
        u, v = np.float64(x), np.float64(y)
        twice, ends = a + b, u + v
        if rows.itemsize == 4:
            is_lower = twice <= ends
        else:
            p, q = twice - a, ends - u
            lost, lost_of_ends = (a - (twice - p)) + (b - p), (u - (ends - q)) + (v - q)
            is_lower = (twice < ends) | ((twice == ends) & (lost <= lost_of_ends))
        lanes[2, t] = x if is_lower else y


@register_jitable
def average(rows, low, high, pairs, lanes, sums, vector, point, start, n):
    """Mean of the ranks low..high-1, and of the nearer one of each outer pair, to the vector.

    lanes[0] and lanes[1] hold the least and the greatest value that entered.
    """
    for t in range(n):
        lanes[0, t], lanes[1, t] = rows[low, t], rows[high - 1, t]
    if pairs == 0 and high - low <= 2:
        middle(lanes, high - low == 1, vector, point, start, n)
        return
    for t in range(n):
        sums[0, t] = sums[1, t] = 0.0
    for rank in range(low, high):
        add(sums, rows, rank, n)
    for i in range(pairs):
        nearer(rows, low - 1 - i, len(rows) - 1 - i, lanes, n)
        add(sums, lanes, 2, n)
        for t in range(n):
            lanes[0, t] = lower(lanes[0, t], lanes[2, t])
            lanes[1, t] = upper(lanes[1, t], lanes[2, t])
    for t in range(n):
        lost = sums[1, t] if abs(sums[0, t]) < INF else 0.0  # inf - inf is no loss
        vector[point, start + t] = (sums[0, t] + lost) / (high - low + pairs)


@register_jitable
def middle(lanes, one, vector, point, start, n):
    """A median, in NumPy's arithmetic, to the bit."""
    for t in range(n):
        a, b = lanes[0, t], lanes[1, t]
        vector[point, start + t] = a if one else (a + b) / 2


@register_jitable
def deviation(rows, count, lanes, i, n):
    """The count-th smallest |x - median| of sorted rows, exactly, to lanes[i].

    lanes[0] holds the median. The `count` values nearest to it are neighbours in rank, and the
    farthest of them is one of the two at their ends: min_k max(med - x_k, x_{k+count-1} - med).
    """
    for t in range(n):
        lanes[i, t] = INF
    for k in range(len(rows) - count + 1):
        for t in range(n):
            farthest = upper(lanes[0, t] - rows[k, t], rows[k + count - 1, t] - lanes[0, t])
            lanes[i, t] = lower(lanes[i, t], farthest)


@register_jitable
def squared_bound(rows, low, high, unit, vector, point, start, lanes, n, widths, mads):
    """Add to two sums of squares, times unit^2: of rank intervals about the vector, and of MADs."""
    left, right, half = (len(rows) - 1) // 2, len(rows) // 2, rows.dtype.type(0.5)
    for t in range(n):
        lanes[0, t] = (rows[left, t] + rows[right, t]) * half
    deviation(rows, left + 1, lanes, 2, n)
    other = 3 if left < right else 2  # of an odd number of rows both are the same
    if left < right:
        deviation(rows, right + 1, lanes, other, n)
    for t in range(n):
        v = vector[point, start + t]
        width = np.float64(max(rows[high, t] - v, v - rows[low, t])) * unit
        mad = (np.float64(lanes[2, t]) + np.float64(lanes[other, t])) / 2 * unit
        widths += width * width if width < INF else INF
        mads += mad * mad if abs(rows[left, t] + rows[right, t]) < INF else INF
    return widths, mads


@register_jitable
def mark(kept, point, addresses, offset, stride, lanes, n):
    """Set kept[point, i] where row i holds a number between lanes[0] and lanes[1]."""
    for i in range(kept.shape[1]):
        if kept[point, i]:
            continue  # soon true of nearly all rows: what is marked is not read again
        load(lanes, 2, addresses[point, i] + offset, stride, n)
        entered = False
        for t in range(n):
            entered |= (lanes[0, t] <= lanes[2, t]) & (lanes[2, t] <= lanes[1, t])
        kept[point, i] = entered


@compiled
def scan(
    rows, lanes, sums, addresses, stride, steps, window, ranks,
    unit, first, last, vector, kept, bounds,
):  # fmt: skip
    """Blocks `first` to `last` of all query points, counted together.

    Args:
        rows: (m, w) scratch of the dtype of the messages; w divides LANES.
        lanes: (4, w), the same.
        sums: (2, w), float64.
        addresses: (q, m), where each row begins.
        stride: bytes from one number of a row to the next.
        steps: the network, (s, 5).
        window: low, high, pairs: see `average`. With high = 0 the vector is given.
        ranks: ends of the rank interval; (-1, -1) if nobody asks for a bound.
        unit: what numbers are multiplied by before they are squared for a bound.
        first: the first block.
        last: the block to stop before.
        vector: (q, d), written, or read if it is given.
        kept: (q, m), written; (q, 0) if nobody asks for it.
        bounds: (q, blocks of a query point, 2), written.
    """
    blocks = bounds.shape[1]
    for number in range(first, last):
        point, block = number // blocks, number % blocks
        start, stop = block * LANES, min((block + 1) * LANES, vector.shape[1])
        widths = mads = 0.0
        while start < stop:
            n, offset = min(rows.shape[1], stop - start), start * stride
            for i in range(len(rows)):
                load(rows, i, addresses[point, i] + offset, stride, n)
            following, size = start + n, n * stride
            if following == vector.shape[1] or stride != rows.itemsize:
                size = 0
            if following == stop and number + 1 == last:
                size = 0
            arrange(rows, steps, n, addresses[point], offset + n * stride, size)
            if window[1] > 0:
                average(rows, *window, lanes, sums, vector, point, start, n)
                mark(kept, point, addresses, offset, stride, lanes, n)
            if ranks[0] >= 0:
                widths, mads = squared_bound(
                    rows, *ranks, unit, vector, point, start, lanes, n, widths, mads
                )
            start = following
        if ranks[0] >= 0:
            bounds[point, block, 0], bounds[point, block, 1] = widths, mads
