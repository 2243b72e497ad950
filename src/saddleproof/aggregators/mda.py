"""MDA, minimum-diameter averaging (El Mhamdi, Guerraoui, Guirguis, Hoang, Rouault, PODC 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.aggregators.engine.gram import distances
from saddleproof.aggregators.engine.subsets import Sets, kept, left_out
from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.weighted import WeightedRule
from saddleproof.arrays import Vector


@dataclass(frozen=True)
class MDA(WeightedRule):
    """The mean of the m - b rows whose largest distance from each other is least.

    S = argmin over |S| = m - b of max_{i,j in S} ||x_i - x_j||;  the answer is the mean of S.

    Several sets can have the least diameter, since one pair of rows decides it. Of these the set
    of least sum of squared distances is taken, then the first by index; the paper leaves it open,
    and ByzFL takes the first by index, which depends on the order of the rows. Inexactness: the
    rank bound of `saddleproof.aggregators.inexactness`. Cost O(m^2 d), and a search of all sets:
    beyond 200 000 of them (m = 20 is within, whatever b) the rule is refused.

    Raises:
        OptionError: in use, where there are too many sets.

    >>> MDA()(np.array([[0.0], [1.0], [2.0], [9.0]]), b=1)
    array([1.])
    """

    def breakdown(self, m: int) -> int:
        """(m - 1)//2, fewer than half."""
        return (m - 1) // 2

    def weights(self, gram: Gram, b: int) -> Vector:
        """1/(m - b) at the rows of S."""
        m = len(gram)
        squared = distances(gram)
        best, least = np.arange(m - b), np.inf
        for sets in kept(of_least_diameter(squared, left_out("MDA", m, b)), m):
            sums = squared[sets[:, :, None], sets[:, None, :]].sum(axis=(1, 2))
            if (lowest := float(sums.min())) < least:
                best, least = sets[int(sums.argmin())], lowest
        found = np.zeros(m)
        found[best] = 1.0 / (m - b)
        return found


def of_least_diameter(squared: Vector, out: Sets) -> Sets:
    """Those of the sets whose diameter is least.

    Pairs of rows are forbidden from the farthest down, until the next would leave no set.

    Args:
        squared: (m, m) squared distances.
        out: (n, b) the rows that each set leaves out.

    >>> of_least_diameter(np.array([[0.0, 1.0, 4.0], [1.0, 0.0, 1.0], [4.0, 1.0, 0.0]]),
    ...                   np.array([[0], [1], [2]])).tolist()
    [[0], [2]]
    """
    i, j = np.triu_indices(len(squared), k=1)
    apart = squared[i, j]
    for distance in np.unique(apart)[::-1]:
        remain = out
        for pair in np.flatnonzero(apart == distance):
            remain = remain[((remain == i[pair]) | (remain == j[pair])).any(axis=1)]
        if not len(remain):
            break
        out = remain
    return out
