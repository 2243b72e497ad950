"""What the rules that sum messages over rounds share: a center, limits, and who stays.

ByzantineSGD and SafeguardSGD compare each worker's sum over rounds with a center, a row that has
more than half of all rows within a threshold, and leave a worker out for good once it is farther
from it than a limit.

**No center is ever picked silently.** Where no row qualifies, the threshold is widened to the
smallest at which one does: honest rows would qualify if it were right. **Never more than b workers
are left out in all.** More of them beyond the limits would prove the limits too small, not that
they lie; the farthest go. Either event is counted in the memory as `widened`.

**Automatic limits.** Let s be the distance from the center of the row of rank mh//2 + b, counted
from 0, mh = m - b (`saddleproof.ranks`; rank mh - 1 at most). For b < m/3 it is at least the honest
rows' median distance, wherever liars hide, and never above their largest one. A sum of k rounds
is out beyond z sqrt(k) times the largest s / sqrt(k) so far (the memory keeps it), where

    z = sqrt(2 log(2 m T / p)) / q,

the largest of m T normal numbers, but for a share p of runs, over q, a median that so few of them
fall below with probability p only. So honest rows stay if their deviations are normal, even if
all of them lie along one line: a heuristic, not a proof. From b = m/3 on, liars who stand next to
an honest row can shrink s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.base import quiet
from saddleproof.aggregators.engine.gram import distances, gram
from saddleproof.aggregators.engine.units import lengths
from saddleproof.arrays import Vector
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.ranks import rank_bounds

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Center:
    """The row that the others are compared with.

    Attributes:
        index: its place among the rows.
        apart: (m,) distances of all rows from it.
        widened: whether no row qualified at the threshold.
    """

    index: int
    apart: Vector
    widened: bool


@quiet
def center(rows: Vector, among: Mask, threshold: float | None = None) -> Center:
    """The row of `among` that has more than m/2 rows of `among` within the least distance.

    Whenever some row qualifies at a threshold this one does. O(m^2 d).

    Args:
        rows: (m, p); a row that is not finite is infinitely far from all.
        among: (m,) who may be the center, and who counts; everybody where that is no majority.
        threshold: None asks for none.

    >>> center(np.array([[0.0], [1.0], [1.5], [90.0]]), np.ones(4, dtype=bool)).index
    1
    """
    m = len(rows)
    if 2 * int(among.sum()) <= m:
        among = np.ones(m, dtype=bool)
    found = gram(rows)
    between = np.sqrt(distances(found))
    reach = np.where(among, np.sort(np.where(among, between, np.inf), axis=1)[:, m // 2], np.inf)
    index = int(np.argmin(reach))
    apart = lengths(rows - rows[index])
    widened = threshold is not None and not reach[index] <= found.length(threshold) * (1 + 1e-9)
    return Center(index, np.where(np.isnan(apart), np.inf, apart), widened)


def typical(apart: Vector, b: int) -> float:
    """s: the distance of rank mh//2 + b, or mh - 1 where that is less."""
    m = len(apart)
    return float(np.sort(apart)[min(rank_bounds(m, b)[1], m - b - 1)])


def excess(apart: Vector, limit: float) -> Vector:
    """(m,): distances over their limit; above 1 is out. A row at the center never is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Vector = np.where(apart <= limit, np.minimum(apart / limit, 1.0), apart / limit)
    return np.where(apart == 0.0, 0.0, found)


def stays(trusted: Mask, at: NDArray[np.intp], ratio: Vector, b: int) -> tuple[Mask, bool]:
    """Who is trusted from now on, and whether more than b would have had to go.

    Args:
        trusted: (M,) of the roster.
        at: (m,) places of the rows in it.
        ratio: (m,) largest `excess` of each row.
        b: the most workers that may be out in all.
    """
    out = at[(ratio > 1.0) & trusted[at]]
    farthest = out[np.argsort(-ratio[(ratio > 1.0) & trusted[at]], kind="stable")]
    room = max(b - int((~trusted).sum()), 0)
    left = trusted.copy()
    left[farthest[:room]] = False
    return left, len(out) > room


def normal_extreme(m: int, b: int, rounds: int, p: float) -> float:
    """z of automatic limits; see the file's head.

    The j-th of n uniform numbers has a Beta(j, n + 1 - j) distribution; of the mh distances one is
    the center's own, 0.

    >>> round(normal_extreme(20, 6, 1000, 0.05), 1), round(normal_extreme(200, 60, 1000, 0.05), 1)
    (14.2, 9.9)
    """
    from scipy.special import betaincinv, ndtri

    honest = m - b
    below = betaincinv(max(honest // 2, 1), max((honest + 1) // 2, 1), p)
    q = float(ndtri((1 + below) / 2))
    return math.sqrt(2 * math.log(2 * m * rounds / p)) / q


def check_guard(noise: float | None, horizon: int, p: float) -> None:
    """Raise `OptionError` for options that cannot work."""
    if noise is not None and not 0 < noise < math.inf:
        raise OptionError(f"noise (V) must be positive, or None for automatic limits; got {noise}")
    if horizon < 1:
        raise OptionError(f"horizon (T) must be at least 1 round; got {horizon}")
    if not 0 < p < 1:
        raise OptionError(f"p, the share of runs that may go wrong, must be in (0, 1); got {p}")


def require_some(trusted: Mask) -> None:
    """Raise `BreakdownError` where nobody who was heard is trusted."""
    if not trusted.any():
        raise BreakdownError(
            f"none of the {len(trusted)} workers that were heard is trusted any more; the others "
            "must come back, or the run begin again"
        )
