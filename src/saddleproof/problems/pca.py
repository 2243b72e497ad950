"""Principal components of the scikit-learn digits: every eigenvector is a critical point.

    F_i(w) = |w|^4 / 4 - w'S_i w / 2,    grad F_i = (w'w) w - S_i w

sqrt(lambda_k) v_k is critical for each eigenpair of the pooled S; the minima are +-sqrt(lambda_1)
v_1, and all others are strict saddles (lambda_min = lambda_k - lambda_1).
"""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import MissingExtraError, OptionError
from saddleproof.problems.saddle import SaddleProblem


class PCADigits(SaddleProblem):
    """PCA of 1797 real images over the workers, starting at the 10th eigenvector.

    Args:
        components: d, the first principal components that are kept, 10..64.
        workers: m; each gets 1797 // m images.
        seed: of the shuffle that deals the images out.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        OptionError: fewer than 10 components, or more workers than images.
    """

    name = "pca_digits"

    def __init__(self, *, components: int = 20, workers: int = 20, seed: int = 0) -> None:
        if not 10 <= components <= 64:
            raise OptionError(
                f"pca_digits starts at the 10th of at most 64 components; got {components}"
            )
        super().__init__(d=components, workers=workers, seed=seed)
        scores = _principal_scores(components)  # (1797, d)
        n = len(scores) // workers
        if n == 0:
            raise OptionError(f"pca_digits has {len(scores)} images; got {workers} workers")
        rows = self._rng.permutation(len(scores))[: n * workers]
        shards = scores[rows].reshape(workers, n, components)
        S = shards.transpose(0, 2, 1) @ shards / n  # (m, d, d)
        self.S = S / np.linalg.eigvalsh(S.mean(axis=0))[-1]  # lambda_1 = 1
        self._wide = np.hstack(list(self.S))  # (d, m d)
        eigenvalues, vectors = np.linalg.eigh(self.S.mean(axis=0))
        self._place(np.sqrt(eigenvalues[-10]) * vectors[:, -10])

    def values(self, w: Vector) -> Vector:
        """|w|^4 / 4 - w'S_i w / 2: (d,) to (m,)."""
        values: Vector = (w @ w) ** 2 / 4 - w @ self.S @ w / 2
        return values

    def hessian(self, w: Vector) -> Vector:
        """(w'w) I + 2 ww' - S: (d,) to (d, d)."""
        hessian: Vector = (w @ w) * np.eye(self.d) + 2 * np.outer(w, w) - self.S.mean(axis=0)
        return hessian

    def _gradients(self, points: Vector) -> Vector:
        """(w'w) w - S_i w."""
        common = (points**2).sum(axis=1, keepdims=True) * points
        products = (points @ self._wide).reshape(len(points), self.m, self.d)
        gradients: Vector = common[:, None, :] - products
        return gradients


def _principal_scores(components: int) -> Vector:
    """The digits, pixels / 16 and centred, in their first principal components."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "data") from error
    pixels = load_digits().data / 16
    centred = pixels - pixels.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    scores: Vector = centred @ directions[:components].T
    return scores
