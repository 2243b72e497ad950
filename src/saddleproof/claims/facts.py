"""What the workers said of one point, as data from which claims follow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector
from saddleproof.claims.order import (
    box_bound,
    entries_bound,
    gram_bound,
    spread_bound,
    typical_distance,
)
from saddleproof.claims.sets import few, least_eigenvalue, longest_mean
from saddleproof.curvature.differences import norm
from saddleproof.curvature.noise import precision
from saddleproof.ranks import frontier, inflatable, interval, mean_bounds, median_bounds

#: A direction along which most honest workers have a curvature of less than this share of the
#: proved lower end keeps a point from being called a minimum.
SHARE = 0.1
#: Rounding errors of a gradient, in units of its last place.
ROUNDINGS = 4.0


@dataclass(frozen=True)
class GradientFacts:
    """What the workers said of their gradients at one point.

    Attributes:
        norm: ||g_hat||.
        inexactness: Delta_hat of the rule; inf where it knows none.
        bound: an upper bound of ||grad F|| of the honest mean.
        distance: how far one honest worker's gradient is from the rest, typically.
        gram: (m, m) products of the workers' gradients.
        workers: (m,) their names.
        b: the most Byzantine among them.
        roundings: (m,) 2-norms of the rounding errors of their gradients.
    """

    norm: float
    inexactness: float
    bound: float
    distance: float
    gram: Vector
    workers: tuple[str, ...]
    b: int
    roundings: Vector

    def among(self, workers: tuple[str, ...], b: int) -> GradientFacts:
        """The facts about these workers alone, b of which may lie.

        A worker that fell silent later belongs to no F that both its gradient and its Hessian are
        known of.
        """
        rows = [i for i, name in enumerate(self.workers) if name in workers]
        if len(rows) == len(self.workers) and b >= self.b:
            return self
        left = min(b, self.b)
        return replace(
            self,
            bound=self._bound(rows, left),
            gram=self.gram[np.ix_(rows, rows)],
            workers=tuple(self.workers[i] for i in rows),
            b=left,
            roundings=self.roundings[rows],
        )

    def bound_without(self, names: tuple[str, ...]) -> float:
        """The bound if these workers, at most b, are among the liars."""
        rows = [i for i, name in enumerate(self.workers) if name not in names]
        return self._bound(rows, max(self.b - (len(self.workers) - len(rows)), 0))

    def _bound(self, rows: list[int], b: int) -> float:
        if not b < len(rows):
            return np.inf
        rounding = float(mean_bounds(self.roundings[rows], b)[1])
        return _length(self.gram[np.ix_(rows, rows)], b) + rounding

    def farthest(self, names: tuple[str, ...]) -> str:
        """Whose gradient is farthest from the mean of those that are not in `names`."""
        rows = [i for i, name in enumerate(self.workers) if name not in names]
        with np.errstate(over="ignore", invalid="ignore"):
            gram = self.gram[np.ix_(rows, rows)]
            away = np.diagonal(gram) - 2 * gram.mean(axis=0)
        return self.workers[rows[int(np.argmax(np.nan_to_num(away, nan=np.inf)))]]


def gradient_facts(
    rows: Vector, gradient: Vector, inexactness: float, workers: tuple[str, ...], b: int
) -> GradientFacts:
    """`GradientFacts` of (m, d) admitted gradients and their (d,) aggregate."""
    rows = np.asarray(rows, dtype=float)
    with np.errstate(over="ignore", invalid="ignore"):
        gram = rows @ rows.T
        length = norm(np.asarray(gradient, dtype=float))
        roundings = np.array([_rounding(row) for row in rows])
        rounding = float(mean_bounds(roundings, b)[1])
    bound = min(box_bound(rows, b), _length(gram, b)) + rounding
    distance = typical_distance(rows, b)
    return GradientFacts(length, inexactness, bound, distance, gram, workers, b, roundings)


def _length(gram: Vector, b: int) -> float:
    """An upper bound of the 2-norm of the honest mean, from (m, m) products."""
    return longest_mean(gram, b) if few(len(gram), b) else gram_bound(gram, b)


def _rounding(row: Vector) -> float:
    """The rounding of a computed gradient, in the precision of its digits."""
    return ROUNDINGS * precision(row) * norm(row)


@dataclass(frozen=True)
class CurvatureFacts:
    """What the workers said of their Hessians H_i at one point.

    Attributes:
        lows: (m,) l_i, at most lambda_min(H_i) of an honest worker.
        tops: (m,) the largest curvature that each saw.
        highs: (p, m) upper ends of v'H_i v along p unit directions.
        directions: (p, d).
        workers: (m,) names.
        matrices: (m, d, d) the H_i themselves, where they were asked for; else (0, 0, 0).
        errors: (m,) bounds of the 2-norm of what is wrong with each of them.
        risk: probability that an honest l_i is wrong.
        products: Hessian-vector products that a worker was asked for.
    """

    lows: Vector
    tops: Vector
    highs: Vector
    directions: Vector
    workers: tuple[str, ...]
    matrices: Vector
    errors: Vector
    risk: float = 0.0
    products: int = 0

    @property
    def m(self) -> int:
        """How many workers were heard."""
        return len(self.workers)

    def among(self, workers: tuple[str, ...]) -> CurvatureFacts:
        """The facts about these workers alone."""
        if all(name in workers for name in self.workers):
            return self
        rows = [i for i, name in enumerate(self.workers) if name in workers]
        known = len(self.matrices) > 0
        return replace(
            self,
            lows=self.lows[rows],
            tops=self.tops[rows],
            highs=self.highs[:, rows],
            workers=tuple(self.workers[i] for i in rows),
            matrices=self.matrices[rows] if known else self.matrices,
            errors=self.errors[rows] if known else self.errors,
        )

    def size(self, b: int) -> float:
        """At most the honest median of the largest curvatures; liars cannot raise it."""
        tops = np.where(np.isfinite(self.tops), self.tops, 0.0)
        return max(float(median_bounds(tops, b)[0]), 0.0)

    def low(self, b: int, without: int = 0) -> tuple[float, str]:
        """lambda_min of the honest mean is at least this, and which argument says so.

        Args:
            b: the most Byzantine workers.
            without: how many workers are taken to be among the liars, those of `farthest`.
        """
        rows = np.setdiff1d(np.arange(self.m), self._order[:without])
        left = b - without
        found = {"worker eigenvalues": float(mean_bounds(self.lows[rows], left)[0])}
        if len(self.matrices):
            given = self.matrices[rows], self.errors[rows], left
            found |= {"spread of Hessians": spread_bound(*given), "entries": entries_bound(*given)}
        best = max(found, key=found.__getitem__)
        return (found[best], best) if found[best] < np.inf else (-np.inf, best)  # an overflow

    def tightest(self, b: int, without: int = 0) -> tuple[float, str]:
        """`low`, or the least over every set of honest workers where that is higher.

        It takes about a second, and is asked for where `low` is not enough.
        """
        rows = np.setdiff1d(np.arange(self.m), self._order[:without])
        low, method = self.low(b, without)
        if not len(self.matrices) or not few(len(rows), b - without):
            return low, method
        least = least_eigenvalue(self.matrices[rows], self.errors[rows], b - without)
        return (least, "every set of honest workers") if least > low else (low, method)

    def farthest(self, k: int) -> tuple[str, ...]:
        """The k workers whose answers lie farthest out."""
        return tuple(self.workers[i] for i in sorted(self._order[:k]))

    @property
    def _order(self) -> NDArray[np.intp]:
        """Positions of the workers, lowest l_i first; with matrices, farthest matrix first."""
        if not len(self.matrices):
            return np.argsort(self.lows, kind="stable")
        with np.errstate(over="ignore", invalid="ignore"):
            away = self.matrices - np.median(self.matrices, axis=0)
            size = np.nan_to_num(np.linalg.norm(away, axis=(1, 2)) + self.errors, nan=np.inf)
        return np.argsort(-size, kind="stable")

    def needed(self, b: int, tolerance: float) -> int | None:
        """The fewest workers that must lie for the lower end to be within the tolerance.

        None where there is no such number, or where those workers do not stand apart: the nearest
        of the others must be closer to the middle of the others than to them.
        """
        k = next((k for k in range(b + 1) if self.low(b, k)[0] >= -tolerance), None)
        return k if k is None or self._apart(k) else None

    def _apart(self, k: int) -> bool:
        order = self._order
        named, others = self.lows[order[:k]], self.lows[order[k:]]
        if k == 0:
            return True
        nearest, middle = float(others.min()), float(np.median(others))
        return bool(nearest - named.max() >= (middle - named.max()) / 2 > 0)

    def frontier(self, tolerance: float) -> int:
        """b*: the most liars with which the lower end is still within the tolerance."""
        return frontier(lambda b: self.low(b)[0] >= -tolerance, self.m)

    def high(self, b: int) -> tuple[float, int]:
        """lambda_min of the honest mean is at most this, and along which direction; -1 for none."""
        if not len(self.highs):
            return np.inf, -1
        ends = mean_bounds(self.highs, b)[1]
        best = int(np.argmin(ends))
        return float(ends[best]), best

    def high_frontier(self) -> int:
        """b*: the most liars with which negative curvature is still proved."""
        return frontier(lambda b: self.high(b)[0] < 0, self.m)

    def majority(self, b: int) -> tuple[float, float, int]:
        """The ends about more than half of the honest workers, and the direction of the upper."""
        low = float(median_bounds(self.lows, b)[0])
        if not len(self.highs):
            return low, np.inf, -1
        ends = median_bounds(self.highs, b)[1]
        best = int(np.argmin(ends))
        return low, float(ends[best]), best

    def majority_along(self, direction: int, b: int) -> float:
        """More than half of the honest workers have at most this curvature along it."""
        return float(median_bounds(self.highs[direction], b)[1]) if direction >= 0 else np.inf

    def majority_frontier(self, tolerance: float) -> int:
        """b* of the statement that more than half of the honest workers are within a tolerance."""

        def holds(b: int) -> bool:
            return not inflatable(self.m, b) and self.majority(b)[0] >= -tolerance

        return frontier(holds, self.m)

    def suspect(self, b: int) -> bool:
        """Whether most honest workers clearly see a way down that is no proof about their mean.

        It keeps a point from being called a minimum; it is never a claim. Ranks and two standard
        errors must be below zero, along a direction that explains a share of the lower end.
        """
        highs = self.highs[np.isfinite(self.highs).all(axis=1)]
        if inflatable(self.m, b) or not len(highs):
            return False
        with np.errstate(over="ignore"):
            found = interval(highs, b)
        real = found.vote < SHARE * min(self.low(b)[0], 0.0)
        return bool(((found.high < 0) & real).any())
