"""What b liars among m numbers cannot change: two kinds of bound, free of any distribution.

Let mh = m - b be the least number of honest values, and x_(0) <= ... <= x_(m-1) all values in
order. Whatever the b others say,

    mean of the mh smallest  <=  honest mean  <=  mean of the mh largest       (`mean_bounds`)
    x_((mh-1)//2)  <=  honest lower median, honest upper median  <=  x_(mh//2+b)  (`median_bounds`)

**The mean** (Horowitz and Manski 1995). The honest values are mh of the m, and no mh of them have a
smaller mean than the mh smallest. The bound holds for every b < m. Liars can widen the interval
without limit by loud answers, which denies; they can never move an end past the truth.

**The median.** Below the honest upper median there are at most mh//2 honest values and b others, so
the value of rank mh//2 + b is not among them; the lower end is the mirror image. For
b <= (mh - 1)//2, that is b < m/3, both ends lie inside the range of the honest values, so liars
cannot deny either. For larger b the interval still holds the honest median, but they can.

A bound of the one says nothing about the other: the median of skewed values is not their mean.
`interval` widens the second kind by two standard errors. It steers descents and claims nothing.
"""

from __future__ import annotations

from collections.abc import Callable
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


def mean_bounds(values: Vector, b: int) -> tuple[Vector, Vector]:
    """Where the mean of the honest values lies, whichever b of them are lies.

    Args:
        values: (..., m); infinite ones may stand among them.
        b: the most Byzantine workers, 0 <= b < m.

    Returns:
        (...,) ends, -inf and +inf where infinite values leave nothing to say.

    Reference: Horowitz and Manski, Econometrica 63(2), 1995, on contaminated data.

    >>> low, high = mean_bounds(np.array([3.0, -1e9, 1.0, 2.0]), b=1)
    >>> round(float(high), 9), bool(low < -1e8)
    (2.0, True)
    """
    m = values.shape[-1]
    ordered = np.sort(values, axis=-1)
    return _mean(ordered[..., : m - b], -1.0), _mean(ordered[..., b:], 1.0)


def median_bounds(values: Vector, b: int) -> tuple[Vector, Vector]:
    """Where the median of the honest values lies, whichever b of them are lies.

    An upper end below zero says that more than half of the honest values are negative.

    Args:
        values: (..., m).
        b: the most Byzantine workers, 0 <= b < m.

    Returns:
        (...,) ends.

    >>> [float(end) for end in median_bounds(np.array([3.0, -1e9, 1.0, 2.0]), b=1)]
    [1.0, 2.0]
    """
    low, high = rank_bounds(values.shape[-1], b)
    ordered = np.sort(values, axis=-1)
    return ordered[..., low], ordered[..., high]


def weighted_mean_bounds(values: Vector, weights: Vector, b: int) -> tuple[float, float]:
    """Where the weighted mean of the honest values lies, when weights are public and fixed.

    The weighted mean over a set S is sum_S n_i x_i / sum_S n_i. At a level t, a set S has its
    weighted mean below t iff sum_S n_i (x_i - t) < 0, so the least mean over all S that leave b
    workers out is the t at which the sum over the best such S is zero. The sum leaves out the b
    largest n_i (x_i - t); t falls from set to set until it repeats (Dinkelbach 1967).

    Args:
        values: (m,) finite.
        weights: (m,) positive, the workers' row counts for instance.
        b: the most Byzantine workers, 0 <= b < m.

    >>> low, high = weighted_mean_bounds(np.array([0.0, 1.0, 9.0]), np.array([1.0, 3.0, 1.0]), b=1)
    >>> float(low), float(high)
    (0.75, 4.5)
    """
    return _least_mean(values, weights, b), -_least_mean(-values, weights, b)


def _least_mean(values: Vector, weights: Vector, b: int) -> float:
    t = float(np.average(values, weights=weights))
    while True:
        kept = np.argsort(weights * (values - t), kind="stable")[: len(values) - b]
        lower = float(np.average(values[kept], weights=weights[kept]))
        if not lower < t:
            return min(t, lower)
        t = lower


def frontier(holds: Callable[[int], bool], m: int) -> int:
    """b*, the largest b < m for which a claim still holds; -1 where it never does.

    Args:
        holds: whether the claim holds with b liars; monotone in b.
        m: how many workers were heard.

    >>> values = np.array([1.0, 1.0, 1.0, -2.0])
    >>> frontier(lambda b: mean_bounds(values, b)[0] > -1, 4)
    2
    """
    best = -1
    for b in range(m):
        if not holds(b):
            break
        best = b
    return best


def _mean(values: Vector, outwards: float) -> Vector:
    """The mean over the last axis, rounded outwards; an infinite end where it is unknown."""
    with np.errstate(over="ignore", invalid="ignore"):
        # A sum of m terms, in any order, is off by less than m units of the last place each.
        slack = (values.shape[-1] + 2) * float(np.finfo(float).eps) * np.abs(values).max(axis=-1)
        mean = values.mean(axis=-1) + outwards * slack
    known: Vector = np.where(np.isnan(mean), outwards * np.inf, mean)
    return known


@dataclass(frozen=True)
class Interval:
    """Where the honest location of one number per worker is likely to lie: `low <= mid <= high`.

    The fields are floats or arrays of one shape.

    Attributes:
        low, high: the ends, statistics included: they steer, and prove nothing about the mean.
        mid: the median of all values.
        slack: how much of each end is statistics; without it, ranks alone, the interval
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
