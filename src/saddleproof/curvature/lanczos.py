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

**Errors.** Products that are wrong by e each belong to a matrix that is off by at most 2 sqrt(k) e.
With exact products of a symmetric matrix q_i'A q_j vanishes for i < j - 1. What is measured there
instead is an error of the products too, and counts as one.

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

#: n vectors at once, one for each of n matrices: (n, d) to (n, d) products and (n,) errors.
Products = Callable[[Vector], tuple[Vector, Vector]]
#: Told after every step: how many are done, and how many there are at most. For a progress bar.
STEPS: ContextVar[Callable[[int, int], None] | None] = ContextVar("STEPS", default=None)
#: Steps between two looks at the bound, and the share of the spread at which it is good enough.
LOOK, CLOSE = 5, 0.002
#: Rounding errors of the recurrence, in units of the last place of the largest Ritz value.
ROUNDINGS = 16.0
_EPS = float(np.finfo(float).eps)


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


def lower_bound(thetas: Vector, betas: Vector, d: int, delta: float) -> float:
    """The root t < theta_1 of prod_j (theta_j - t) = prod_j beta_j / delta_0.

    Args:
        thetas: (k,) Ritz values in ascending order.
        betas: (k,) off-diagonal entries, the norm of the last residual included.
        d: dimension.
        delta: admitted probability of a bound that is too high.

    One step on a matrix of size 2: theta - t = beta / delta_0.

    >>> round(lower_bound(np.array([1.0]), np.array([0.5]), 2, 0.5), 4)
    -0.1284
    """
    if not betas.all():  # an invariant subspace: it holds lambda_min, but for a null set of starts
        return float(thetas[0])
    goal = float(np.log(betas).sum()) - np.log(delta * np.sqrt(np.pi / (2 * d)))
    spread = max(float(thetas[-1] - thetas[0]), float(betas.max()))

    def height(x: float) -> float:
        return float(np.log(thetas - thetas[0] + x).sum())

    near, far = 0.0, spread
    while height(far) < goal:
        near, far = far, 2 * far
    for _ in range(80):
        middle = near + (far - near) / 2
        near, far = (middle, far) if height(middle) < goal else (near, middle)
    return float(thetas[0] - far)


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

    Cost: at most `steps` calls of `products`, n d steps^2 multiplications, n d steps numbers.
    """
    n, d = starts.shape
    if steps >= d:
        return _whole(products, n, d)
    run = _Run(starts / np.linalg.norm(starts, axis=1, keepdims=True), steps)
    tell = STEPS.get()
    for k in range(1, steps + 1):
        run.step(*products(run.last))
        if tell is not None:
            tell(k, steps)
        late = time.monotonic() > deadline
        if late or k == steps or (k % LOOK == 0 and run.done(delta)):
            break
    return [run.bound(i, delta) for i in range(n)]


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
    slack = error + ROUNDINGS * _EPS * float(np.abs(values).max())
    return Bound(float(values[0] - slack), float(values[0]), float(values[-1]), vectors[:, 0], d)


class _Run:
    """Lanczos with full reorthogonalisation for n matrices; rows that broke down stand still."""

    def __init__(self, starts: Vector, steps: int) -> None:
        n, d = starts.shape
        self.basis = np.empty((n, steps, d))
        self.last = starts
        self.k = 0
        self.alpha, self.beta = np.zeros((n, steps)), np.zeros((n, steps))
        self.error = np.zeros(n)  # of one product, the largest so far
        self.size = np.full(n, steps)  # steps until the space was invariant
        self.lost = np.zeros(n, dtype=bool)

    @np.errstate(over="ignore", invalid="ignore")
    def step(self, image: Vector, error: Vector) -> None:
        """Take in the products with `last`."""
        k = self.k
        self.basis[:, k] = self.last
        basis = self.basis[:, : k + 1]
        going = self.size > k
        self.lost |= going & ~(np.isfinite(image).all(axis=1) & np.isfinite(error))
        image = np.where(self.lost[:, None], 0.0, image)
        parts = _dots(basis, image)  # (n, k + 1)
        self.alpha[:, k] = np.where(going, parts[:, k], 0.0)
        # Of a symmetric matrix only the last two parts differ from zero, and one is known.
        expected = parts.copy()
        expected[:, :k] = 0.0
        if k:
            expected[:, k - 1] = self.beta[:, k - 1]
        wrong = np.linalg.norm(parts - expected, axis=1)
        self.error = np.maximum(self.error, np.where(going, np.maximum(error, wrong), 0.0))
        rest = image - _combined(parts, basis)
        rest -= _combined(_dots(basis, rest), basis)
        beta = np.linalg.norm(rest, axis=1)
        scale = np.abs(self.alpha[:, : k + 1]).max(axis=1) + self.beta[:, : k + 1].max(axis=1)
        over = going & (beta <= 4 * _EPS * np.sqrt(k + 1) * scale + np.finfo(float).tiny)
        self.size = np.where(over, k + 1, self.size)
        self.beta[:, k] = np.where(going & ~over, beta, 0.0)
        self.last = np.where(
            (going & ~over)[:, None], rest / np.where(beta > 0, beta, 1.0)[:, None], 0.0
        )
        self.k = k + 1

    def done(self, delta: float) -> bool:
        """Whether every bound is close to its Ritz value, or stands still.

        A run that is close ends there, whoever goes on beside it: what a worker answers must not
        depend on its company.
        """
        for i in np.flatnonzero(~self.lost & (self.size > self.k)):
            thetas, betas, _ = self._ritz(i)
            low = lower_bound(thetas, betas, self.last.shape[1], delta)
            if thetas[0] - low <= CLOSE * (thetas[-1] - thetas[0]):
                self.size[i] = self.k
        return bool((self.lost | (self.size <= self.k)).all())

    def bound(self, i: int, delta: float) -> Bound:
        """What is known of matrix i."""
        d = self.last.shape[1]
        if self.lost[i]:
            return Bound(-np.inf, np.inf, np.inf, np.zeros(d), self.k)
        thetas, betas, lowest = self._ritz(i)
        vector = lowest @ self.basis[i, : len(lowest)]
        norm = float(np.linalg.norm(vector))
        largest = float(np.abs(thetas).max())
        slack = 2 * np.sqrt(len(thetas)) * (self.error[i] + ROUNDINGS * _EPS * largest)
        low = lower_bound(thetas, betas, d, delta) - slack
        return Bound(low, float(thetas[0]), float(thetas[-1]), vector / norm, self.k)

    def _ritz(self, i: int) -> tuple[Vector, Vector, Vector]:
        from scipy.linalg import eigh_tridiagonal

        k = min(self.k, int(self.size[i]))
        thetas, vectors = eigh_tridiagonal(self.alpha[i, :k], self.beta[i, : k - 1])
        return thetas, self.beta[i, :k], vectors[:, 0]


def _dots(basis: Vector, x: Vector) -> Vector:
    """(n, k, d) and (n, d) to (n, k)."""
    found: Vector = np.matmul(basis, x[:, :, None])[:, :, 0]
    return found


def _combined(parts: Vector, basis: Vector) -> Vector:
    """(n, k) and (n, k, d) to (n, d)."""
    found: Vector = np.matmul(parts[:, None, :], basis)[:, 0]
    return found
