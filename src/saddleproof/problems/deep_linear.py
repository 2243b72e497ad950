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


class DeepLinear(SaddleProblem):
    """W3 W2 W1, each 3 x 3; w is (W1, W2, W3), each row by row.

    Args:
        workers: m.
        seed: of A and the data.
        n: samples a worker.
    """

    name = "deep_linear"

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

    def values_at(self, points: Vector) -> Vector:
        """<M'M, Sxx_i> / 2 - <M, Syx_i> + mean_j |y_j|^2 / 2, M = W3 W2 W1: (q, 27) to (q, m)."""
        W1, W2, W3 = _layers(points)
        M = W3 @ W2 @ W1  # (q, 3, 3)
        square = (_t(M) @ M).reshape(-1, _LAYER) @ self.xx.reshape(-1, _LAYER).T
        across = M.reshape(-1, _LAYER) @ self.yx.reshape(-1, _LAYER).T
        values: Vector = square / 2 - across + self.yy / 2
        return values

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """The product rule on the gradient's three parts: (27,) and (m, p, 27) to (m, p, 27).

        V1, V2, V3 are the layers of v, and dR_i is the derivative of R_i along it.
        """
        W1, W2, W3 = _layers(w)
        V1, V2, V3 = _layers(vectors)  # (m, p, 3, 3)
        W32, V32 = W3 @ W2, V3 @ W2 + W3 @ V2
        W21, V21 = W2 @ W1, V2 @ W1 + W2 @ V1
        R = (W32 @ W1 @ self.xx - self.yx)[:, None]
        dR = (V32 @ W1 + W32 @ V1) @ self.xx[:, None]
        along_1 = _t(V32) @ R + W32.T @ dR
        along_2 = (_t(V3) @ R + W3.T @ dR) @ W1.T + W3.T @ R @ _t(V1)
        along_3 = dR @ W21.T + R @ _t(V21)
        products: Vector = np.stack([along_1, along_2, along_3], axis=2)
        return products.reshape(vectors.shape)

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
