"""What b liars among m numbers cannot change: ranks.

Let mh = m - b be the least number of honest values, and x_(0) <= ... <= x_(m-1) all values in
order. Whatever the b others say,

    x_((mh-1)//2)  <=  honest lower median,      honest upper median  <=  x_(mh//2 + b):

below the honest upper median there are at most mh//2 honest values and b others, so the value of
rank mh//2 + b is not among them; the lower end is the mirror image. For b <= (mh - 1)//2, that is
b < m/3, both ends lie inside the range of the honest values, and the liars cannot widen the
interval beyond it. For larger b the interval still holds the honest median, but they can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arrays import Array, Vector

#: Standard error of a median over that of a mean, sqrt(pi / 2), for normal data.
MEDIAN_EFFICIENCY = 1.2533
#: MAD times this is the standard deviation of normal data.
MAD_TO_SIGMA = 1.4826
#: Standard errors on either side of one scalar's interval.
STANDARD_ERRORS = 2.0


def rank_bounds(m: int, b: int) -> tuple[int, int]:
    """0-based ranks (low, high) between which the honest median of m - b values must lie."""
    honest = m - b
    return (honest - 1) // 2, min(honest // 2 + b, m - 1)


def inflatable(m: int, b: int) -> bool:
    """Whether b liars of m can push an end of the rank interval out of the honest range.

    >>> inflatable(20, 6), inflatable(20, 7)
    (False, True)
    """
    return b > (m - b - 1) // 2


def middle(ordered: Array) -> Array:
    """The median over axis -2 of an ordered (..., m, d) array; the midpoint when m is even."""
    m = int(ordered.shape[-2])
    return (ordered[..., (m - 1) // 2, :] + ordered[..., m // 2, :]) / 2


@dataclass(frozen=True)
class Interval:
    """Where the honest location of one number per worker lies: `low <= mid <= high`.

    The fields are floats or arrays of one shape.

    Attributes:
        low, high: the ends; they hold the honest mean, to two standard errors.
        mid: the median of all values.
        slack: how much of each end is statistics; without it, ranks alone, the interval still
            holds the honest median.
    """

    low: Vector
    mid: Vector
    high: Vector
    slack: Vector

    @property
    def vote(self) -> Vector:
        """The upper end by ranks alone; below 0, mh//2 + 1 honest workers or more say "less"."""
        return self.high - self.slack

    @property
    def halfwidth(self) -> Vector:
        """Half of high - low."""
        return (self.high - self.low) / 2

    def __getitem__(self, index: Any) -> Interval:
        return Interval(self.low[index], self.mid[index], self.high[index], self.slack[index])


def interval(values: Vector, b: int) -> Interval:
    """Rank interval of the honest median, widened by two standard errors of a median.

    low, high = x_((mh-1)//2) - t, x_(mh//2+b) + t with t = 2 * 1.2533 * 1.4826 D / sqrt(mh), D that
    of `deviation`. The ranks are a proof about the honest median; t carries it to the honest mean
    and the population, for honest values without strong skew (|mean - median| <= std always).

    Args:
        values: (..., m), one number per worker.
        b: the most Byzantine workers, 0 <= b < m/2.

    Returns:
        Interval with fields of shape (...,).

    >>> one = interval(np.array([-3.0, -2.0, -1.0, 50.0]), b=1)
    >>> bool(one.low < -2 < one.high), float(one.mid)
    (True, -1.5)
    """
    m = values.shape[-1]
    low, high = rank_bounds(m, b)
    ordered = np.sort(values, axis=-1)
    mid = (ordered[..., (m - 1) // 2] + ordered[..., m // 2]) / 2
    scale = deviation(values, mid, b)
    slack = STANDARD_ERRORS * MEDIAN_EFFICIENCY * MAD_TO_SIGMA * scale / np.sqrt(m - b)
    return Interval(ordered[..., low] - slack, mid, ordered[..., high] + slack, slack)


def deviation(values: Vector, mid: Vector, b: int) -> Vector:
    """Median deviation of (..., m) values about (...) mid, one that liars cannot shrink.

    The MAD of all m values is theirs to shrink: b of them say the honest median. The deviation of
    rank mh//2 + b is at least the honest values' own upper median deviation, whatever they say;
    they can stretch it instead, which denies and does not forge.

    >>> copied = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 0.0, 0.0])
    >>> float(np.median(np.abs(copied))), float(deviation(copied, np.array(0.0), b=2))
    (1.5, 2.0)
    """
    # Sorted, a liar's NaN (inf - inf) is one more outlier; np.median would make it the answer.
    spread = np.sort(np.abs(values - mid[..., None]), axis=-1)
    far: Vector = spread[..., rank_bounds(values.shape[-1], b)[1]]
    return far
