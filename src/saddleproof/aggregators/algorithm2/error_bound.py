"""How far the filtered mean can be from the original points' mean: a proof, given (61).

With n rows kept, at most b of them Byzantine, e = b/n, and e' the share of the m original points
that are not among the kept ones (docs/filtering.md, 5):

    ||mean(A) - mu_S|| <= sqrt(e / (1 - e)) sqrt(lambda / n) + sqrt(e' / (1 - e')) sigma,

lambda the largest eigenvalue of the kept rows' scatter, at most spread / min_A c. e' is at most
1 - (n - b)/m by counting, and (9/7) alpha because Algorithm 2 spares original points.
"""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector


def error_bound(c: Vector, sigma_hat: Vector, sigma: float, b: int, alpha: float) -> Vector:
    """The bound of this file's head.

    Args:
        c: (q, m) weights where filtering stopped, 0 for rows that are out.
        sigma_hat: (q,), sqrt(spread / m) there.
        sigma: of (61).
        b: the most Byzantine rows.
        alpha: what filtering was told, at least b/m.

    Returns:
        (q,), in the unit of the messages; inf where half of the original points may be missing.
    """
    m = c.shape[-1]
    n = np.maximum(np.count_nonzero(c, axis=-1), 1)
    least = np.min(c, axis=-1, where=c > 0, initial=1.0)
    deviation = sigma_hat * np.sqrt(m / (n * least))  # sqrt(lambda / n), without a square
    kept_lies = np.minimum(b / n, 1.0)
    missing = np.minimum(1 - (n - b) / m, 9 / 7 * alpha)
    # Where all kept rows may be lies, they may agree: infinity times zero would be NaN.
    deviation = np.where(kept_lies < 1, deviation, 1.0)
    bound: Vector = _odds(kept_lies) * deviation + _odds(missing) * sigma
    return bound


def _odds(share: Vector) -> Vector:
    """sqrt(e / (1 - e)): how many deviations the removal of a share e can move a mean."""
    share = np.asarray(share, dtype=float)
    left = np.where(share < 1, 1 - share, 1.0)
    return np.where(share < 1, np.sqrt(share / left), np.inf)
