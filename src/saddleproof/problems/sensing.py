"""Matrix sensing: a low-rank matrix from linear measurements (Bhojanapalli et al., 2016).

    y = <A, M> + .1 noise:    F_i(U) = mean_j (<A_j, UU'> - y_j)^2 / 2,    U in R^{8 x 2}

A is symmetric Gaussian with E <A, X>^2 = |X|_F^2; M has rank 2 and eigenvalues 1 and .8. At the
saddle one column of U is 0, and there every worker's gradient is 0 along the way out: liars find
nothing to hide behind, and plain robust gradient descent leaves as well.
"""

from __future__ import annotations

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.problems.known import newton
from saddleproof.problems.saddle import SaddleProblem

SIDE, RANK = 8, 2


class Sensing(SaddleProblem):
    """Matrix sensing, starting at the best matrix of too low a rank; w is U, row by row.

    Args:
        workers: m.
        seed: of M and the data.
        n: measurements a worker.
        alive: columns of U that are not 0 at the saddle: 1, or 0 for the saddle U = 0.
    """

    name = "sensing"

    def __init__(self, *, workers: int = 20, seed: int = 0, n: int = 1000, alive: int = 1) -> None:
        if arguments.whole(f"{self.name}: alive", alive) > 1:
            raise OptionError(f"sensing has its saddles with 0 or 1 columns alive; got {alive}")
        super().__init__(d=SIDE * RANK, workers=workers, seed=seed, n=n)
        V = np.linalg.qr(self._rng.standard_normal((SIDE, RANK)))[0]
        M = V * [1.0, 0.8] @ V.T
        G = self._rng.standard_normal((workers, n, SIDE, SIDE))
        A = ((G + G.transpose(0, 1, 3, 2)) / 2).reshape(workers, n, -1)  # (m, n, 64)
        y = A @ M.ravel() + 0.1 * self._rng.standard_normal((workers, n))
        # All that F_i needs of the data: mean aa', mean ya and mean y^2, with a = vec(A).
        self.K = A.transpose(0, 2, 1) @ A / n  # (m, 64, 64)
        self.c = (y[:, None, :] @ A)[:, 0] / n  # (m, 64)
        self.yy = (y**2).mean(axis=1)  # (m,)
        self._wide = np.hstack(list(self.K))  # (64, m 64)
        U = np.zeros((SIDE, RANK))
        U[:, :alive] = V[:, :alive]
        self._place(newton(self, U.ravel()))

    def values_at(self, points: Vector) -> Vector:
        """mean_j (<A_j, UU'> - y_j)^2 / 2: (q, 16) to (q, m)."""
        P = _gram(points)  # (q, 64)
        KP = (P @ self._wide).reshape(len(P), self.m, -1)
        square = (KP * P[:, None, :]).sum(axis=2)
        values: Vector = square / 2 - P @ self.c.T + self.yy / 2
        return values

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """2 R_i V + 2 mean_j <A_j, UV' + VU'> A_j U: (16,) and (m, p, 16) to (m, p, 16)."""
        m, p, _ = vectors.shape
        U, V = w.reshape(SIDE, RANK), vectors.reshape(m, p, SIDE, RANK)
        R = (self.K @ _gram(w[None])[0] - self.c).reshape(m, 1, SIDE, SIDE)
        UV = U @ V.swapaxes(2, 3)  # (m, p, 8, 8)
        dR = (UV + UV.swapaxes(2, 3)).reshape(m, p, -1) @ self.K
        products: Vector = 2 * (R @ V + dR.reshape(m, p, SIDE, SIDE) @ U)
        return products.reshape(vectors.shape)

    def hessian(self, w: Vector) -> Vector:
        """4 mean vec(AU) vec(AU)' + 2 R (x) I with R = mean (<A, UU'> - y) A: to (16, 16)."""
        U = w.reshape(SIDE, RANK)
        K = self.K.mean(axis=0)
        R = (K @ _gram(w[None])[0] - self.c.mean(axis=0)).reshape(SIDE, SIDE)
        square = np.einsum("iajb,ak,bl->ikjl", K.reshape((SIDE,) * 4), U, U)
        hessian: Vector = 4 * square.reshape(self.d, self.d) + 2 * np.kron(R, np.eye(RANK))
        return hessian

    def _gradients(self, points: Vector) -> Vector:
        """2 R_i U with R_i = mean_j (<A_j, UU'> - y_j) A_j."""
        q = len(points)
        R = (_gram(points) @ self._wide).reshape(q, self.m, -1) - self.c
        gradients: Vector = 2 * R.reshape(q, -1, SIDE) @ points.reshape(q, SIDE, RANK)
        return gradients.reshape(q, self.m, self.d)


def _gram(points: Vector) -> Vector:
    """vec(UU') of (q, 16) points: (q, 64)."""
    U = points.reshape(-1, SIDE, RANK)
    return (U @ U.transpose(0, 2, 1)).reshape(len(points), -1)
