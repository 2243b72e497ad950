"""The direction of largest variance of weighted rows, from their Gram matrix.

    S = sum_i c_i (x_i - X'u)(x_i - X'u)',   v its top eigenvector,   p_i = v'(x_i - X'u)

C^(1/2) (I - 1u') K (I - u1') C^(1/2) has the eigenvalues of S, and from its top eigenvector g come
the projections, p = (I - 1u') K (I - u1') C^(1/2) g / sqrt(lambda). Few rows are decomposed, many
points in one call. For many rows Lanczos asks for products of that matrix with vectors only, and
those are products of K with vectors: the matrix itself, eight passes over new memory of its size,
is never made, and rows that have left are not looked at. In between LAPACK finds the top pair
alone, as exactly as it finds all.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from saddleproof.arrays import Vector

#: Rows from which the top pair alone is worth the time that SciPy takes to load: a third of all.
ONE_FROM = 32
#: Rows from which one Lanczos run beats a whole eigendecomposition.
LANCZOS_FROM = 200
#: Vectors that Lanczos keeps; of fewer rows all are decomposed.
BASIS = 40


def largest_variance(gram: Vector, c: Vector, u: Vector) -> tuple[Vector, Vector]:
    """The largest eigenvalue of S, and the projections on its direction, for each of q points.

    Args:
        gram: (q, m, m) Gram matrices, about any point near the rows.
        c: (q, m) weights, 0 for rows that left.
        u: (q, m) weights of sum 1 of the point that variance is about, 0 where c is.

    Returns:
        (q,) eigenvalues, at least 0, and (q, m) projections, whose sign means nothing, nor does
        what stands at rows that left. By Lanczos the eigenvalue is good to 1e-11 of itself, the
        projections to 1e-4 of the largest where the next direction is nearly as large.
    """
    if gram.shape[-1] >= LANCZOS_FROM:
        each = [_by_products(*point) for point in zip(gram, c, u, strict=True)]
        return np.array([spread for spread, _ in each]), np.stack([p for _, p in each])
    root = np.sqrt(c)
    centred = about(gram, u)
    values, g = _top_pairs(root[:, :, None] * centred * root[:, None, :])
    spread = np.maximum(values, 0.0)
    norm = np.sqrt(np.where(spread > 0, spread, 1.0))
    return spread, (centred @ (root * g)[:, :, None])[:, :, 0] / norm[:, None]


def about(gram: Vector, u: Vector) -> Vector:
    """The Gram matrices about the points X'u: (I - 1u') K (I - u1')."""
    toward = (gram @ u[:, :, None])[:, :, 0]
    level = (toward * u).sum(axis=-1)
    found: Vector = gram - toward[:, :, None] - toward[:, None, :] + level[:, None, None]
    return found


def _top_pairs(matrices: Vector) -> tuple[Vector, Vector]:
    """(q,) largest eigenvalues and (q, m) unit eigenvectors of (q, m, m) symmetric matrices."""
    m = matrices.shape[-1]
    if m >= ONE_FROM:
        from scipy.linalg.lapack import dsyevr  # slow to load

        found = [dsyevr(one.T, range="I", il=m, iu=m) for one in matrices]  # LAPACK counts from 1
        if not any(info for *_, info in found):
            return np.array([w[0] for w, *_ in found]), np.stack([z[:, 0] for _, z, *_ in found])
    values, vectors = np.linalg.eigh(matrices)
    return values[:, -1], vectors[:, :, -1]


def _by_products(gram: Vector, c: Vector, u: Vector) -> tuple[float, Vector]:
    """`largest_variance` of one point, by Lanczos on the rows that are in."""
    inside = np.flatnonzero(c)
    p = np.zeros(len(c))
    # A fixed start: the same messages must give the same answer. It is no column of the matrix,
    # since those the liars choose.
    start = np.random.default_rng(0).standard_normal(len(c))[inside]
    everyone = len(inside) == len(c)
    rows = _Centred(gram if everyone else gram[np.ix_(inside, inside)], u[inside])
    root = np.sqrt(c[inside])
    scale = float(c[inside] @ rows.diagonal())
    if not scale > 0:
        return 0.0, p
    value, g = _top(rows, root, scale, start)
    spread = max(value * scale, 0.0)
    if spread > 0:
        p[inside] = rows.times(root * g) / np.sqrt(spread)
    return spread, p


def _top(rows: _Centred, root: Vector, scale: float, start: Vector) -> tuple[float, Vector]:
    """The largest eigenvalue of C^(1/2) (I - 1u') K (I - u1') C^(1/2) / scale, and its vector."""
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    n = len(root)
    if n > BASIS:
        matrix = LinearOperator(
            (n, n), matvec=lambda v: root * rows.times(root * v.ravel()) / scale, dtype=float
        )
        with suppress(ArpackError):  # no convergence
            value, vector = eigsh(matrix, k=1, which="LA", v0=start, tol=1e-6, ncv=BASIS)
            return float(value[0]), vector[:, 0]
    values, vectors = _top_pairs(root[:, None] * about(rows.gram[None], rows.u[None]) * root)
    return float(values[0]) / scale, vectors[0]


class _Centred:
    """(I - 1u') K (I - u1') as a product with vectors, for a symmetric K."""

    def __init__(self, gram: Vector, u: Vector) -> None:
        self.gram, self.u = np.ascontiguousarray(gram), u
        self.toward = gram @ u
        self.level = float(self.toward @ u)

    def diagonal(self) -> Vector:
        found: Vector = np.diagonal(self.gram) - 2.0 * self.toward + self.level
        return found

    def times(self, y: Vector) -> Vector:
        """The matrix times a (n,) vector; half of K is read."""
        from scipy.linalg.blas import dsymv

        toward: Any = dsymv(1.0, self.gram.T, y, lower=1)
        total = y.sum()
        found: Vector = toward - self.u @ toward - total * (self.toward - self.level)
        return found
