"""Coordinate-wise trimmed mean (Section 5.2; Yin et al. 2018, Theorem 6 (ii))."""

from __future__ import annotations

from dataclasses import dataclass

from saddleproof.aggregators.base import Estimate, Rule
from saddleproof.aggregators.inexactness import rank_inexactness
from saddleproof.arrays import Array, namespace


@dataclass(frozen=True)
class TrimmedMean(Rule):
    """Coordinate-wise trimmed mean: drop the b largest and the b smallest, average the rest.

    Convention: exactly b rows are dropped on each side (the paper's beta = b/m), never
    int(beta m) of a rounded share; b = 0 is the mean. Breakdown (m - 1)//2. The inexactness is
    the rank bound of `saddleproof.aggregators.inexactness`. Statistical error (Theorem 6): of
    order alpha d/sqrt(n) + d/sqrt(nm). Cost O(m d log m).

    >>> import numpy as np
    >>> TrimmedMean()(np.array([[0.0], [1.0], [2.0], [1e9]]), b=1)
    array([1.5])
    """

    def breakdown(self, m: int) -> int:
        """(m - 1)//2: something must be left after trimming both sides."""
        return (m - 1) // 2

    def _batch(self, stack: Array, b: int) -> Estimate:
        xp = namespace(stack)
        ordered = xp.sort(stack, axis=1)
        m = int(stack.shape[1])
        vector = xp.mean(ordered[:, b : m - b, :], axis=1)
        low, high = ordered[:, None, b, :], ordered[:, None, m - b - 1, :]
        entered = (stack >= low) & (stack <= high)
        kept = xp.any(entered, axis=2)
        return Estimate(vector, rank_inexactness(ordered, vector, b), kept)
