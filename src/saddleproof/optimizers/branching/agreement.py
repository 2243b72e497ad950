"""How alike the workers' gradients are: one number, which b liars move by ranks alone.

For workers i and j, c_ij = <g_i, g_j> / (|g_i| |g_j|). A worker's own number is the median of its
c_ij over the other workers; the agreement is the median of these. Near 1 all workers pull one way;
near 0 a typical pair knows nothing of each other, and the mean is short beside the messages.

**What liars can do.** Among m - 1 others the lower median has rank k = (m - 2)//2. With at most b
lies it is at least the honest value of rank k - b, and at most that of rank k. So for b <= k an
honest worker's own number lies between two of its honest cosines. The honest workers' median of
these numbers lies in `ranks.median_bounds`: lies move it inside of these ranges only.
"""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.ranks import median_bounds


def agreement(rows: Vector, b: int) -> tuple[float, float]:
    """Where the median honest worker's typical cosine with another worker lies.

    Take gradients on all rows of each worker: sampling noise looks like difference.

    Args:
        rows: (m, d) gradients at one point, m >= 2, such as `reading.stack[0]`.
        b: the most Byzantine workers, 0 <= b < m/2.

    Returns:
        Two ends in [-1, 1]. A worker whose gradient is zero has cosine 0 with all.

    Cost O(m^2 d).

    >>> agreement(np.array([[1.0, 0.0], [2.0, 0.0], [0.5, 0.0], [0.0, 1.0]]), b=1)
    (1.0, 1.0)
    """
    x = np.asarray(rows, dtype=float)
    largest = np.abs(x).max(axis=1, keepdims=True)
    x = np.divide(x, largest, out=np.zeros_like(x), where=largest > 0)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    x = np.divide(x, norms, out=np.zeros_like(x), where=norms > 0)
    m = len(x)
    others = (x @ x.T)[~np.eye(m, dtype=bool)].reshape(m, m - 1)
    own = np.sort(others, axis=1)[:, (m - 2) // 2]
    low, high = median_bounds(np.clip(own, -1.0, 1.0), b)
    return float(low), float(high)
