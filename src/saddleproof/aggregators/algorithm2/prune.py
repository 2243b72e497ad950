"""Rows that cannot be original points leave before the first round (docs/filtering.md, 4).

If (61) holds, (1/m) ||sum_i (x_i - mu_S)(x_i - mu_S)'|| <= sigma^2 over the m original points, then
two of them are at most sqrt(2m) sigma apart. At least (1 - alpha) m rows are original, so a row
with fewer than that many rows (itself included) within sqrt(2m) sigma is not.

Without sigma only rows leave that cannot be computed with. Finite ones, however far, are left to
the filter: the Gram matrix is taken about a row among the honest ones, so far rows cost the others
no digits.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.engine.gram import distances
from saddleproof.arrays import Vector


def prune(
    gram: Vector, alpha: float, sigma: Vector | None
) -> tuple[Vector, Vector, NDArray[np.bool_]]:
    """The rows that stay, the Gram matrix without the others, and whether sigma fits the rows.

    Args:
        gram: (q, m, m); rows without a place show in it as entries that are not finite.
        alpha: the share of Byzantine rows.
        sigma: (q,) of (61), in the units of the matrices; None when unknown.

    Returns:
        c (q, m), 1 for rows that stay and 0 for the others; the (q, m, m) matrix with zeros at
        the others; and (q,), True where sigma contradicts the rows: more of them would leave
        than can be Byzantine, and only those that cannot be computed with did.
    """
    m = gram.shape[-1]
    stays = np.isfinite(np.diagonal(gram, axis1=1, axis2=2))
    misfit = np.zeros(len(gram), dtype=bool)
    if sigma is not None:
        with np.errstate(over="ignore", under="ignore"):
            reach = 2 * m * (sigma * sigma)[:, None, None] * (1 + 1e-6)
        near = np.count_nonzero(distances(gram) <= reach, axis=-1)
        quorum = math.ceil((1 - alpha) * m - 1e-9)
        original = stays & (near >= quorum)
        misfit = np.count_nonzero(original, axis=-1) < quorum
        stays = np.where(misfit[:, None], stays, original)
    both = stays[:, :, None] & stays[:, None, :]
    return stays.astype(float), np.where(both, gram, 0.0), misfit
