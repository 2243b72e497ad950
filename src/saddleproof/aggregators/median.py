"""Coordinate-wise median (Section 5.2; Yin et al. 2018, Theorem 6 (i))."""

from __future__ import annotations

from dataclasses import dataclass

from saddleproof.aggregators.base import Estimate, Rule
from saddleproof.aggregators.inexactness import rank_inexactness
from saddleproof.arrays import Array, namespace
from saddleproof.ranks import middle


@dataclass(frozen=True)
class Median(Rule):
    """Coordinate-wise median: u_k = med{g_1k, ..., g_mk}.

    Convention: for even m the midpoint of the two middle values, as NumPy does; PyTorch's
    `median` takes the lower one. Breakdown (m - 1)//2. The inexactness is the rank bound of
    `saddleproof.aggregators.inexactness`. Statistical error (Theorem 6): of order
    alpha sqrt(d/n) + d/sqrt(nm) + sqrt(d)/n. Cost O(m d log m).

    >>> import numpy as np
    >>> Median()(np.array([[0.0, 5.0], [1.0, 6.0], [1e9, -1e9]]), b=1)
    array([1., 5.])
    """

    def breakdown(self, m: int) -> int:
        """(m - 1)//2: strictly fewer than half."""
        return (m - 1) // 2

    def _batch(self, stack: Array, b: int) -> Estimate:
        xp = namespace(stack)
        ordered = xp.sort(stack, axis=1)
        m = int(stack.shape[1])
        low, high = ordered[:, None, (m - 1) // 2, :], ordered[:, None, m // 2, :]
        entered = (stack >= low) & (stack <= high)
        kept = xp.any(entered, axis=2)
        vector = middle(ordered)
        return Estimate(vector, rank_inexactness(ordered, vector, b), kept)
