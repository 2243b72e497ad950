"""How wrong may an aggregate be? From the messages and b alone.

`saddleproof.ranks` gives, for each coordinate, two order statistics of all messages between which
the honest median must lie, whatever the b liars say. For any vector v, whatever rule made it,
w_k = max(x_high - v_k, v_k - x_low) therefore bounds its distance from the honest median in
coordinate k, deterministically. From the honest median to the honest mean or the population comes
the standard error of a median, 1.2533 sigma / sqrt(mh), with sigma by the normal-consistent MAD.
Together

    Delta_hat(v) = || w ||_2 + c || 1.2533 * 1.4826 MAD ||_2 / sqrt(mh),   c = 1, or 2 when d = 1.

The first term is a proof about the honest median; the second is statistics (honest values without
strong skew). The estimate is location-scale equivariant and takes O(q m d log m).

**b beyond m/3.** There the upper rank leaves the range of the honest values (`ranks.inflatable`).
The bound stays true, but the liars set it at will: it says nothing about the vector any more.
A cap from the MAD is no way out. It rests on normal honest values, and liars that all copy one
honest worker shrink the MAD: for m = 20, b = 9, d = 10 such a cap missed the honest mean in more
than half of the draws. So the answer is a refusal: None, and `Estimate.reason` says why.
"""

from __future__ import annotations

from saddleproof.aggregators.base import norms
from saddleproof.arrays import Array, namespace
from saddleproof.ranks import MAD_TO_SIGMA, MEDIAN_EFFICIENCY, inflatable, middle, rank_bounds


def rank_inexactness(ordered: Array, vector: Array, b: int) -> Array | None:
    """Delta_hat of this file's head for each of q query points.

    Args:
        ordered: (q, m, d), sorted over axis 1.
        vector: (q, d), the aggregate whose error is bounded; any rule may have made it.
        b: the most Byzantine rows.

    Returns:
        (q,) bounds, in the unit of the messages; None for b > m/3 (`refusal`).
    """
    xp = namespace(ordered)
    _, m, d = ordered.shape
    if inflatable(m, b):
        return None
    low, high = rank_bounds(m, b)
    median = middle(ordered)
    mad = middle(xp.sort(xp.abs(ordered - median[:, None, :]), axis=1))
    width = xp.maximum(ordered[:, high, :] - vector, vector - ordered[:, low, :])
    doubling = 2.0 if d == 1 else 1.0
    noise = doubling * MEDIAN_EFFICIENCY * MAD_TO_SIGMA / (m - b) ** 0.5
    return norms(width) + noise * norms(mad)
