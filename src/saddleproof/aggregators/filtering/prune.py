"""Rows that cannot be original points leave before anything is centred (docs/filtering.md, 4).

If (61) holds, (1/m) ||sum_i (x_i - mu_S)(x_i - mu_S)'|| <= sigma^2 over the m original points, then
two of them are at most sqrt(2m) sigma apart. At least (1 - alpha) m rows are original, so a row
with fewer than that many rows (itself included) within sqrt(2m) sigma is not.

Without sigma the radius is a million times the smallest ball that holds (1 - alpha) m rows. That
one is for the numbers only: it bounds the range over which eigenvalues are computed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.gram import distances
from saddleproof.arrays import Vector

#: Without sigma: rows farther out than this many radii of the densest ball leave.
REACH = 1e6


def prune(
    gram: Vector, alpha: float, sigma: float | None
) -> tuple[Vector, Vector, NDArray[np.bool_]]:
    """The rows that stay, the Gram matrix without the others, and whether sigma fits the rows.

    Args:
        gram: (q, m, m); rows that overflow or are NaN show in it as entries that are not finite.
        alpha: the share of Byzantine rows.
        sigma: of (61), in the unit of the rows; None when unknown.

    Returns:
        c (q, m), 1 for rows that stay and 0 for the others; the (q, m, m) matrix with zeros at
        the others; and (q,), True where sigma contradicts the rows (more of them would leave
        than can be Byzantine) and the radius without sigma was used instead.
    """
    m = gram.shape[-1]
    diagonal = np.diagonal(gram, axis1=1, axis2=2)
    squares = np.stack([distances(one) for one in gram])
    finite = np.isfinite(diagonal)
    quorum = math.ceil((1 - alpha) * m - 1e-9)
    # Squared radius of the ball about each row that holds (1 - alpha) m rows.
    ball = np.where(finite, np.partition(squares, quorum - 1, axis=-1)[:, :, quorum - 1], np.inf)
    # Rows that agree are apart by their rounding, which the densest ball must not fall below.
    rounding = np.finfo(float).eps * np.where(finite, diagonal, np.inf)
    widest = REACH**2 * np.min(ball + rounding, axis=-1)
    stays = finite & (ball <= widest[:, None])
    too_small = np.zeros(len(gram), dtype=bool)
    if sigma is not None:
        original = finite & (ball <= 2 * m * sigma**2 * (1 + 1e-6))
        too_small = np.count_nonzero(original, axis=-1) < quorum
        stays = np.where(too_small[:, None], stays, original)
    both = stays[:, :, None] & stays[:, None, :]
    return stays.astype(float), np.where(both, gram, 0.0), too_small
