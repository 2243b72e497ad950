"""Sums over the workers' samples: projections, weighted second moments, and fourth moments.

`CubicForm` holds the fourth moments, which a worker computes once instead of at every point:

    mean_j (w'x_j)^3 x_j = K_i p(w)
    (w'x)^3 = sum over a <= b <= c of k_abc (w_a w_b w_c) (x_a x_b x_c)

p(w) holds the C(d + 2, 3) weighted monomials of w; k_abc is 6, 3 or 1 as a, b, c are all
different, two the same, or one. So all workers at all points cost one matrix product, whatever n.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

from saddleproof.arrays import Vector


def projections(points: Vector, samples: Vector) -> Vector:
    """w'x_j of every sample at every point: (q, d) and (m, n, d) to (q, m, n)."""
    m, n, d = samples.shape
    flat: Vector = points @ samples.reshape(-1, d).T
    return flat.reshape(-1, m, n)


def second_moment_products(samples: Vector, weights: Vector, vectors: Vector) -> Vector:
    """mean_j c_j x_j x_j'v of every worker's own vectors: (m, p, d).

    Args:
        samples: (m, n, d).
        weights: (m, n), the c_j.
        vectors: (m, p, d).
    """
    along: Vector = vectors @ samples.transpose(0, 2, 1)  # (m, p, n)
    along *= weights[:, None, :] / samples.shape[1]
    return along @ samples


class CubicForm:
    """w to mean_j (w'x_j)^3 x_j, for every worker at once.

    Args:
        samples: (m, n, d).
    """

    def __init__(self, samples: Vector) -> None:
        m, n, d = samples.shape
        triples = list(combinations_with_replacement(range(d), 3))
        self._a, self._b, self._c = np.array(triples).T
        self._k = np.array([(1.0, 3.0, 6.0)[len(set(abc)) - 1] for abc in triples])
        moments = [self._monomials(x) @ x / n for x in samples]
        self._wide = np.hstack(moments)  # (C(d + 2, 3), m d)
        self._m = m

    def __call__(self, points: Vector) -> Vector:
        """(q, d) points to (q, m, d)."""
        q, d = points.shape
        cubes: Vector = (self._k * self._monomials(points).T) @ self._wide
        return cubes.reshape(q, self._m, d)

    def _monomials(self, x: Vector) -> Vector:
        """x_a x_b x_c of (n, d) rows: (C(d + 2, 3), n)."""
        columns = np.ascontiguousarray(x.T)
        monomials: Vector = columns[self._a] * columns[self._b] * columns[self._c]
        return monomials
