"""Logistic regression with a regulariser that is not convex, on real data.

    F_i(w) = mean_j log(1 + exp(-y_j x_j'w)) + decay sum_k w_k^2 / (1 + w_k^2)

The Wisconsin breast cancer data, 569 tumours with 30 standardised features, dealt out over the
workers. The regulariser bends down for |w_k| > 1/sqrt 3, but no saddle lies between the start, 0,
and the minimum below it: a check of what plain robust descent can do where it is enough.
"""

from __future__ import annotations

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.errors import MissingExtraError, OptionError
from saddleproof.problems.known import KnownProblem
from saddleproof.problems.moments import projections, second_moment_products


class Logistic(KnownProblem):
    """Benign or malignant, d = 30, from w = 0.

    Args:
        workers: m; each gets 569 // m tumours.
        seed: of the shuffle that deals them out.
        decay: weight of the regulariser, >= 0.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        OptionError: more workers than tumours, or a negative decay.
    """

    name = "logistic"

    def __init__(self, *, workers: int = 20, seed: int = 0, decay: float = 0.1) -> None:
        super().__init__(d=30, workers=workers, seed=seed)
        decay = arguments.real(f"{self.name}: decay", decay, least=0)
        features, label = _tumours()
        n = len(features) // workers
        if n == 0:
            raise OptionError(f"logistic has {len(features)} tumours; got {workers} workers")
        rows = self._rng.permutation(len(features))[: n * workers]
        signed = features * np.where(label == 1, 1.0, -1.0)[:, None]
        self.yx = signed[rows].reshape(workers, n, self.d)  # y_j x_j
        self.decay = decay
        self.start = np.zeros(self.d)

    def values_at(self, points: Vector) -> Vector:
        """F_i at every point: (q, 30) to (q, m)."""
        penalty = self.decay * (points**2 / (1 + points**2)).sum(axis=1, keepdims=True)
        losses = np.logaddexp(0, -projections(points, self.yx))  # (q, m, n)
        values: Vector = losses.mean(axis=2) + penalty
        return values

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """mean_j p (1 - p) x_j x_j'v + the penalty's: (30,) and (m, p, 30) to (m, p, 30)."""
        p = _logistic(self.yx @ w)
        products = second_moment_products(self.yx, p * (1 - p), vectors)
        return products + self._bend(w) * vectors

    def hessian(self, w: Vector) -> Vector:
        """mean p (1 - p) xx' + the penalty's: (30,) to (30, 30)."""
        yx = self.yx.reshape(-1, self.d)
        p = _logistic(yx @ w)
        hessian: Vector = (yx.T * (p * (1 - p))) @ yx / len(yx) + np.diag(self._bend(w))
        return hessian

    def _gradients(self, points: Vector) -> Vector:
        """-mean_j p(-y_j x_j'w) y_j x_j + 2 decay w / (1 + w^2)^2."""
        p = _logistic(-np.einsum("qd,mnd->qmn", points, self.yx, optimize=True))
        pull = np.einsum("qmn,mnd->qmd", p, self.yx, optimize=True) / self.yx.shape[1]
        penalty = 2 * self.decay * points / (1 + points**2) ** 2
        gradients: Vector = penalty[:, None, :] - pull
        return gradients

    def _bend(self, w: Vector) -> Vector:
        """The penalty's second derivatives, 2 decay (1 - 3 w^2) / (1 + w^2)^3: (30,)."""
        bend: Vector = 2 * self.decay * (1 - 3 * w**2) / (1 + w**2) ** 3
        return bend


def _logistic(t: Vector) -> Vector:
    """1 / (1 + exp(-t)), without overflow."""
    return np.exp(-np.logaddexp(0, -t))


def _tumours() -> tuple[Vector, Vector]:
    """(569, 30) standardised features, and 1 for benign."""
    try:
        from sklearn.datasets import load_breast_cancer
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "data") from error
    data = load_breast_cancer()
    features = data.data
    standard: Vector = (features - features.mean(axis=0)) / features.std(axis=0)
    return standard, data.target
