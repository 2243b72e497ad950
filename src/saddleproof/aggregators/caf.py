"""CAF, the covariance bound-agnostic filter (Allouah, Guerraoui, Stephan, ICML 2025, Algorithm 2).

    c_i = 1
    while sum_i c_i > m - 2b:
        mu, v, lambda = the c-weighted mean, the direction and size of the largest variance about it
        tau_i = (v'(x_i - mu))^2
        c_i <- c_i (1 - tau_i / max_j tau_j)          j: the rows of weight above 0
    the mu of least lambda

Iterative filtering (`IterativeFiltering`) holds b < m/4; this filter closes the gap up to m/2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.aggregators.algorithm2.prune import prune
from saddleproof.aggregators.algorithm2.rank_one import leading
from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.weighted import WeightedRule
from saddleproof.arrays import Vector


@dataclass(frozen=True)
class CAF(WeightedRule):
    """Take weight from rows that stand out along the largest variance; average where it is least.

    Nothing has to be known about the honest rows' covariance: of all weighted means on the way,
    the answer is the one whose largest variance is least. A step takes all weight from one row at
    least, so there are at most m steps. The largest tau is that of the rows that still have weight:
    among all rows, as in ByzFL 0.0.11, a far row that has left already keeps the others from losing
    weight, and the filter does not end. Rows with NaN or Inf have no weight from the start; b = 0
    is the mean. The eigenvectors are exact in float64, where ByzFL 0.0.11 makes one step of the
    power method from a random vector, and gives no answer for b = 0. Inexactness: the rank bound of
    `saddleproof.aggregators.inexactness`. Cost: two passes over the messages, O(m^2 d), and one
    eigenvector of an m x m matrix a step.

    Source: Allouah, Guerraoui and Stephan, "Towards Trustworthy Federated Learning with Untrusted
    Participants", ICML 2025, Algorithm 2, as ByzFL's manual states it.

    >>> x = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [90.0, -90.0]])
    >>> CAF().estimate(x, b=1).kept
    array([ True,  True,  True,  True, False])
    """

    def breakdown(self, m: int) -> int:
        """(m - 1)//2, fewer than half."""
        return (m - 1) // 2

    def weights(self, gram: Gram, b: int) -> Vector:
        """c_i / sum_j c_j of the state of least variance."""
        m = len(gram)
        stays, pruned, _ = prune(gram.matrix[None], b / m, None)
        c = stays[0]
        with np.errstate(invalid="ignore"):  # where no row is finite, the answer is NaN
            best, least = c / c.sum(), np.inf
        while (total := float(c.sum())) > m - 2 * b:
            seen = leading(pruned, c[None], cap=1.0)
            variance = float(seen.spread[0]) / total
            if variance < least:
                best, least = c / total, variance
            tau = np.where(c > 0.0, seen.p[0] ** 2, 0.0)
            if not tau.any():
                break  # the rows that are left agree
            c = c * (1.0 - tau / tau.max())
        found: Vector = best
        return found
