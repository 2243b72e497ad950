"""The plain average: what a single liar moves anywhere. The baseline, never the defence."""

from __future__ import annotations

from dataclasses import dataclass

from saddleproof.aggregators.base import Estimate, Rule
from saddleproof.aggregators.inexactness import rank_inexactness
from saddleproof.arrays import Array, namespace


@dataclass(frozen=True)
class Mean(Rule):
    """Average of all messages, (1/m) sum_i g_i.

    The mean holds no Byzantine row: breakdown point 0. It accepts b > 0 all the same, because
    "what happens to plain averaging?" is the first question of every comparison; its inexactness
    then says how far the ranks of the messages contradict it. Cost O(m d), plus one sort for the
    inexactness.

    >>> import numpy as np
    >>> Mean()(np.array([[0.0, 1.0], [2.0, 3.0]]), b=0)
    array([1., 2.])
    """

    def breakdown(self, m: int) -> int:
        """(m - 1)//2 rows are *accepted*; even one of them moves the mean anywhere."""
        return (m - 1) // 2

    def _batch(self, stack: Array, b: int) -> Estimate:
        xp = namespace(stack)
        vector = xp.mean(stack, axis=1)
        kept = xp.ones_like(stack[:, :, 0], dtype=xp.bool)
        return Estimate(vector, rank_inexactness(xp.sort(stack, axis=1), vector, b), kept)
