"""Workers of unequal weight: how much each may count, and order statistics that heed it.

A share is a worker's part of a decision; all shares are positive and add up to 1. What a rule may
assume of liars is then no number of rows but a mass: beta, the mass of the b heaviest rows.

    limit     any b rows hold less than 1/2 of the mass, and less than 1/3 where b < m/3
    trimming  beta from either end of the sorted values, and the weighted mean of the rest
    ranks     the honest weighted median lies between the values at (1 - beta)/2 from either end

The last line is `saddleproof.ranks` with masses in the place of counts: of the honest rows, whose
mass is 1 - beta at least, half lies on either side of their median. With equal shares all of it is
what the unweighted rules say.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.base import norms
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.ranks import MAD_TO_SIGMA, MEDIAN_EFFICIENCY, inflatable

#: A mass below this is rounding: a huge lie times rounding is still huge.
ROUNDING = 1e-12
#: By how much a cap stays below its limit, so that trimming always leaves something.
MARGIN = 1e-6


def heaviest(shares: Vector, count: int) -> float:
    """The mass of the `count` heaviest rows.

    >>> heaviest(np.array([0.5, 0.2, 0.3]), 2)
    0.8
    """
    return float(np.sort(shares)[len(shares) - count :].sum())


def capped(weights: Vector, b: int, spoiled: int) -> Vector:
    """Shares in proportion to the weights, but none above the cap that b liars force.

    The cap is the largest at which b rows hold less than 1/3 of the mass (less than 1/2 where
    b >= m/3), and `spoiled` rows less than 1/2. At a cap as low as the least weight all shares are
    equal, so a cap exists wherever the unweighted rule holds b of m.

    Args:
        weights: (m,) positive, the workers' row counts for instance.
        b: the most Byzantine rows.
        spoiled: the most rows whose say b liars can take, b or more (`Bucketing` mixes them).

    Returns:
        (m,) positive, of sum 1.

    Raises:
        OptionError: even equal shares do not suffice.

    >>> capped(np.array([80.0, 10.0, 10.0, 10.0]), b=1, spoiled=1).round(3)
    array([0.333, 0.222, 0.222, 0.222])
    """
    m = len(weights)
    limits = [(b, 0.5 if inflatable(m, b) else 1 / 3), (spoiled, 0.5)]

    def holds(cap: float) -> bool:
        cut = np.minimum(weights, cap)
        shares = cut / cut.sum()
        return all(heaviest(shares, n) < limit - MARGIN for n, limit in limits)

    low, high = float(weights.min()), float(weights.max())
    if not holds(low):
        raise OptionError(
            f"{spoiled} of {m} rows hold half of the mass even at equal weights. Lower b={b}"
        )
    if not holds(high):  # the mass of the heaviest falls with the cap
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if holds(middle) else (low, middle)
        high = low
    cut = np.minimum(weights, high)
    found: Vector = cut / cut.sum()
    return found


def trimmed(stack: Vector, shares: Vector, cut: float) -> tuple[Vector, NDArray[np.bool_]]:
    """The weighted mean of what is left when a mass of `cut` is dropped at either end.

    Args:
        stack: (q, m, d).
        shares: (m,).
        cut: in [0, 1/2); 0 is the weighted mean.

    Returns:
        (q, d), and (q, m) whether a row entered in any coordinate.

    >>> trimmed(np.array([[[0.0], [1.0], [9.0]]]), np.array([0.25, 0.5, 0.25]), 0.25)[0]
    array([[1.]])
    """
    order = np.argsort(stack, axis=1, kind="stable")
    mass = shares[order]
    ends = np.cumsum(mass, axis=1)
    kept = np.minimum(ends, 1.0 - cut) - np.maximum(ends - mass, cut)
    kept = np.where(kept > ROUNDING, kept, 0.0)
    values = np.take_along_axis(stack, order, axis=1).astype(np.float64)
    values = np.where(kept > 0.0, values, 0.0)
    weights = np.empty_like(kept)
    np.put_along_axis(weights, order, kept, axis=1)
    vector = (kept * values).sum(axis=1) / kept.sum(axis=1)
    entered: NDArray[np.bool_] = np.asarray((weights > 0.0).any(axis=2))
    return vector.astype(stack.dtype), entered


def median(stack: Vector, shares: Vector) -> tuple[Vector, NDArray[np.bool_]]:
    """The weighted median of (q, m, d) values, the midpoint where two qualify.

    Returns:
        (q, d), and (q, m) whether a row is the answer, or half of it, in any coordinate.
    """
    values, ends = _ordered(stack, shares)
    low = _at(values, ends >= 0.5 - ROUNDING)
    high = _at(values, ends > 0.5 + ROUNDING)
    entered = (stack == low[:, None]) | (stack == high[:, None])
    found: Vector = ((low.astype(np.float64) + high) / 2).astype(stack.dtype)
    return found, entered.any(axis=2)


def inexactness(stack: Vector, vector: Vector, shares: Vector, b: int) -> Vector | None:
    """How far a (q, d) vector may be from the honest workers' weighted median, and their mean.

    `saddleproof.aggregators.inexactness` with masses in the place of counts; m - b workers of
    unequal shares count as (1 - beta)^2 / sum p^2 of equal ones, or more, in the standard error,
    with the sum over the m - b heaviest.

    Returns:
        (q,) bounds, in the unit of the messages; None where b rows hold 1/3 of the mass or more.
    """
    beta = heaviest(shares, b)
    if not beta < 1 / 3:
        return None
    d = stack.shape[2]
    values, ends = _ordered(stack, shares)
    low = _at(values, ends >= (1.0 - beta) / 2 - ROUNDING)
    above = 1.0 - ends + shares[np.argsort(stack, axis=1, kind="stable")]
    reached = above >= (1.0 - beta) / 2 - ROUNDING
    last = reached.shape[1] - 1 - np.argmax(reached[:, ::-1], axis=1)
    high = np.take_along_axis(values, last[:, None], axis=1)[:, 0]
    apart = np.abs(stack - median(stack, shares)[0][:, None])
    if d > 1:
        spread = median(apart, shares)[0]
    else:  # `ranks.deviation`: no other coordinate makes up for what liars shrink here
        far, mass = _ordered(apart, shares)
        spread = _at(far, mass > (1.0 + beta) / 2 + ROUNDING)
    noise = (2.0 if d == 1 else 1.0) * MEDIAN_EFFICIENCY * MAD_TO_SIGMA
    noise *= sqrt(heaviest(shares**2, len(shares) - b)) / (1.0 - beta)
    found: Vector = norms(np.maximum(high - vector, vector - low)) + noise * norms(spread)
    return found


def _ordered(stack: Vector, shares: Vector) -> tuple[Vector, Vector]:
    """The values in order, and the mass up to each."""
    order = np.argsort(stack, axis=1, kind="stable")
    return np.take_along_axis(stack, order, axis=1), np.cumsum(shares[order], axis=1)


def _at(values: Vector, reached: NDArray[np.bool_]) -> Vector:
    """(q, d): the first value at which a mass is reached; the last where it is not."""
    first = np.where(reached.any(axis=1), np.argmax(reached, axis=1), reached.shape[1] - 1)
    found: Vector = np.take_along_axis(values, first[:, None], axis=1)[:, 0]
    return found
