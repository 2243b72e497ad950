"""Phase retrieval: a signal from magnitudes (Sun, Qu and Wright, 2018).

    y = (a'x)^2, |x| = 1, a ~ N(0, I):    F_i(w) = mean_j ((a_j'w)^2 - y_j)^2 / 8

In the population every w orthogonal to x with |w|^2 = 1/3 is a saddle, with curvature -1 along x.
Finite samples keep a few points of that sphere: descent among the w orthogonal to x finds one, and
Newton's method makes it exact.
"""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.problems.known import descend
from saddleproof.problems.moments import CubicForm, projections, second_moment_products
from saddleproof.problems.saddle import SaddleProblem


class Phase(SaddleProblem):
    """Phase retrieval in d = 10, starting orthogonal to the signal.

    Data are drawn again when Newton's method ends at a point that is no saddle, or far away.

    Args:
        workers: m.
        seed: of the signal and the data.
        n: samples a worker.
    """

    name = "phase"

    def __init__(self, *, workers: int = 20, seed: int = 0, n: int = 1000) -> None:
        super().__init__(d=10, workers=workers, seed=seed, n=n)
        self._place_refined(lambda: self._draw(n))

    def _draw(self, n: int) -> Vector:
        """New data; the lowest point among the w orthogonal to x, near a random one."""
        frame = np.linalg.qr(self._rng.standard_normal((self.d, self.d)))[0].T
        self.x = frame[0]
        self.a = self._rng.standard_normal((self.m, n, self.d))
        self.y = (self.a @ self.x) ** 2  # (m, n)
        self._cubes = CubicForm(self.a)
        Y = (self.a * self.y[..., None]).transpose(0, 2, 1) @ self.a / n  # mean y aa'
        self._wide = np.hstack(list(Y))  # (d, m d)
        return descend(self, frame[1] / np.sqrt(3), frame[1:])

    def values_at(self, points: Vector) -> Vector:
        """mean_j ((a_j'w)^2 - y_j)^2 / 8: (q, d) to (q, m)."""
        residuals = projections(points, self.a) ** 2 - self.y  # (q, m, n)
        values: Vector = (residuals**2).mean(axis=2) / 8
        return values

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """mean_j (3 (a_j'w)^2 - y_j) a_j a_j'v / 2: (d,) and (m, p, d) to (m, p, d)."""
        bend = (3 * (self.a @ w) ** 2 - self.y) / 2
        return second_moment_products(self.a, bend, vectors)

    def hessian(self, w: Vector) -> Vector:
        """mean (3 (a'w)^2 - y) aa' / 2, over all workers: (d,) to (d, d)."""
        a, y = self.a.reshape(-1, self.d), self.y.ravel()
        hessian: Vector = (a.T * (3 * (a @ w) ** 2 - y)) @ a / (2 * len(a))
        return hessian

    def _gradients(self, points: Vector) -> Vector:
        """mean_j ((a_j'w)^3 - y_j a_j'w) a_j / 2."""
        cubes = self._cubes(points)
        gradients: Vector = (cubes - (points @ self._wide).reshape(cubes.shape)) / 2
        return gradients
