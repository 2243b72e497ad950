"""A deep linear network: three layers, one direction not yet learnt.

    F_i(W) = mean_j |W3 W2 W1 x_j - y_j|^2 / 2,    y = A x + .2 noise, pooled x whitened

With the singular value decomposition of the pooled least-squares map, the product of layers that
carry its first channel alone is a critical point whatever else W1 holds: the second channel is
alive in W1, of size .6, and dead in W2 and W3. Growing W2 and W3 together lowers F: curvature
-.6 * .8. No worker's gradient points that way at the saddle, so that robust gradient descent leaves
as well, slowly.
"""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.problems.saddle import SaddleProblem

SIDE = 3
_LAYER = SIDE * SIDE


class DeepLin(SaddleProblem):
    """W3 W2 W1, each 3 x 3; w is (W1, W2, W3), each row by row.

    Args:
        workers: m.
        seed: of A and the data.
        n: samples a worker.
    """

    name = "deeplin"

    def __init__(self, *, workers: int = 20, seed: int = 0, n: int = 300) -> None:
        super().__init__(d=3 * _LAYER, workers=workers, seed=seed, n=n)
        left, right = np.linalg.qr(self._rng.standard_normal((2, SIDE, SIDE)))[0]
        A = left * [1.0, 0.8, 0.0] @ right.T
        x = _whitened(self._rng.standard_normal((workers, n, SIDE)))
        y = x @ A.T + 0.2 * self._rng.standard_normal((workers, n, SIDE))
        # All that F_i needs of the data.
        self.xx = x.transpose(0, 2, 1) @ x / n  # (m, 3, 3)
        self.yx = y.transpose(0, 2, 1) @ x / n  # (m, 3, 3)
        self.yy = (y**2).sum(axis=2).mean(axis=1)  # (m,)
        self._wide_xx = np.hstack(list(self.xx))  # (3, m 3)
        self._wide_yx = np.hstack(list(self.yx))
        u, s, vt = np.linalg.svd(self.yx.mean(axis=0))
        alive = np.cbrt(s[0])
        first = np.diag([alive, 0.0, 0.0])
        W1, W2, W3 = np.diag([alive, 0.6, 0.0]) @ vt, first, u @ first
        self._place(np.concatenate([W1.ravel(), W2.ravel(), W3.ravel()]))

    def values(self, w: Vector) -> Vector:
        """mean_j |W3 W2 W1 x_j - y_j|^2 / 2: (27,) to (m,)."""
        W1, W2, W3 = _layers(w)
        M = W3 @ W2 @ W1
        square = np.einsum("ab,mbc,ac->m", M, self.xx, M)
        values: Vector = square / 2 - (self.yx * M).sum(axis=(1, 2)) + self.yy / 2
        return values

    def hessian(self, w: Vector) -> Vector:
        """J'(I (x) Sxx) J + the second derivatives of the product against R: to (27, 27)."""
        W1, W2, W3 = _layers(w)
        xx = self.xx.mean(axis=0)
        R = W3 @ W2 @ W1 @ xx - self.yx.mean(axis=0)
        eye = np.eye(SIDE)
        # vec(P W Q) = (P (x) Q') vec(W), row by row.
        J = np.hstack([np.kron(W3 @ W2, eye), np.kron(W3, W1.T), np.kron(eye, (W2 @ W1).T)])
        hessian = J.T @ np.kron(eye, xx) @ J
        # d^2 <R, W3 W2 W1> for each pair of layers, index order (a, b) of one and (c, d) of the
        # other.
        blocks = {
            (0, 1): np.einsum("ij,ic,da->ajcd", R, W3, eye).reshape(_LAYER, _LAYER),
            (0, 2): np.einsum("cj,da->ajcd", R, W2).reshape(_LAYER, _LAYER),
            (1, 2): np.einsum("cj,bj,da->abcd", R, W1, eye).reshape(_LAYER, _LAYER),
        }
        for layers, block in blocks.items():
            rows, columns = (slice(_LAYER * i, _LAYER * (i + 1)) for i in layers)
            hessian[rows, columns] += block
            hessian[columns, rows] += block.T
        return hessian

    def _gradients(self, points: Vector) -> Vector:
        """(W3 W2)'R_i, W3'R_i W1', R_i (W2 W1)' with R_i = W3 W2 W1 Sxx_i - Syx_i."""
        q = len(points)
        W1, W2, W3 = _layers(points)
        # All workers' R_i side by side, (q, 3, m 3): one product from the left serves them all.
        # Read as (q, 3 m, 3), the rows of them all, one product from the right does.
        R = W3 @ W2 @ W1 @ self._wide_xx - self._wide_yx

        def times(matrices: Vector, right: Vector) -> Vector:
            return (matrices.reshape(q, -1, SIDE) @ _t(right)).reshape(R.shape)

        parts = (_t(W3 @ W2) @ R, times(_t(W3) @ R, W1), times(R, W2 @ W1))
        gradients: Vector = np.stack(parts, axis=1).reshape(q, 3, SIDE, self.m, SIDE)
        return gradients.transpose(0, 3, 1, 2, 4).reshape(q, self.m, self.d)


def _layers(w: Vector) -> tuple[Vector, Vector, Vector]:
    """W1, W2, W3 of (..., 27) parameters, each (..., 3, 3)."""
    W = w.reshape(*w.shape[:-1], 3, SIDE, SIDE)
    return W[..., 0, :, :], W[..., 1, :, :], W[..., 2, :, :]


def _t(matrices: Vector) -> Vector:
    return matrices.swapaxes(-1, -2)


def _whitened(x: Vector) -> Vector:
    """x, (m, n, 3), with pooled second moment I."""
    rows = x.reshape(-1, SIDE)
    factor = np.linalg.cholesky(rows.T @ rows / len(rows))
    whitened: Vector = np.linalg.solve(factor, rows.T).T.reshape(x.shape)
    return whitened
