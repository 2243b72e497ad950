"""Scores of Algorithm 2 for U = v v^T, v the direction of largest variance: no program to solve.

    K     Gram matrix of the rows, about any point    c    weights, 0 for rows that left
    u     their c-weighted mean, as weights on rows   cap  (3 + alpha)/((1 - alpha)(3 - alpha) m)
    spread = lambda_max(sum_i c_i (x_i - X'u)(x_i - X'u)'), v its eigenvector,
    p_i = v'(x_i - X'u)

For this U the inner minimum over W is one number a row: column i of W can put the mean
sum_j p_j W_ji anywhere in [lo, hi], the range of means whose weights are at most `cap`, and so

    tau_i = min_W (x_i - X W_i)' U (x_i - X W_i) = dist(p_i, [lo, hi])^2.

sum_i c_i tau_i is a lower bound of the saddle value, and `spread`, attained by W = (u, ..., u), an
upper one. Everything is vectorised over the q query points of a round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.algorithm2.largest import largest_variance
from saddleproof.arrays import Vector


@dataclass(frozen=True)
class View:
    """The rows of q points, and how they look along the direction of their largest variance.

    Attributes:
        gram: (q, m, m), about any point near the rows.
        c: (q, m) weights, 0 for rows that left.
        cap: the largest entry of W.
        spread: (q,) the largest variance, times sum_i c_i.
        p: (q, m) projections on its direction, whose sign means nothing.
    """

    gram: Vector
    c: Vector
    cap: float
    spread: Vector
    p: Vector

    def of(self, which: NDArray[np.bool_]) -> View:
        """The same of fewer points."""
        gram, c, spread, p = (x[which] for x in (self.gram, self.c, self.spread, self.p))
        return View(gram, c, self.cap, spread, p)


@dataclass(frozen=True)
class Scores:
    """tau (q, m) for some U and W, and dual <= saddle value <= primal, both (q,)."""

    tau: Vector
    primal: Vector
    dual: Vector


def rank_one(view: View) -> Scores:
    """Scores for U = vv'."""
    tau = rank_one_scores(view.p, view.c, view.cap)
    return Scores(tau, view.spread, (view.c * tau).sum(axis=-1))


def rank_one_scores(p: Vector, c: Vector, cap: float) -> Vector:
    """tau of this file's head: how far each row's projection is out of the capped means' reach.

    Args:
        p: (q, m) projections; what stands at rows that left does not matter.
        c: (q, m) weights, 0 for rows that left; n rows are in, n cap >= 1.
        cap: the largest entry of W.

    Returns:
        (q, m), nonnegative, 0 for rows that left.

    Four of five values may share all the weight, so means reach from 0 to 2.5:

    >>> p, c = np.array([[0.0, 0.0, 0.0, 0.0, 10.0]]), np.ones((1, 5))
    >>> rank_one_scores(p, c, cap=0.25)
    array([[ 0.  ,  0.  ,  0.  ,  0.  , 56.25]])
    """
    inside = c > 0
    # The extreme means: as much weight as `cap` allows, from the outermost value inward.
    weights = capped_weights(p.shape[-1], cap)
    highest = np.max(p, axis=-1, keepdims=True, where=inside, initial=-np.inf)
    lowest = np.min(p, axis=-1, keepdims=True, where=inside, initial=np.inf)
    lo = np.sort(np.where(inside, p, highest), axis=-1) @ weights
    hi = np.sort(np.where(inside, p, lowest), axis=-1)[..., ::-1] @ weights
    out = np.maximum(np.maximum(lo[:, None] - p, p - hi[:, None]), 0.0)
    tau: Vector = np.where(inside, out**2, 0.0)
    return tau


def capped_weights(m: int, cap: float) -> Vector:
    """(m,): cap, cap, ..., what is left, 0, ..., 0: a vertex of {0 <= w <= cap, sum w = 1}.

    >>> capped_weights(4, 0.4)
    array([0.4, 0.4, 0.2, 0. ])
    """
    return np.clip(1.0 - cap * np.arange(m), 0.0, cap)


def leading(gram: Vector, c: Vector, cap: float) -> View:
    """Find the direction of largest variance; see `View` for the arguments."""
    spread, p = largest_variance(gram, c, reference_weights(c, cap))
    return View(gram, c, cap, spread, p)


def reference_weights(c: Vector, cap: float) -> Vector:
    """(q, m): c / sum c where that is feasible, so that the spread bounds the saddle; else 1/n."""
    n = np.count_nonzero(c, axis=-1, keepdims=True)
    even = (c > 0) / np.maximum(n, 1)
    u = c / np.where(n > 0, c.sum(axis=-1, keepdims=True), 1.0)
    # An ulp of slack: with alpha = 0 the cap is 1/m, and u meets it exactly.
    fits = u.max(axis=-1, keepdims=True) <= cap * (1 + 1e-12)
    return np.where(fits, u, even)
