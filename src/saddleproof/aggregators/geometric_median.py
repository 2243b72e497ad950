"""Geometric median (Feng, Xu, Mannor 2014; Chen, Su, Xu 2017; rows of Table 2).

y minimizes sum_i ||y - x_i||. Weiszfeld's step T(y) = sum_i c_i x_i / sum_i c_i with
c_i = 1 / ||y - x_i|| never leaves the affine hull of the rows, so y = sum_i w_i x_i throughout
and all distances follow from the Gram matrix K:

    ||y - x_i||^2 = K_ii - 2 (K w)_i + w'K w.

One step is O(m^2) whatever d is. The rows themselves, where Weiszfeld's step is not defined, are
settled before the first step, as Vardi and Zhang (2000) do: the best row x_k is the answer iff the
unit vectors from it to the others sum to no more than its multiplicity; if not, their sum points
to where the objective is below that of every row, and no later step meets one. Next to a row
Weiszfeld's steps are short, so every few steps Newton's point is tried.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.base import Estimate, scalar
from saddleproof.aggregators.engine.gram import distances, grams
from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.weighted import WeightedRule, weighted_sums
from saddleproof.arguments import check_options, real, whole
from saddleproof.arrays import Array, Vector, as_stack

#: Why Weiszfeld's iteration ended: by its tolerance, because a row is the answer, or by its limit.
Termination = Literal["tolerance", "row", "max_iterations"]
#: Every so many steps, Newton's point is tried as well.
NEWTON = 8
#: Less than this share of what was added up is rounding; rows as near as that coincide.
ROUNDING = 1e-14


@dataclass(frozen=True)
class GeometricMedianEstimate(Estimate):
    """An `Estimate` that says how it was found.

    Attributes:
        termination: a `Termination`, or q of them for a batch: "tolerance", "row" (rows are the
            exact answer) or "max_iterations".
        iterations: Weiszfeld steps taken, or q numbers of them.
    """

    termination: Any = "tolerance"
    iterations: Any = 0


@dataclass(frozen=True)
class GeometricMedian(WeightedRule):
    """The point of least total distance to the rows, argmin_y sum_i ||y - x_i||.

    Breakdown (m - 1)//2. It is (b, kappa)-robust with kappa = 4 (1 + b/(m - 2b))^2 (Allouah et
    al. 2023), and if m - b rows lie within r of a point, the median does within
    r (1 - a)/sqrt(1 - 2a), a = b/m (Minsker 2015). Where it is not unique (an even number of rows
    on a line) it is the average of the rows that qualify: in one dimension, the midpoint median.
    A row that is not finite is left out. Inexactness: the rank bound, a proof about the honest
    coordinate-wise median plus a standard error (`saddleproof.aggregators.inexactness`).
    Cost O(m^2 d + iterations m^2).

    Args:
        tolerance: the iteration ends when the mean of the unit vectors from the answer to the
            rows, which is zero at the median, is at most this long.
        max_iterations: limit on Weiszfeld steps; `GeometricMedianEstimate.termination` tells.

    >>> square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    >>> GeometricMedian()(square, b=1)
    array([1., 1.])
    """

    tolerance: float = 1e-10
    max_iterations: int = 1000
    needs: ClassVar[str] = "m > 2b"

    def __post_init__(self) -> None:
        check_options(self)
        real("tolerance", self.tolerance, above=0)
        whole("max_iterations", self.max_iterations, least=1)

    def breakdown(self, m: int) -> int:
        """(m - 1)//2: strictly fewer than half."""
        return (m - 1) // 2

    def weights(self, gram: Gram, b: int) -> Vector:
        """Coefficients of the geometric median."""
        return weiszfeld(gram, self.tolerance, self.max_iterations).weights

    def estimate(self, messages: Array, b: int) -> GeometricMedianEstimate:
        """Vector, inexactness, kept and termination for one query point."""
        batch = cast(GeometricMedianEstimate, self.estimates(as_stack(messages)[None, ...], b))
        inexactness = None if batch.inexactness is None else scalar(batch.inexactness[0])
        return replace(
            batch,
            vector=batch.vector[0, ...],
            inexactness=inexactness,
            kept=batch.kept[0, ...],
            termination=batch.termination[0],
            iterations=batch.iterations[0],
        )

    def _batch(self, stack: Array, b: int) -> GeometricMedianEstimate:
        found = [weiszfeld(K, self.tolerance, self.max_iterations) for K in grams(stack).each()]
        sums = weighted_sums(stack, [one.weights for one in found], b)
        return GeometricMedianEstimate(
            sums.vector,
            sums.inexactness,
            sums.kept,
            termination=tuple(one.termination for one in found),
            iterations=tuple(one.iterations for one in found),
        )


@dataclass(frozen=True)
class Weiszfeld:
    """(m,) weights of the geometric median, and how the iteration ended."""

    weights: Vector
    termination: Termination
    iterations: int


def weiszfeld(gram: Gram, tolerance: float = 1e-10, max_iterations: int = 1000) -> Weiszfeld:
    """The geometric median in the coordinates of the rows: their Gram matrix to (m,) weights."""
    placed = np.flatnonzero(gram.placed)
    with np.errstate(all="ignore"):
        found = _placed(gram.matrix[np.ix_(placed, placed)], tolerance, max_iterations)
    weights = np.zeros(len(gram))
    weights[placed] = found.weights * gram.share[placed]
    return Weiszfeld(weights, found.termination, found.iterations)


def _placed(K: Vector, tolerance: float, max_iterations: int) -> Weiszfeld:
    if not len(K):  # the answer is NaN
        return Weiszfeld(np.zeros(0), "row", 0)
    w, settled = _best_rows(K)
    if settled:
        return Weiszfeld(w, "row", 0)
    smallest = np.finfo(np.float64).tiny + ROUNDING * np.median(np.diagonal(K))
    here = _Place(K, w, smallest)
    for iteration in range(1, max_iterations + 1):
        if here.residual <= tolerance * len(K):
            return Weiszfeld(here.following, "tolerance", iteration)
        ahead = _Place(K, here.following, smallest)
        if iteration % NEWTON == 0:
            leap = _Place(K, _Place(K, here.newton(), smallest).following, smallest)
            ahead = min(ahead, leap, key=lambda place: place.residual)
        here = ahead
    return Weiszfeld(here.w, "max_iterations", max_iterations)


class _Place:
    """A point y = sum_i w_i x_i, and where Weiszfeld and Newton go from it.

    T(y) - y = sum_i (w+_i - w_i) (x_i - y) is the sum of the unit vectors over sum_i c_i, so
    `residual` bounds the length of that sum.
    """

    def __init__(self, K: Vector, w: Vector, smallest: float) -> None:
        Kw = K @ w
        self.K, self.w, self.Kw, self.wKw = K, w, Kw, w @ Kw
        square = np.maximum(np.diagonal(K) - 2.0 * Kw + self.wKw, smallest)
        distance = np.sqrt(square)
        self.c = 1.0 / distance
        self.following = self.c / self.c.sum()
        self.residual = float((np.abs(self.following - w) @ distance) * self.c.sum())

    def newton(self) -> Vector:
        """Weights of Newton's point; near a row it is worth hundreds of Weiszfeld's steps.

        With z_i = x_i - y the Hessian is sum_i c_i I - c_i^3 z_i z_i', and y + sum_i a_i z_i
        solves Newton's equation where (sum c) a_i - c_i^3 <z_i, sum_j a_j z_j> = c_i. In
        a_i = c_i^(3/2) s_i the matrix is symmetric.
        """
        c, root = self.c, self.c**1.5
        products = self.K - self.Kw - self.Kw[:, None] + self.wKw
        matrix = np.diag(np.full(len(c), c.sum())) - root[:, None] * products * root
        a = root * np.linalg.lstsq(matrix, c / root)[0]
        found: Vector = self.w + a - a.sum() * self.w
        return found


def _best_rows(K: Vector) -> tuple[Vector, bool]:
    """Weights of the median if rows are the answer, else of a point that is better than any row."""
    length = np.sqrt(np.diagonal(K))
    between = np.sqrt(_coincide(K))
    # sum_j ||x_i - x_j|| - ||x_j - r||, term by term: far rows must not swallow the digits.
    apart = between + length
    gain = np.diagonal(K)[:, None] - 2.0 * K
    objective = np.divide(gain, apart, out=np.zeros_like(K), where=apart > 0).sum(axis=1)
    near_best = objective <= objective.min() + 1e-9 * np.median(between)
    best = [_at_row(K, between, k) for k in np.flatnonzero(near_best).tolist()]
    answers = [w for w, settled in best if settled]
    if answers:
        return np.mean(np.unique(answers, axis=0), axis=0), True  # copies of a row count once
    return best[int(np.argmin(objective[near_best]))]


def _at_row(K: Vector, between: Vector, k: int) -> tuple[Vector, bool]:
    """Vardi and Zhang's test and step at row k."""
    others = between[k] > 0
    same: NDArray[np.bool_] = ~others
    c = np.divide(1.0, between[k], out=np.zeros(len(K)), where=others)
    pull = c.copy()  # R = sum_j c_j (x_j - x_k), in coefficients of sum zero
    pull[k] -= c.sum()
    square = pull @ K @ pull
    rounding = ROUNDING * (np.abs(pull) @ np.abs(K) @ np.abs(pull))
    if square <= same.sum() ** 2 + rounding:
        return same / same.sum(), True
    share = min(1.0, same.sum() / np.sqrt(square))
    return (1.0 - share) * c / c.sum() + share * same / same.sum(), False


def _coincide(K: Vector) -> Vector:
    """Squared distances, zero where nothing but rounding is left of them."""
    square = np.diagonal(K)
    between = distances(K)
    between[between <= ROUNDING * (square[:, None] + square)] = 0.0
    return between
