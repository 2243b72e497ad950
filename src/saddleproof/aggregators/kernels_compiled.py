"""The block kernel: sorts the m numbers of each coordinate, 256 coordinates at a time.

Importing this file imports numba; `saddleproof.aggregators.kernels` does so when it is first
needed. What is compiled is kept on disk, so a process compiles only where none did before.

A block of columns of all m rows is copied into a scratch that fits the cache, sorted by a network
of comparators between whole rows (`saddleproof.aggregators.networks`), and everything that is
asked of the coordinates is read off it: each number comes from memory once. Blocks know nothing
of each other, so neither the order they are done in nor who does them changes a bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic, register_jitable

from saddleproof.aggregators.networks import BOTH, BUTTERFLY, LARGER, SMALLER

#: Columns of a block. A row of it is 1 or 2 kB; shorter rows cost loop overhead, longer ones cache.
LANES = 256
INF = np.inf


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on the first call of each dtype, and keep the result on disk where one may write."""
    try:
        return numba.njit(nogil=True, error_model="numpy")(function)
    except RuntimeError:  # neither the package's directory nor the user's cache is writable
        return numba.njit(nogil=True, error_model="numpy")(function)


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def number_at(context: Any, row: Any, address: Any, t: Any) -> Any:
    """The t-th number from an address on, of the dtype of `row`."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        real = context.get_value_type(row.dtype)
        begin = builder.inttoptr(args[1], real.as_pointer())
        return builder.load(builder.gep(begin, [args[2]]))

    return row.dtype(row, address, t), build


def _extremum(name: str) -> Any:
    # One machine instruction, and no branch around the store: the compiler turns x if x < y else y,
    # stored where x came from, into a masked store that is four times slower. No NaN gets here.
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        real = args[0].type
        function = builder.module.declare_intrinsic(
            name, [real], ir.FunctionType(real, [real, real])
        )
        return builder.call(function, args, fastmath=("nnan", "nsz"))

    return build


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def lower(context: Any, x: Any, y: Any) -> Any:
    """The smaller of two numbers, neither of them NaN."""
    return x(x, y), _extremum("llvm.minnum")


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def upper(context: Any, x: Any, y: Any) -> Any:
    """The larger of two numbers, neither of them NaN."""
    return x(x, y), _extremum("llvm.maxnum")


@register_jitable
def load(row, address, stride, n):
    """`n` numbers, `stride` bytes apart, into a row; NaN becomes +inf."""
    inf = row.dtype.type(INF)
    if stride == row.itemsize:
        for t in range(n):
            x = number_at(row, address, t)
            row[t] = x if x == x else inf
    else:
        for t in range(n):
            x = number_at(row, address + t * stride, 0)
            row[t] = x if x == x else inf


@register_jitable
def arrange(rows, steps, n):
    """Run a network over the first n columns of the rows."""
    for step in range(len(steps)):
        kind = steps[step, 0]
        p, q = rows[steps[step, 1]], rows[steps[step, 2]]
        if kind == BOTH:
            for t in range(n):
                x, y = p[t], q[t]
                p[t], q[t] = lower(x, y), upper(x, y)
        elif kind == SMALLER:
            for t in range(n):
                p[t] = lower(p[t], q[t])
        elif kind == LARGER:
            for t in range(n):
                q[t] = upper(p[t], q[t])
        else:
            r, s = rows[steps[step, 3]], rows[steps[step, 4]]
            if kind == BUTTERFLY:
                for t in range(n):
                    a, b, c, d = lower(p[t], q[t]), upper(p[t], q[t]), r[t], s[t]
                    c, d = lower(c, d), upper(c, d)
                    p[t], q[t] = lower(a, c), lower(b, d)
                    r[t], s[t] = upper(a, c), upper(b, d)
            else:
                for t in range(n):
                    a, b, c, d = lower(p[t], q[t]), upper(p[t], q[t]), r[t], s[t]
                    c, d = lower(c, d), upper(c, d)
                    p[t], q[t], r[t], s[t] = a, upper(c, b), lower(c, b), d


@register_jitable
def add(total, carry, row, n):
    """Add a row to the running sums; what rounding loses of a float64 goes to `carry` (Knuth)."""
    if row.itemsize == 4:
        for t in range(n):
            total[t] += row[t]  # a float32 in float64: nothing is lost that would count
    else:
        for t in range(n):
            s = total[t] + row[t]
            z = s - total[t]
            carry[t] += (total[t] - (s - z)) + (row[t] - z)
            total[t] = s


@register_jitable
def nearer(a, b, below, above, chosen, n):
    """Whichever of `below` and `above` is nearer to the median (a + b)/2; the lower on a tie.

    med - x <= y - med is a + b <= x + y, which is decided without rounding.
    """
    for t in range(n):
        x, y = below[t], above[t]
        p, q, u, v = np.float64(a[t]), np.float64(b[t]), np.float64(x), np.float64(y)
        twice, ends = p + q, u + v
        if chosen.itemsize == 4:
            lower_is = twice <= ends
        else:
            w, z = twice - p, ends - u
            lost, lost_of_ends = (p - (twice - w)) + (q - w), (u - (ends - z)) + (v - z)
            lower_is = (twice < ends) | ((twice == ends) & (lost <= lost_of_ends))
        chosen[t] = x if lower_is else y


@register_jitable
def average(rows, low, high, pairs, lanes, sums, out, n):
    """Mean of the ranks low..high-1, and of the nearer one of each outer pair, into `out`.

    lanes[0] and lanes[1] hold the least and the greatest value that entered.
    """
    m = len(rows)
    floor, ceiling, chosen = lanes[0], lanes[1], lanes[2]
    first, last = rows[low], rows[high - 1]
    for t in range(n):
        floor[t], ceiling[t] = first[t], last[t]
    if pairs == 0 and high - low == 1:
        for t in range(n):
            out[t] = first[t]
    elif pairs == 0 and high - low == 2:
        for t in range(n):
            out[t] = (first[t] + last[t]) / 2  # a median: NumPy's arithmetic, to the bit
    else:
        total, carry = sums[0], sums[1]
        for t in range(n):
            total[t] = carry[t] = 0.0
        for rank in range(low, high):
            add(total, carry, rows[rank], n)
        for i in range(pairs):
            below, above = rows[low - 1 - i], rows[m - 1 - i]
            nearer(rows[(m - 1) // 2], rows[m // 2], below, above, chosen, n)
            add(total, carry, chosen, n)
            for t in range(n):
                floor[t], ceiling[t] = lower(floor[t], chosen[t]), upper(ceiling[t], chosen[t])
        for t in range(n):
            lost = carry[t] if abs(total[t]) < INF else 0.0  # inf - inf is no carry
            out[t] = (total[t] + lost) / (high - low + pairs)


@register_jitable
def deviation(rows, count, found, n):
    """The count-th smallest |x - median| of sorted rows, exactly, into `found`.

    The `count` values nearest to the median are neighbours in rank, and the farthest of them is
    one of the two at their ends: min_i max(med - x_i, x_{i+count-1} - med).
    """
    m = len(rows)
    a, b, half = rows[(m - 1) // 2], rows[m // 2], rows.dtype.type(0.5)
    for t in range(n):
        found[t] = INF
    for i in range(m - count + 1):
        first, last = rows[i], rows[i + count - 1]
        for t in range(n):
            median = (a[t] + b[t]) * half
            found[t] = lower(found[t], upper(median - first[t], last[t] - median))


@register_jitable
def squared_bound(rows, low, high, vector, lanes, n):
    """The two sums of squares of the inexactness: rank intervals about `vector`, and MADs."""
    m = len(rows)
    one, other = lanes[2], lanes[3]
    deviation(rows, (m + 1) // 2, one, n)
    deviation(rows, m // 2 + 1, other, n)
    widths = mads = 0.0
    for t in range(n):
        width = np.float64(max(rows[high, t] - vector[t], vector[t] - rows[low, t]))
        mad = np.float64(one[t] + other[t]) / 2
        fine = abs(rows[(m - 1) // 2, t] + rows[m // 2, t]) < INF
        widths += width * width if width < INF else INF
        mads += mad * mad if fine else INF
    return widths, mads


@register_jitable
def mark(kept, addresses, stride, lanes, n):
    """Set kept[i] where row i holds a number between lanes[0] and lanes[1]."""
    floor, ceiling, x = lanes[0], lanes[1], lanes[2]
    for i in range(len(kept)):
        if kept[i]:
            continue  # soon true of nearly all rows: what is marked is not read again
        load(x, addresses[i], stride, n)
        entered = False
        for t in range(n):
            entered |= (floor[t] <= x[t]) & (x[t] <= ceiling[t])
        kept[i] = entered


@compiled
def scan(
    rows, lanes, sums, addresses, stride, steps, window, ranks, first, last, vector, kept, bounds
):
    """Blocks `first` to `last` of all query points, counted together.

    Args:
        rows: (m, LANES) scratch of the dtype of the messages. So are lanes, (4, LANES); sums
            are (2, LANES) float64.
        addresses: (q, m), where each row begins.
        stride: bytes from one number of a row to the next.
        steps: the network, (s, 5).
        window: low, high, pairs: see `average`. With high = 0 the vector is given.
        ranks: ends of the rank interval; (-1, -1) if nobody asks for a bound.
        first: the first block.
        last: the block to stop before.
        vector: (q, d), written, or read if it is given.
        kept: (q, m), written; (q, 0) if nobody asks for it.
        bounds: (q, blocks of a query point, 2), written.
    """
    low, high, pairs = window
    d, m, blocks = vector.shape[1], len(rows), bounds.shape[1]
    for block in range(first, last):
        point, start = block // blocks, block % blocks * LANES
        n = min(LANES, d - start)
        here = addresses[point] + start * stride
        for i in range(m):
            load(rows[i], here[i], stride, n)
        arrange(rows, steps, n)
        out = vector[point, start : start + n]
        if high > 0:
            average(rows, low, high, pairs, lanes, sums, out, n)
            mark(kept[point], here, stride, lanes, n)
        if ranks[0] >= 0:
            widths, mads = squared_bound(rows, ranks[0], ranks[1], out, lanes, n)
            bounds[point, block % blocks, 0], bounds[point, block % blocks, 1] = widths, mads
