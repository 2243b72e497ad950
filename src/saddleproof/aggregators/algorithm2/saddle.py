"""The saddle point of Algorithm 2, by restarted primal-dual hybrid gradient in Gram space.

    max_U min_W sum_i c_i (x_i - X W_i)' U (x_i - X W_i) = min_W ||C^1/2 (I - W') X||_2^2

over U >= 0, tr U <= 1 and columns W_i in {0 <= w <= cap, sum w = 1}. The columns sum to 1, so only
differences of rows matter: with K = V diag(e) V' their Gram matrix about any one point, the rows
of L = V diag(sqrt e) are an isometric copy of the x_i, and n numbers a row stand for d.
Without the square the problem is bilinear,

    min_V max_{||Y||_* <= 1} <Y, C^1/2 (L - V L)>,     V = W',

where ||.||_* is the nuclear norm. Both sides can be checked exactly, whatever made V and Y:

    primal(V) = ||C^1/2 (L - V L)||_2,   dual(Y) = <C^1/2 Y, L> - sum_i max_w <(C^1/2 Y L')_i, w>,

dual(Y)^2 <= saddle value <= primal(V)^2, and U = (Y'Y)^1/2 / tr has at least the value dual(Y)^2
(Cauchy-Schwarz). Restarts and the weight of the two steps follow Applegate et al., "Practical
large-scale linear programming using primal-dual hybrid gradient" (2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.aggregators.algorithm2.rank_one import Scores, View, capped_weights
from saddleproof.arrays import Vector

CHECK_EVERY = 10
#: Restart when the gap fell to this share of what it was at the last one,
SUFFICIENT = 0.3
#: or to this share after this part of all iterations.
NECESSARY, LONG = 0.8, 0.36


@dataclass(frozen=True)
class Saddle:
    """A pair (W, U) and what it certifies.

    Attributes:
        tau: (n,) scores r_i' U r_i with r_i = x_i - X W_i.
        primal: max_U for this W: an upper bound of the saddle value.
        dual: at most min_W for this U: a lower bound.
        eigenvalues: of U, in descending order.
        iterations: what it took.
    """

    tau: Vector
    primal: float
    dual: float
    eigenvalues: Vector
    iterations: int

    @property
    def gap(self) -> float:
        """(primal - dual) / primal; 0 for rows that are all equal."""
        return (self.primal - self.dual) / self.primal if self.primal > 0 else 0.0


def saddle(tolerance: float, view: View) -> Scores:
    """Scores for the maximizing U, each query point solved to a relative gap of `tolerance`."""
    tau, primal, dual = np.zeros_like(view.c), np.zeros(len(view.c)), np.zeros(len(view.c))
    for k, (gram, c) in enumerate(zip(view.gram, view.c, strict=True)):
        rows = np.flatnonzero(c)
        found = solve_saddle(gram[np.ix_(rows, rows)], c[rows], view.cap, tolerance=tolerance)
        tau[k, rows], primal[k], dual[k] = found.tau, found.primal, found.dual
    return Scores(tau, primal, dual)


def solve_saddle(
    gram: Vector,
    c: Vector,
    cap: float,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 20_000,
) -> Saddle:
    """Solve the saddle of Algorithm 2 for the n rows that are in.

    Args:
        gram: (n, n), about any point near the rows.
        c: (n,) weights, positive.
        cap: the largest entry of W, at least 1/n.
        tolerance: relative gap at which to stop.
        max_iterations: a bound in any case; each costs O(n^3) with a small constant.

    Returns:
        Saddle; its gap tells what was reached.
    """
    points = isometric_copy(gram)
    n, r = points.shape
    if r == 0:
        return Saddle(np.zeros(n), 0.0, 0.0, np.zeros(0), 0)
    search = _SaddleIteration(points, np.sqrt(c)[:, None], cap)
    iterations = search.run(tolerance, max_iterations)
    residual, y = search.residual(search.best_v), search.best_y
    singular, directions = np.linalg.svd(y, full_matrices=False)[1:]
    eigenvalues = singular / singular.sum()
    along = (residual / search.root) @ directions.T
    tau = along**2 @ eigenvalues
    return Saddle(tau, search.primal**2, max(search.dual, 0.0) ** 2, eigenvalues, iterations)


def isometric_copy(gram: Vector) -> Vector:
    """(n, r): rows with the same mutual distances as those behind a Gram matrix."""
    middle = gram.mean(axis=0)
    values, vectors = np.linalg.eigh(gram - middle - middle[:, None] + middle.mean())
    span = values > 1e-12 * max(values[-1], 0.0)
    found: Vector = vectors[:, span] * np.sqrt(values[span])
    return found


def to_capped_simplex(rows: Vector, cap: float) -> Vector:
    """Project each row on {0 <= w <= cap, sum w = 1}: clip(row - theta, 0, cap), theta exact.

    sum clip(row - theta, 0, cap) falls with theta, linearly between the knots row and row - cap.

    >>> to_capped_simplex(np.array([[5.0, 0.0, 0.0]]), 0.5)
    array([[0.5 , 0.25, 0.25]])
    """
    n = rows.shape[1]
    knots = np.concatenate([rows - cap, rows], axis=1)
    turns = np.concatenate([np.full_like(rows, -1.0), np.ones_like(rows)], axis=1)
    order = np.argsort(knots, axis=1)
    knots, turns = np.take_along_axis(knots, order, 1), np.take_along_axis(turns, order, 1)
    slopes = np.cumsum(turns, axis=1)
    falls = np.cumsum(slopes[:, :-1] * np.diff(knots, axis=1), axis=1)
    sums = np.concatenate([np.full((len(rows), 1), n * cap), n * cap + falls], axis=1)
    last = np.maximum(np.count_nonzero(sums >= 1, axis=1) - 1, 0)[:, None]  # the last sum above 1
    knot, total, slope = (np.take_along_axis(x, last, 1) for x in (knots, sums, slopes))
    theta = knot + (total - 1) / np.maximum(-slope, 1.0)  # slopes are integers, 0 where sum = 1
    found: Vector = np.clip(rows - theta, 0.0, cap)
    return found


def to_nuclear_ball(y: Vector) -> Vector:
    """Project on {||Y||_* <= 1}: the singular values are projected on the simplex."""
    left, singular, right = np.linalg.svd(y, full_matrices=False)
    if singular.sum() <= 1:
        return y
    k = np.arange(1, len(singular) + 1)
    thetas = (np.cumsum(singular) - 1) / k  # singular values come in descending order
    theta = thetas[np.flatnonzero(singular > thetas)[-1]]
    found: Vector = (left * np.maximum(singular - theta, 0.0)) @ right
    return found


def restart_is_due(gap: float, before: float, since: int, iteration: int) -> bool:
    """Whether to restart: the gap fell by much, or it fell at all and that took long.

    Args:
        gap: of now.
        before: the gap at the last restart.
        since: iterations since then.
        iteration: all iterations.

    >>> [restart_is_due(gap, 1.0, since, 250) for gap, since in ((0.3, 1), (0.31, 89), (0.8, 90))]
    [True, False, True]
    >>> restart_is_due(0.81, 1.0, 249, 250)
    False
    """
    long = since >= LONG * iteration
    return gap <= SUFFICIENT * before or (long and gap <= NECESSARY * before)


class _SaddleIteration:
    """The iteration; best_v, primal and best_y, dual are what it has proved so far."""

    def __init__(self, points: Vector, root: Vector, cap: float) -> None:
        n = len(points)
        self.points, self.root, self.cap = points, root, cap
        self.vertex = capped_weights(n, cap)
        self.v = self.best_v = np.full((n, n), 1.0 / n)
        left, singular, right = np.linalg.svd(self.residual(self.v), full_matrices=False)
        self.y = self.best_y = left[:, :1] * right[:1]
        self.primal, self.dual = float(singular[0]), -np.inf
        self.step = 0.99 / (np.linalg.norm(points, 2) * root.max())
        self.omega = 1.0

    def residual(self, v: Vector) -> Vector:
        """C^1/2 (L - V L)."""
        found: Vector = self.root * (self.points - v @ self.points)
        return found

    def run(self, tolerance: float, max_iterations: int) -> int:
        """Iterate until the gap of the squares is small; returns the number of iterations."""
        anchor = self.v, self.y
        at_restart, since = self._judge(*anchor), 0
        sum_v, sum_y = np.zeros_like(self.v), np.zeros_like(self.y)
        for iteration in range(1, max_iterations + 1):
            if self.primal**2 - max(self.dual, 0.0) ** 2 <= tolerance * self.primal**2:
                return iteration - 1
            self._iterate()
            since, sum_v, sum_y = since + 1, sum_v + self.v, sum_y + self.y
            if iteration % CHECK_EVERY:
                continue
            average = sum_v / since, sum_y / since
            here, there = self._judge(self.v, self.y), self._judge(*average)
            gap = min(here, there)
            if not restart_is_due(gap, at_restart, since, iteration):
                continue
            if there < here:
                self.v, self.y = average
            self._balance(anchor)
            anchor, at_restart = (self.v, self.y), gap
            since, sum_v, sum_y = 0, np.zeros_like(sum_v), np.zeros_like(sum_y)
        return max_iterations

    def _iterate(self) -> None:
        pull = (self.root * self.y) @ self.points.T
        v = to_capped_simplex(self.v + self.step / self.omega * pull, self.cap)
        push = self.residual(2 * v - self.v)
        self.y = to_nuclear_ball(self.y + self.step * self.omega * push)
        self.v = v

    def _judge(self, v: Vector, y: Vector) -> float:
        """The gap of a pair; keeps each half that beats the best so far."""
        primal = float(np.linalg.norm(self.residual(v), 2))
        weighted = self.root * y
        gains = np.sort(weighted @ self.points.T, axis=1)[:, ::-1] @ self.vertex
        dual = float((weighted * self.points).sum() - gains.sum())
        if primal < self.primal:
            self.best_v, self.primal = v, primal
        if dual > self.dual:
            self.best_y, self.dual = y, dual
        return primal - dual

    def _balance(self, anchor: tuple[Vector, Vector]) -> None:
        """Weigh the steps by how far each side moved since the last restart."""
        moved_v = float(np.linalg.norm(self.v - anchor[0]))
        moved_y = float(np.linalg.norm(self.y - anchor[1]))
        if moved_v > 0 and moved_y > 0:
            self.omega = float(np.sqrt(self.omega * moved_y / moved_v))
