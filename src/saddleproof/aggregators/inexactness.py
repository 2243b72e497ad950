"""How wrong may an aggregate be? From the messages and b alone.

`saddleproof.ranks` gives, for each coordinate, two order statistics of all messages between which
the honest median must lie, whatever the b liars say. For any vector v, whatever rule made it,
w_k = max(x_high - v_k, v_k - x_low) therefore bounds its distance from the honest median in
coordinate k, deterministically. From the honest median to the honest mean comes the standard error
of a median, 1.2533 sigma / sqrt(mh), with sigma by the normal-consistent MAD.
Together

    Delta_hat(v) = || w ||_2 + || 1.2533 * 1.4826 MAD ||_2 / sqrt(mh).

In one dimension two standard errors are added, and the MAD gives way to `ranks.deviation`.

The first term is a proof about the honest median; the second is statistics (honest values without
strong skew). The estimate is location-scale equivariant and takes O(q m d log m).

**Of whom.** Of the honest workers' mean, the gradient of their pooled loss. b < m/3 liars who copy
the honest median shrink the ranks and the MAD together, and the mean is still within Delta_hat (a
test holds it); the mean of the population behind the workers' samples need not be, at m = 20,
b = 6 and d = 20 in two draws of three.

**b beyond m/3.** There the upper rank leaves the range of the honest values (`ranks.inflatable`).
The bound stays true, but the liars set it at will: it says nothing about the vector any more.
A cap from the MAD is no way out. It rests on normal honest values, and liars that all copy one
honest worker shrink the MAD: for m = 20, b = 9, d = 10 such a cap missed the honest mean in more
than half of the draws. So the answer is a refusal: None, and `Estimate.reason` says why.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from saddleproof.aggregators.base import BEYOND_A_THIRD, norms
from saddleproof.aggregators.engine import kernels
from saddleproof.aggregators.engine.device_sort import in_order
from saddleproof.aggregators.engine.kernels_rows import as_like, is_16_bit, rows_of
from saddleproof.aggregators.engine.row_blocks import detached, is_traced, to_numpy
from saddleproof.arrays import Array, Vector, namespace
from saddleproof.ranks import MAD_TO_SIGMA, MEDIAN_EFFICIENCY, inflatable, middle, rank_bounds


def stack_inexactness(stack: Array, vector: Array, b: int) -> Array | None:
    """Delta_hat of this file's head for each of q query points, in one pass over the messages.

    Args:
        stack: (q, m, d) messages.
        vector: (q, d), the aggregate whose error is bounded; any rule may have made it.
        b: the most Byzantine rows.

    Returns:
        (q,) bounds, in the unit of the messages; None for b > m/3 (`refusal`).
    """
    q, m, d = (int(n) for n in stack.shape)
    if inflatable(m, b):
        return None
    if not is_traced(stack):
        stack, vector = detached(stack), detached(vector)
    rows = rows_of(stack) if q * m * d >= kernels.SMALL and d > 1 else None
    if rows is None:
        if is_16_bit(stack):
            stack = namespace(stack).astype(stack, namespace(stack).float32)
            vector = namespace(stack).astype(vector, stack.dtype)
        return rank_inexactness(in_order(stack), vector, b)  # NaN is one more far value
    given = np.array(to_numpy(vector), dtype=rows.dtype, order="C")
    found = kernels.scan(rows, None, b=b, vector=given).norms
    return None if found is None else as_like(bound_from_norms(found, m, b, d), stack)


def rank_inexactness(ordered: Array, vector: Array, b: int) -> Array | None:
    """The same from messages that are sorted already.

    Args:
        ordered: (q, m, d), sorted over axis 1.
        vector: (q, d).
        b: the most Byzantine rows.

    Returns:
        (q,) bounds, in the unit of the messages; None for b > m/3.
    """
    xp = namespace(ordered)
    _, m, d = ordered.shape
    if inflatable(m, b):
        return None
    low, high = rank_bounds(m, b)
    median = middle(ordered)
    below, above = median[:, None, :] - ordered, ordered - median[:, None, :]
    if d > 1:
        mad = (_deviation(below, above, (m + 1) // 2) + _deviation(below, above, m // 2 + 1)) / 2
    else:  # `ranks.deviation`: no other coordinate makes up for what liars shrink here
        mad = _deviation(below, above, high + 1)
    width = xp.maximum(ordered[:, high, :] - vector, vector - ordered[:, low, :])
    return norms(width) + _noise(m, b, d) * norms(mad)


def _deviation(below: Array, above: Array, count: int) -> Array:
    """(q, d), the count-th smallest |x - median| of sorted x, without another sort.

    The `count` values nearest to the median are neighbours in rank, and the farthest of them is
    one of the two at their ends: min_k max(med - x_k, x_{k+count-1} - med).
    """
    xp = namespace(below)
    windows = int(below.shape[1]) - count + 1
    farthest = xp.maximum(below[:, :windows, :], above[:, count - 1 :, :])
    return xp.min(farthest, axis=1)


def bound_from_norms(norms: Vector, m: int, b: int, d: int) -> Vector:
    """(q, 2) 2-norms of w and of the MADs to (q,) bounds."""
    width, mad = norms.T
    bound: Vector = width + _noise(m, b, d) * mad
    return bound


def refusal(m: int, b: int) -> str:
    """Why there is no bound; empty where there is one."""
    return BEYOND_A_THIRD.format(b=b, m=m) if inflatable(m, b) else ""


def _noise(m: int, b: int, d: int) -> float:
    """Norm of the standard errors over that of the MADs."""
    doubling = 2.0 if d == 1 else 1.0
    return doubling * MEDIAN_EFFICIENCY * MAD_TO_SIGMA / sqrt(m - b)
