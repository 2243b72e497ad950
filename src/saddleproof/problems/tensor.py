"""Tensor decomposition: independent components from fourth moments (Ge et al., 2015).

    x = Qz, z Rademacher, Q orthogonal:    F_i(w) = mean_j (w'x_j)^4 / 4 - |w|^2 / 2

Without noise the minima are the columns of Q up to sign and scale, and (q_1 + q_2) / 2 is a
saddle between two of them.
"""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.problems.known import newton
from saddleproof.problems.moments import CubicForm, projections, second_moment_products
from saddleproof.problems.saddle import SaddleProblem


class Tensor(SaddleProblem):
    """ICA in d = 8, starting at the mixture of two components.

    Args:
        workers: m.
        seed: of Q and the data.
        n: samples a worker.
    """

    name = "tensor"

    def __init__(self, *, workers: int = 20, seed: int = 0, n: int = 400) -> None:
        super().__init__(d=8, workers=workers, seed=seed, n=n)
        Q = np.linalg.qr(self._rng.standard_normal((8, 8)))[0]
        z = self._rng.choice([-1.0, 1.0], size=(workers, n, 8))
        self.x = z @ Q.T  # (m, n, d)
        self._cubes = CubicForm(self.x)
        self._place(newton(self, (Q[:, 0] + Q[:, 1]) / 2))

    def values_at(self, points: Vector) -> Vector:
        """mean_j (w'x_j)^4 / 4 - |w|^2 / 2: (q, d) to (q, m)."""
        fourth = (projections(points, self.x) ** 4).mean(axis=2)
        values: Vector = fourth / 4 - (points**2).sum(axis=1, keepdims=True) / 2
        return values

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """3 mean_j (w'x_j)^2 x_j x_j'v - v: (d,) and (m, p, d) to (m, p, d)."""
        return second_moment_products(self.x, 3 * (self.x @ w) ** 2, vectors) - vectors

    def hessian(self, w: Vector) -> Vector:
        """3 mean (w'x)^2 xx' - I, over all workers: (d,) to (d, d)."""
        x = self.x.reshape(-1, self.d)
        hessian: Vector = 3 * (x.T * (x @ w) ** 2) @ x / len(x) - np.eye(self.d)
        return hessian

    def _gradients(self, points: Vector) -> Vector:
        """mean_j (w'x_j)^3 x_j - w."""
        return self._cubes(points) - points[:, None, :]
