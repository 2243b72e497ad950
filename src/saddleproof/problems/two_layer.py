"""A small network on real images, with all its weights at 0 (a saddle, and one nobody can hide).

    f(w; x, y) = (v' tanh(Wx) - y)^2 / 2 + (decay / 2) |w|^2,    W in R^{k x 10},  v in R^k

The digits 0 to 4 against 5 to 9, y = -1 and 1. At w = 0 every worker's gradient is 0, whatever its
data, and the Hessian is not: with c = mean y x it is [[decay, -c'], [-c, decay]] for each hidden
unit, with lowest eigenvalue decay - |c|. Nearby, honest messages and what they disagree about grow
alike with the distance, so that liars gain no ground as the saddle comes closer: what decides is
how far the workers' c_i differ, and this row is for honesty, not for show.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.problems.digits import principal_scores
from saddleproof.problems.known import descend, newton
from saddleproof.problems.saddle import SaddleProblem

INPUTS = 10


class TwoLayer(SaddleProblem):
    """tanh units between 10 principal components of the digits and one output, from w = 0.

    Args:
        workers: m; each gets 1797 // m images.
        seed: of the shuffle that deals the images out.
        hidden: k, units; d = 11 k, W row by row and then v.
        decay: of the weights, >= 0.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        OptionError: more workers than images, or a decay that leaves no saddle.
    """

    name = "two_layer"

    def __init__(
        self, *, workers: int = 20, seed: int = 0, hidden: int = 4, decay: float = 1e-2
    ) -> None:
        hidden = arguments.whole(f"{self.name}: hidden", hidden, least=1)
        decay = arguments.real(f"{self.name}: decay", decay, least=0)
        super().__init__(d=(INPUTS + 1) * hidden, workers=workers, seed=seed, hidden=hidden)
        scores, digit = principal_scores(INPUTS)
        n = len(scores) // workers
        if n == 0:
            raise OptionError(f"two_layer has {len(scores)} images; got {workers} workers")
        rows = self._rng.permutation(len(scores))[: n * workers]
        self.x = (scores / scores.std())[rows].reshape(workers, n, INPUTS)
        self.y = np.where(digit > 4, 1.0, -1.0)[rows].reshape(workers, n)
        self.hidden, self.decay = hidden, decay
        steepest = np.linalg.norm((self.x * self.y[..., None]).mean(axis=(0, 1)))
        if not decay < steepest:
            raise OptionError(
                f"two_layer has its saddle for decay in [0, {steepest:.3g}); got {decay}"
            )
        self._place(np.zeros(self.d))

    @cached_property
    def minimum(self) -> Vector:
        """Below random weights of size 1/2. Straight down from the saddle all units stay alike."""
        weights = 0.5 * np.random.default_rng(0).standard_normal(self.d)
        return newton(self, descend(self, weights))

    def values_at(self, points: Vector) -> Vector:
        """F_i at every point: (q, d) to (q, m)."""
        W, v = self._layers(points)  # (q, k, 10), (q, k)
        t = np.tanh(self.x @ W.swapaxes(1, 2)[:, None])  # (q, m, n, k)
        residual = (t @ v[:, None, :, None])[..., 0] - self.y  # (q, m, n)
        square = (points**2).sum(axis=1, keepdims=True)
        values: Vector = (residual**2).mean(axis=2) / 2 + self.decay * square / 2
        return values

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """The product rule on the gradient: (d,) and (m, p, d) to (m, p, d).

        dt, dslope and dresidual are the derivatives of tanh(Wx), of tanh'(Wx) and of the residual
        along a vector.
        """
        W, v = self._layers(w)
        dW, dv = self._layers(vectors)  # (m, p, k, 10), (m, p, k)
        n, x = self.x.shape[1], self.x[:, None]  # (m, 1, n, 10)
        t = np.tanh(x @ W.T)  # (m, 1, n, k)
        slope = 1 - t**2
        residual = (t @ v - self.y[:, None])[..., None] / n  # (m, 1, n, 1)
        dt = slope * (x @ dW.swapaxes(2, 3))  # (m, p, n, k)
        dslope = -2 * t * dt
        dresidual = (dt @ v[:, None] + t @ dv[..., None]) / n  # (m, p, n, 1)
        pull = dresidual * slope * v + residual * (dslope * v + slope * dv[:, :, None])
        along_W = pull.swapaxes(2, 3) @ x  # (m, p, k, 10)
        along_v = (dresidual * t + residual * dt).sum(axis=2)  # (m, p, k)
        products = np.concatenate([along_W.reshape(*dv.shape[:2], -1), along_v], axis=2)
        return products + self.decay * vectors

    def hessian(self, w: Vector) -> Vector:
        """mean (J'J + residual * second derivatives of the output) + decay I: to (d, d)."""
        W, v = self._layers(w)
        k, x, y = self.hidden, self.x.reshape(-1, INPUTS), self.y.ravel()
        t = np.tanh(x @ W.T)  # (N, k)
        slope = 1 - t**2
        residual = (t @ v - y)[:, None]
        J = np.hstack([((v * slope)[:, :, None] * x[:, None, :]).reshape(len(x), -1), t])
        hessian: Vector = J.T @ J / len(x) + self.decay * np.eye(self.d)
        bends = residual * -2 * v * t * slope  # residual d^2 / d(W_k x)^2
        crosses = (residual * slope).T @ x / len(x)  # residual d^2 / dv_k dW_k: (k, 10)
        for unit in range(k):
            own, out = slice(INPUTS * unit, INPUTS * (unit + 1)), INPUTS * k + unit
            hessian[own, own] += (x.T * bends[:, unit]) @ x / len(x)
            hessian[own, out] += crosses[unit]
            hessian[out, own] += crosses[unit]
        return hessian

    def _gradients(self, points: Vector) -> Vector:
        """mean_j residual (v_k tanh'(W_k x) x, tanh(Wx)) + decay w, one point after the other."""
        return np.stack([self._gradient(w) for w in points], axis=0)

    def _gradient(self, w: Vector) -> Vector:
        """(d,) to (m, d)."""
        W, v = self._layers(w)
        n = self.x.shape[1]
        t = np.tanh(self.x @ W.T)  # (m, n, k)
        residual = (t @ v - self.y)[..., None] / n  # (m, n, 1)
        along_W = (residual * (1 - t**2) * v).transpose(0, 2, 1) @ self.x  # (m, k, 10)
        along_v = (residual * t).sum(axis=1)  # (m, k)
        gradient = np.concatenate([along_W.reshape(self.m, -1), along_v], axis=1)
        return gradient + self.decay * w

    def _layers(self, w: Vector) -> tuple[Vector, Vector]:
        """W (..., k, 10) and v (..., k) of (..., d) parameters."""
        split = INPUTS * self.hidden
        W = w[..., :split].reshape(*w.shape[:-1], self.hidden, INPUTS)
        return W, w[..., split:]
