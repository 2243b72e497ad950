"""A lower bound of lambda_min of a symmetric matrix that is known by its products, at any size.

From a random unit vector q_1, k steps of Lanczos give orthonormal q_1..q_k and a tridiagonal T with
Ritz values theta_1 < ... < theta_k and off-diagonal entries beta_1..beta_k, and the polynomial

    p(t) = prod_j (t - theta_j) / (beta_1 ... beta_k),      p(A) q_1 = q_{k+1},   |q_{k+1}| = 1.

Let c be the part of q_1 along the lowest eigenvector. Then |c p(lambda_min)| <= 1. A uniform q_1 in
d dimensions has |c| < delta_0 = delta sqrt(pi / 2d) with probability at most delta. So the root
t < theta_1 of

    prod_j (theta_j - t) = beta_1 ... beta_k / delta_0

is below lambda_min with probability 1 - delta, for every spectrum and every k, without any gap that
would have to be known (van Dorsselaer, Hochstenbach and van der Vorst, SIAM J. Matrix Anal. Appl.
22(3), 2000, Section 3).

**Errors.** Let A Q + (f_1 .. f_k) = Q T + beta_k q_{k+1} e_k' be what was computed, |f_j| <= e_j,
and u the lowest eigenvector, with A u = t u and c = u'q_1. Times u', this is a system for u'Q,
whose solution begins with

    c = sum_j (u'f_j) x_j  -+  (u'q_{k+1}) prod_j beta_j / (theta_j - t),     x = (T - t)^-1 e_1.

So |c| >= delta_0 forbids every t below the root of

    sum_j e_j |x_j(t)| + prod_j beta_j / (theta_j - t) = delta_0,

whatever the errors hide, and however orthogonal the q_j are. e_j holds what a worker states of its
product, what was subtracted from it to keep the q_j orthogonal, and what shows in the recurrence:
q_i'A q_j is q_j'A q_i of a symmetric A (`saddleproof.curvature.recurrence`).

**Rounding.** What is rounded in the recurrence counts into e_j, and a few last places of T are
taken from the bound. Rounding in the root itself is a relative error of delta_0. There is room for
that of up to 1 / 2d, since |c| < delta_0 has a probability below delta sqrt(1 - 1 / d).

**Breakdown.** Where beta_k is lost in rounding the space counts as invariant, and beta_k is one
more error of the last product.

**Small d.** Where k >= d, the products with the unit vectors give the whole matrix and the bound
holds with certainty.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.curvature.differences import symmetrised
from saddleproof.curvature.noise import Products
from saddleproof.curvature.recurrence import ROUNDINGS, Recurrence

#: Told after every step: how many are done, and how many there are at most. For a progress bar.
STEPS: ContextVar[Callable[[int, int], None] | None] = ContextVar("STEPS", default=None)
#: Steps between two looks at the bound, and the share of the spread at which it is good enough.
LOOK, CLOSE = 5, 0.002
_EPS, _TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)


@dataclass(frozen=True)
class Bound:
    """What Lanczos says of one matrix.

    Attributes:
        low: at most lambda_min, with probability 1 - delta.
        ritz: theta_1, the lowest Ritz value; at least lambda_min, but for the errors.
        top: theta_k, the highest Ritz value.
        vector: (d,) unit Ritz vector of theta_1; zero where nothing is known.
        steps: products that were spent.
    """

    low: float
    ritz: float
    top: float
    vector: Vector
    steps: int


def lower_bound(
    thetas: Vector,
    betas: Vector,
    d: int,
    delta: float,
    vectors: Vector | None = None,
    errors: Vector | None = None,
) -> float:
    """The root t < theta_1 of the last equation in the head of this file.

    Args:
        thetas: (k,) Ritz values in ascending order.
        betas: (k,) off-diagonal entries, the norm of the last residual included.
        d: dimension.
        delta: admitted probability of a bound that is too high.
        vectors: (k, k) the eigenvectors of T, one a column; only with `errors`.
        errors: (k,) e_j; none for an exact recurrence.

    One step on a matrix of size 2: theta - t = beta / delta_0.

    >>> round(lower_bound(np.array([1.0]), np.array([0.5]), 2, 0.5), 4)
    -0.1284
    """
    exact = errors is None or vectors is None or not errors.any()
    if exact and not betas.all():  # an invariant subspace holds lambda_min for almost every start
        return float(thetas[0])
    hidden = _Hidden(thetas, betas, *(() if exact else (vectors, errors)))
    goal = _least_part(d, delta)
    spread = float(thetas[-1] - thetas[0])
    near, far = 0.0, max(spread, float(betas.max()), float(np.finfo(float).tiny))
    while hidden(far) > goal:
        near, far = far, 2 * far
    for _ in range(80):
        middle = near + (far - near) / 2
        near, far = (middle, far) if hidden(middle) > goal else (near, middle)
    return float(thetas[0] - far)


def _least_part(d: int, delta: float) -> float:
    """delta_0: a uniform start has less of the lowest eigenvector with probability delta."""
    return delta * float(np.sqrt(np.pi / (2 * d)))


class _Hidden:
    """The largest |c| with which an eigenvalue x below theta_1 stays unseen."""

    def __init__(
        self,
        thetas: Vector,
        betas: Vector,
        vectors: Vector | None = None,
        errors: Vector | None = None,
    ) -> None:
        with np.errstate(divide="ignore"):
            self._steepness = float(np.log(betas).sum())
        self._gaps, self._vectors, self._errors = thetas - thetas[0], vectors, errors

    def __call__(self, x: float) -> float:
        with np.errstate(divide="ignore"):
            part = float(np.exp(min(self._steepness - np.log(self._gaps + x).sum(), 700.0)))
        if self._errors is not None and self._vectors is not None:
            part += float(
                self._errors @ np.abs(self._vectors @ (self._vectors[0] / (self._gaps + x)))
            )
        return part


def least_eigenvalues(
    products: Products,
    starts: Vector,
    *,
    steps: int,
    delta: float,
    deadline: float = np.inf,
) -> list[Bound]:
    """A `Bound` for each of n symmetric (d, d) matrices, side by side.

    Args:
        products: n vectors at once.
        starts: (n, d) standard normal vectors, drawn after the matrices were fixed.
        steps: the most products with each matrix.
        delta: admitted probability that one `low` is too high.
        deadline: `time.monotonic()` at which the bounds so far are returned.

    Cost: at most `steps` calls of `products`, n d steps^2 / 2 multiplications in the end and about
    10 n d in every step, n d (steps + 1) numbers.
    """
    n, d = starts.shape
    if steps >= d:
        return _whole(products, n, d)
    run = Recurrence(starts / np.linalg.norm(starts, axis=1, keepdims=True), steps)
    tell = STEPS.get()
    for k in range(1, steps + 1):
        run.step(*products(run.last))
        if tell is not None:
            tell(k, steps)
        late = time.monotonic() > deadline
        if late or k == steps or (k % LOOK == 0 and _ended(run, delta)):
            break
    return [_bound(run, i, delta) for i in range(n)]


def _ended(run: Recurrence, delta: float) -> bool:
    """Whether every bound is close to its Ritz value, or stands still.

    A run that is close ends there, whoever goes on beside it: what a worker answers must not
    depend on its company.
    """
    for i in np.flatnonzero(run.going):
        thetas, betas, _ = run.ritz(int(i))
        near = CLOSE * float(thetas[-1] - thetas[0])
        if _Hidden(thetas, betas)(near) <= _least_part(run.d, delta):
            run.end(int(i))
    return not run.going.any()


def _bound(run: Recurrence, i: int, delta: float) -> Bound:
    """What is known of matrix i."""
    if run.lost[i]:
        return Bound(-np.inf, np.inf, np.inf, np.zeros(run.d), run.k)
    thetas, betas, vectors = run.ritz(i)
    low = lower_bound(thetas, betas, run.d, delta, vectors, run.errors(i))
    slack = ROUNDINGS * _EPS * float(np.abs(thetas).max())
    vector = run.combined(i, vectors[:, 0])
    return Bound(low - slack, float(thetas[0]), float(thetas[-1]), vector, run.k)


def _whole(products: Products, n: int, d: int) -> list[Bound]:
    columns, errors = np.empty((n, d, d)), np.empty((n, d))
    for k, e in enumerate(np.eye(d)):
        columns[:, k], errors[:, k] = products(np.repeat(e[None], n, axis=0))
    return [_spectrum(*symmetrised(columns[i], errors[i])) for i in range(n)]


def _spectrum(matrix: Vector, error: float) -> Bound:
    d = len(matrix)
    if not np.isfinite(error):
        return Bound(-np.inf, np.inf, np.inf, np.zeros(d), d)
    values, vectors = np.linalg.eigh(matrix)
    largest = float(np.abs(values).max())
    slack = error
    if largest > 0 or error > 0:  # numbers below _TINY have fewer digits; a zero matrix is exact
        slack += ROUNDINGS * max(_EPS * largest, _TINY)
    return Bound(float(values[0] - slack), float(values[0]), float(values[-1]), vectors[:, 0], d)
