"""A rule of your own, checked by the suite that the library's own rules pass.

The mean of all rows but the b that are farthest from the coordinate-wise median.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

import saddleproof as sp
from saddleproof.aggregators.base import Estimate, Rule
from saddleproof.arrays import namespace
from saddleproof.testing import check_aggregator


@dataclass(frozen=True)
class NearestToMedian(Rule):
    """The m - b rows nearest to the median, by their largest coordinate."""

    def breakdown(self, m: int) -> int:
        """The median's own."""
        return (m - 1) // 2

    def _batch(self, stack: Any, b: int) -> Estimate:
        xp = namespace(stack)
        m = stack.shape[1]
        median = sp.Median().estimates(stack, b).vector  # (q, d)
        far = xp.max(xp.abs(stack - median[:, None, :]), axis=2)  # (q, m)
        rank = xp.argsort(xp.argsort(far, axis=1), axis=1)
        kept = rank < m - b
        vector = xp.sum(xp.where(kept[:, :, None], stack, 0.0), axis=1) / (m - b)
        return Estimate(vector, None, kept, "nothing sound is known of this rule's error")


check_aggregator(NearestToMedian())
print(NearestToMedian()(np.array([[0.0], [1.0], [2.0], [1e9]]), b=1))
