"""Robust regression: not convex, and yet without a saddle in the way (Ghosh et al., 2021).

    F_i(w) = mean_j log(1 + (y_j - x_j'w)^2 / 2),    y = x'w* + noise,  one sample in ten spoilt

A check of rates and of costs. Runs begin at 0; there is nothing to leave, and an optimizer that
looks for saddles pays for it.
"""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.problems.known import KnownProblem
from saddleproof.problems.moments import projections, second_moment_products


class RobustRegression(KnownProblem):
    """Cauchy-like loss on x ~ N(0, I), |w*| = 2; a tenth of the labels are moved by N(0, 100).

    Args:
        workers: m.
        seed: of w* and the data.
        n: samples a worker.
        d: dimension.
    """

    name = "robust_regression"

    def __init__(self, *, workers: int = 20, seed: int = 0, n: int = 500, d: int = 10) -> None:
        super().__init__(d=d, workers=workers, seed=seed, n=n)
        planted = self._rng.standard_normal(d)
        self.planted = 2 * planted / np.linalg.norm(planted)
        self.x = self._rng.standard_normal((workers, n, d))
        spoilt = (
            10 * self._rng.standard_normal((workers, n)) * (self._rng.random((workers, n)) < 0.1)
        )
        self.y = self.x @ self.planted + 0.3 * self._rng.standard_normal((workers, n)) + spoilt
        self.start = np.zeros(d)

    def values_at(self, points: Vector) -> Vector:
        """mean_j log(1 + r_j^2 / 2), r = x'w - y: (q, d) to (q, m)."""
        r = projections(points, self.x) - self.y  # (q, m, n)
        values: Vector = np.log1p(r**2 / 2).mean(axis=2)
        return values

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """mean_j (1 - r_j^2/2) / (1 + r_j^2/2)^2 x_j x_j'v: (d,) and (m, p, d) to (m, p, d)."""
        return second_moment_products(self.x, self._bend(w), vectors)

    def hessian(self, w: Vector) -> Vector:
        """mean (1 - r^2/2) / (1 + r^2/2)^2 xx', over all workers: (d,) to (d, d)."""
        x = self.x.reshape(-1, self.d)
        hessian: Vector = (x.T * self._bend(w).ravel()) @ x / len(x)
        return hessian

    def _gradients(self, points: Vector) -> Vector:
        """mean_j r_j / (1 + r_j^2 / 2) x_j."""
        r = np.einsum("qd,mnd->qmn", points, self.x, optimize=True) - self.y
        pull = r / (1 + r**2 / 2)
        gradients: Vector = np.einsum("qmn,mnd->qmd", pull, self.x, optimize=True)
        gradients /= self.x.shape[1]
        return gradients

    def _bend(self, w: Vector) -> Vector:
        """The second derivative of log(1 + r^2 / 2) at every sample: (d,) to (m, n)."""
        half = (self.x @ w - self.y) ** 2 / 2
        bend: Vector = (1 - half) / (1 + half) ** 2
        return bend
