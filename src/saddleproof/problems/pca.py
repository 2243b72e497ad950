"""Principal components: every eigenvector is a critical point.

    F_i(w) = |w|^4 / 4 - w'S_i w / 2,    grad F_i = (w'w) w - S_i w

sqrt(lambda_k) v_k is critical for each eigenpair of the pooled S, scaled to lambda_1 = 1; the
minima are +-v_1, and all others are strict saddles (lambda_min = lambda_k - lambda_1).
"""

from __future__ import annotations

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.problems.digits import principal_scores
from saddleproof.problems.saddle import SaddleProblem


class PrincipalComponents(SaddleProblem):
    """F above; a member calls `_from_rows`."""

    def _from_rows(self, shards: Vector, k: int) -> None:
        """Take (m, n, d) rows; the saddle is the k-th eigenvector, counted from 1."""
        S = shards.transpose(0, 2, 1) @ shards / shards.shape[1]  # (m, d, d)
        self.S = S / np.linalg.eigvalsh(S.mean(axis=0))[-1]  # lambda_1 = 1
        self._pooled = self.S.mean(axis=0)
        self._wide = np.hstack(list(self.S))  # (d, m d)
        eigenvalues, vectors = np.linalg.eigh(self._pooled)
        self._leading = vectors[:, -1]
        self._place(np.sqrt(eigenvalues[-k]) * vectors[:, -k])

    @property
    def minimum(self) -> Vector:
        """v_1: (d,); -v_1 is the other one."""
        return self._leading

    def values_at(self, points: Vector) -> Vector:
        """|w|^4 / 4 - w'S_i w / 2: (q, d) to (q, m)."""
        norms = (points**2).sum(axis=1, keepdims=True)
        Sw = (points @ self._wide).reshape(len(points), self.m, self.d)
        values: Vector = norms**2 / 4 - (Sw * points[:, None, :]).sum(axis=2) / 2
        return values

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """(w'w) v + 2 (w'v) w - S_i v: (d,) and (m, p, d) to (m, p, d)."""
        across = 2 * (vectors @ w)[..., None] * w
        products: Vector = (w @ w) * vectors + across - vectors @ self.S
        return products

    def hessian(self, w: Vector) -> Vector:
        """(w'w) I + 2 ww' - S: (d,) to (d, d)."""
        hessian: Vector = (w @ w) * np.eye(self.d) + 2 * np.outer(w, w) - self._pooled
        return hessian

    def _gradients(self, points: Vector) -> Vector:
        """(w'w) w - S_i w."""
        common = (points**2).sum(axis=1, keepdims=True) * points
        products = (points @ self._wide).reshape(len(points), self.m, self.d)
        gradients: Vector = common[:, None, :] - products
        return gradients


class PCADigits(PrincipalComponents):
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
        if not 10 <= arguments.whole(f"{self.name}: components", components) <= 64:
            raise OptionError(
                f"pca_digits starts at the 10th of at most 64 components; got {components}"
            )
        super().__init__(d=components, workers=workers, seed=seed)
        scores, _ = principal_scores(components)  # (1797, d)
        n = len(scores) // workers
        if n == 0:
            raise OptionError(f"pca_digits has {len(scores)} images; got {workers} workers")
        rows = self._rng.permutation(len(scores))[: n * workers]
        self._from_rows(scores[rows].reshape(workers, n, components), k=10)


class SpikedPCA(PrincipalComponents):
    """PCA in any dimension: two directions above isotropic noise, starting at the second.

    Rows are z_1 u_1 + sqrt(.6) z_2 u_2 + .1 noise, all of them normal: eigenvalues about 1.01, .61
    and .01, so that the workers' Hessians differ by about 1/sqrt(n) along u_1 and u_2 and by
    .01 sqrt(d / n) elsewhere.

    Args:
        workers: m.
        seed: of the directions and the rows.
        n: rows a worker.
        d: dimension, at least 2.
    """

    name = "spiked_pca"

    def __init__(self, *, workers: int = 20, seed: int = 0, n: int = 500, d: int = 100) -> None:
        d = arguments.whole(f"{self.name}: d", d, least=2)
        super().__init__(d=d, workers=workers, seed=seed, n=n)
        directions = np.linalg.qr(self._rng.standard_normal((d, 2)))[0]
        spikes = self._rng.standard_normal((workers, n, 2)) * [1.0, np.sqrt(0.6)]
        noise = 0.1 * self._rng.standard_normal((workers, n, d))
        self._from_rows(spikes @ directions.T + noise, k=2)
