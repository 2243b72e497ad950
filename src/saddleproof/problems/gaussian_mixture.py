"""A Gaussian mixture with two planted directions, seen through log cosh.

    F_i(w) = |w|^2 / 2 - mean_j log cosh(w'x_j)

Each sample lies at +-2.2 v_1 or +-1.5 v_2, plus noise of deviation .7. The minima point along
v_1; the ridge along v_2 is a saddle, from which v_1 leads down.
"""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.problems.moments import projections, second_moment_products
from saddleproof.problems.saddle import SaddleProblem


class GaussianMixture(SaddleProblem):
    """The mixture in d = 12, starting on the weaker direction's ridge.

    Data are drawn again when Newton's method ends at a point that is no saddle, or far away.

    Args:
        workers: m.
        seed: of the directions and the data.
        n: samples a worker.
    """

    name = "gaussian_mixture"

    def __init__(self, *, workers: int = 20, seed: int = 0, n: int = 300) -> None:
        super().__init__(d=12, workers=workers, seed=seed, n=n)
        self._place_refined(lambda: self._draw(n))

    def _draw(self, n: int) -> Vector:
        """New data; a point on the weaker direction."""
        v = np.linalg.qr(self._rng.standard_normal((self.d, 2)))[0].T
        centres = np.array([2.2 * v[0], -2.2 * v[0], 1.5 * v[1], -1.5 * v[1]])
        which = self._rng.integers(4, size=(self.m, n))
        self.x = centres[which] + 0.7 * self._rng.standard_normal((self.m, n, self.d))
        ridge: Vector = 0.8 * v[1]
        return ridge

    def values_at(self, points: Vector) -> Vector:
        """|w|^2 / 2 - mean_j log cosh(w'x_j): (q, d) to (q, m)."""
        t = projections(points, self.x)
        log_cosh = np.logaddexp(t, -t) - np.log(2)
        square = (points**2).sum(axis=1, keepdims=True)
        values: Vector = square / 2 - log_cosh.mean(axis=2)
        return values

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """v - mean_j (1 - tanh(w'x_j)^2) x_j x_j'v: (d,) and (m, p, d) to (m, p, d)."""
        bend = 1 - np.tanh(self.x @ w) ** 2
        return vectors - second_moment_products(self.x, bend, vectors)

    def hessian(self, w: Vector) -> Vector:
        """I - mean (1 - tanh(w'x)^2) xx', over all workers: (d,) to (d, d)."""
        x = self.x.reshape(-1, self.d)
        hessian: Vector = np.eye(self.d) - (x.T * (1 - np.tanh(x @ w) ** 2)) @ x / len(x)
        return hessian

    def _gradients(self, points: Vector) -> Vector:
        """w - mean_j tanh(w'x_j) x_j."""
        n = self.x.shape[1]
        t = self.x.reshape(-1, self.d) @ points.T  # (m n, q)
        np.tanh(t, out=t)
        means = self.x.transpose(0, 2, 1) @ t.reshape(self.m, n, -1) / n  # (m, d, q)
        gradients: Vector = points[:, None, :] - means.transpose(2, 0, 1)
        return gradients
