"""The tightest bounds: every set of workers that could be the honest ones, one by one.

The honest mean is the mean over one of the C(m, b) sets of m - b workers, so the extremes over all
of them bound it, and no bound can be tighter: each set may be the honest one. With 20 workers of
which 6 may lie there are 38,760 sets, which takes less than a second for a small matrix a worker.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations, islice
from math import comb

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector

#: Most sets that are tried, and most numbers of one batch of matrices.
MOST, BATCH = 50_000, 2_000_000
#: Rounding of a mean or an eigenvalue, in units of the last place of the largest entry.
ROUNDINGS = 64.0
_EPS, _TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)


def few(m: int, b: int) -> bool:
    """Whether all sets can be tried."""
    return 0 <= b < m and comb(m, b) <= MOST


@lru_cache(maxsize=16)
def _left_out(m: int, b: int) -> NDArray[np.int64]:
    """(C(m, b), b) positions of the workers that a set leaves out."""
    count = comb(m, b)
    flat = (i for left in combinations(range(m), b) for i in left)
    return np.fromiter(islice(flat, count * b), dtype=np.int64, count=count * b).reshape(count, b)


def least_eigenvalue(matrices: Vector, errors: Vector, b: int) -> float:
    """The least lambda_min of the mean over a set of m - b workers.

    A mean over more workers is a mean of such means, and lambda_min is concave, so that fewer liars
    than b change nothing.

    Args:
        matrices: (m, d, d) symmetric.
        errors: (m,) bounds of the 2-norm of what is wrong with each; inf where one says nothing.
        b: the most Byzantine workers; `few(m, b)` must hold.

    >>> eigenvalues = np.array([[[1.0]], [[1.0]], [[-1.0]]])
    >>> abs(round(least_eigenvalue(eigenvalues, np.zeros(3), b=1), 6))
    0.0
    """
    m, d = len(matrices), matrices.shape[1]
    left, many = _left_out(m, b), max(BATCH // d**2, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        total, wrong = matrices.sum(axis=0), errors.sum()
        size = float(np.abs(matrices).max()) * m
        if not (np.isfinite(total).all() and np.isfinite(wrong) and np.isfinite(size)):
            return -np.inf
        low = np.inf
        for start in range(0, len(left), many):
            out = left[start : start + many]
            means = (total - matrices[out].sum(axis=1)) / (m - b)
            slack = (wrong - errors[out].sum(axis=1)) / (m - b)
            low = min(low, float((np.linalg.eigvalsh(means)[:, 0] - slack).min()))
    return float(low - ROUNDINGS * d * _EPS * size)


def longest_mean(gram: Vector, b: int) -> float:
    """The largest 2-norm of the mean over a set of m - b rows, from their (m, m) products.

    >>> rows = np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 0.0]])
    >>> round(longest_mean(rows @ rows.T, b=1), 6)  # of the first and the last
    3.0
    """
    m = len(gram)
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(gram).all():
            return np.inf
        kept = np.ones((comb(m, b), m))
        np.put_along_axis(kept, _left_out(m, b), 0.0, axis=1)
        squares = np.einsum("si,ij,sj->s", kept, gram, kept, optimize=True)
        slack = ROUNDINGS * m * _EPS * float(np.abs(gram).max()) * m + _TINY  # lost in squares
        return float(np.sqrt(max(float(squares.max()), 0.0) + slack) / (m - b))
