"""Symmetric factorization of a covariance: all critical points are known (Ge, Jin, Zheng, 2017).

    F_i(U) = |UU' - S_i|_F^2 / 4,    grad F_i = (UU' - S_i) U,    U in R^{8 x 2}

S_i is worker i's second moment of N(0, Sigma) samples. U is critical when its columns span
eigenvectors of the pooled S, scaled by the roots of their eigenvalues, or are 0; the minima hold
the leading two. Two saddles, the second of which liars can hide:

    zero    the leading eigenvector and a column of zeros: no worker pushes along the way out
    third   the leading eigenvector and the third: every worker's S_i mixes it with the second
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal, get_args

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.problems.saddle import SaddleProblem

SIDE, RANK = 8, 2
Column = Literal["third", "zero"]


class MatrixFactorization(SaddleProblem):
    """A covariance with eigenvalues about 1, .8, .4, .1, ..., .1; w is U, row by row.

    Args:
        workers: m.
        seed: of the eigenvectors and the data.
        n: samples a worker.
        column: what the second column of U is at the saddle, "third" eigenvector or "zero".
    """

    name = "matrix_factorization"

    def __init__(
        self, *, workers: int = 20, seed: int = 0, n: int = 2000, column: Column = "third"
    ) -> None:
        if column not in get_args(Column):
            raise OptionError(f"{self.name} needs a column 'third' or 'zero'; got {column!r}")
        super().__init__(d=SIDE * RANK, workers=workers, seed=seed, n=n)
        frame = np.linalg.qr(self._rng.standard_normal((SIDE, SIDE)))[0]
        spectrum = np.array([1.0, 0.8, 0.4, *[0.1] * (SIDE - 3)])
        x = self._rng.standard_normal((workers, n, SIDE)) * np.sqrt(spectrum) @ frame.T
        self.S = x.transpose(0, 2, 1) @ x / n  # (m, 8, 8)
        self._wide = np.hstack(list(self.S))  # (8, m 8)
        eigenvalues, vectors = np.linalg.eigh(self.S.mean(axis=0))
        self._columns = (vectors * np.sqrt(eigenvalues))[:, ::-1]  # the leading one first
        second = self._columns[:, 2] if column == "third" else np.zeros(SIDE)
        self._place(np.stack([self._columns[:, 0], second], axis=1).ravel())

    @cached_property
    def minimum(self) -> Vector:
        """The leading two columns; every other minimum is U times a rotation, with the same F."""
        leading: Vector = self._columns[:, :RANK].ravel()
        return leading

    def values_at(self, points: Vector) -> Vector:
        """|UU' - S_i|_F^2 / 4: (q, 16) to (q, m)."""
        U = points.reshape(-1, SIDE, RANK)
        R = (U @ U.transpose(0, 2, 1))[:, None] - self.S  # (q, m, 8, 8)
        values: Vector = (R**2).sum(axis=(2, 3)) / 4
        return values

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """(UU' - S_i) V + (VU' + UV') U: (16,) and (m, p, 16) to (m, p, 16)."""
        U, V = w.reshape(SIDE, RANK), vectors.reshape(*vectors.shape[:2], SIDE, RANK)
        R = (U @ U.T - self.S)[:, None]  # (m, 1, 8, 8)
        products: Vector = R @ V + V @ (U.T @ U) + U @ (V.swapaxes(2, 3) @ U)
        return products.reshape(vectors.shape)

    def hessian(self, w: Vector) -> Vector:
        """(UU' - S) (x) I + I (x) U'U + the mixed term: to (16, 16)."""
        U = w.reshape(SIDE, RANK)
        R = U @ U.T - self.S.mean(axis=0)
        # d/dU of U dU' U, the index pairs row by row.
        mixed = np.einsum("il,kj->ijkl", U, U).reshape(self.d, self.d)
        hessian: Vector = np.kron(R, np.eye(RANK)) + np.kron(np.eye(SIDE), U.T @ U) + mixed
        return hessian

    def _gradients(self, points: Vector) -> Vector:
        """(UU' - S_i) U."""
        q = len(points)
        U = points.reshape(q, SIDE, RANK)
        common = U @ (U.transpose(0, 2, 1) @ U)  # (q, 8, 2)
        own = (U.transpose(0, 2, 1) @ self._wide).reshape(q, RANK, self.m, SIDE)
        gradients: Vector = common[:, None] - own.transpose(0, 2, 3, 1)
        return gradients.reshape(q, self.m, self.d)
