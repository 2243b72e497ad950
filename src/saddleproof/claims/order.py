"""From the workers' answers to claims about their honest mean: order statistics, nothing else.

For gradients g_1..g_m of which the honest are mh = m - b, the honest mean is the mean over one of
the sets S of mh rows, so sup_S ||mean_S g|| bounds it. Two bounds of that, both without a search:

    box        || (max(|low_k|, |high_k|))_k ||      with `ranks.mean_bounds` in every coordinate k
    spread     ||mean of all|| + sqrt(b / (m mh)) ||G||_2,    G the (m, d) rows less their mean

The second holds since 1_S = (mh/m) 1 + e with e orthogonal to 1 and ||e||^2 = mh b / m. It is the
smaller one in many dimensions. The same argument bounds the Hessian of the honest mean, with
X_i = H_i less the mean of all, because ||sum_i e_i X_i v||^2 <= ||e||^2 sum_i ||X_i v||^2:

    lambda_min(mean_S H)  >=  lambda_min(mean of all) - sqrt(b / (m mh)) ||sum_i X_i^2||_2^(1/2).
"""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.curvature.differences import norm
from saddleproof.ranks import MAD_TO_SIGMA, mean_bounds

#: Rounding of a computed eigenvalue, in units of the last place of the largest entry times d.
ROUNDINGS = 8.0
_EPS, _TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)


def box_bound(rows: Vector, b: int) -> float:
    """The first bound of the head of this file, of the 2-norm of the honest workers' mean.

    Args:
        rows: (m, d).
        b: the most Byzantine rows, 0 <= b < m.

    >>> round(box_bound(np.array([[3.0, 4.0], [3.0, 4.0], [9.0, 9.0]]), b=0), 4)
    7.5572
    """
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = mean_bounds(np.ascontiguousarray(np.asarray(rows, dtype=float).T), b)
        return norm(np.maximum(np.abs(low), np.abs(high)))


def gram_bound(gram: Vector, b: int) -> float:
    """The second bound, from the (m, m) products g_i'g_j of the rows.

    >>> round(gram_bound(np.full((3, 3), 25.0), b=1), 6)
    5.0
    """
    m = len(gram)
    size = float(np.abs(np.diagonal(gram)).max())
    if not np.isfinite(gram).all():
        return np.inf
    if size == 0:
        return float(np.sqrt(_TINY))
    scaled = gram / size
    mean = scaled.mean()
    centred = scaled - scaled.mean(axis=0) - scaled.mean(axis=1)[:, None] + mean
    largest = max(float(np.linalg.eigvalsh(centred)[-1]), 0.0) if b else 0.0
    # The mean of squares carries the rounding of the largest, and what is too small for squares.
    slack = 4 * m * _EPS + _TINY / size
    length = np.sqrt(max(float(mean), 0.0) + slack)
    return float(np.sqrt(size) * (length + np.sqrt(b * (largest + m * slack) / (m * (m - b)))))


def typical_distance(rows: Vector, b: int) -> float:
    """How far one honest worker's row is from the rest: the default tolerance of a gradient.

    The 2-norm over the coordinates of 1.4826 times the deviation of rank min(mh//2 + b, mh - 1)
    about the median. For b < m/2, liars cannot stretch it beyond the honest workers' own largest
    deviation; for b < m/3 they cannot shrink it below the honest median deviation either. For
    b >= m/2 the median is theirs to choose, and the distance is 0.
    """
    m = len(rows)
    honest = m - b
    if 2 * b >= m:
        return 0.0
    rank = min(honest // 2 + b, honest - 1)
    with np.errstate(over="ignore", invalid="ignore"):
        away = np.sort(np.abs(rows - np.median(rows, axis=0)), axis=0)[rank]
        distance = float(MAD_TO_SIGMA * norm(away))
    return distance if np.isfinite(distance) else 0.0


def spread_bound(matrices: Vector, errors: Vector, b: int) -> float:
    """The lower bound of lambda_min of the honest mean from the head of this file.

    Args:
        matrices: (m, d, d) symmetric.
        errors: (m,) bounds of the 2-norm of what is wrong with each.
        b: the most Byzantine workers.

    >>> round(spread_bound(np.array([[[1.0]], [[1.0]], [[-1.0]]]), np.zeros(3), b=1), 4)
    -0.3333
    """
    m, d = matrices.shape[:2]
    with np.errstate(over="ignore", invalid="ignore"):
        size = float(np.abs(matrices).max())
        scaled = matrices / size if size > 0 else matrices
        middle = scaled.mean(axis=0)
        centred = scaled - middle
        squares = np.einsum("mij,mjk->ik", centred, centred)
        slack = float(mean_bounds(errors, b)[1]) + ROUNDINGS * d * _EPS * size
        if not (np.isfinite(squares).all() and np.isfinite(slack)):
            return -np.inf
        width = np.sqrt(b / (m * (m - b)) * max(float(np.linalg.eigvalsh(squares)[-1]), 0.0))
        return float((np.linalg.eigvalsh(middle)[0] - width) * size - slack)


def entries_bound(matrices: Vector, errors: Vector, b: int) -> float:
    """lambda_min(C) - ||W||_2, for the honest mean lies in C +- W entry by entry.

    Args:
        matrices: (m, d, d) symmetric.
        errors: (m,) bounds of the 2-norm of what is wrong with each.
        b: the most Byzantine workers.

    Reference: Rohn, "Bounds on eigenvalues of interval matrices", 1994.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = mean_bounds(np.ascontiguousarray(np.moveaxis(matrices, 0, -1)), b)
        centre, width = low / 2 + high / 2, high / 2 - low / 2
        size = float(np.abs(centre).max() + width.max())
        slack = float(mean_bounds(errors, b)[1]) + ROUNDINGS * len(centre) * _EPS * size
        if not np.isfinite(slack):
            return -np.inf
        lowest, widest = np.linalg.eigvalsh(centre)[0], np.linalg.eigvalsh(width)[-1]
        return float(lowest - widest - slack)
