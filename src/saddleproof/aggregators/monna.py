"""MoNNA's rule, nearest-neighbour averaging (Farhadkhani, Guerraoui, Gupta, Hoang, Pinot, Stephan).

"Robust Collaborative Learning with Linear Gradient Overhead", ICML 2023.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.aggregators.engine.gram import distances
from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.trusted import TrustedRule
from saddleproof.aggregators.weighted import WeightedRule
from saddleproof.arrays import Vector


@dataclass(frozen=True)
class MoNNA(TrustedRule):
    """The mean of the m - b rows nearest to a trusted one, itself among them.

    In the paper every peer trusts its own vector. No row that enters is farther from the trusted
    one than the farthest honest row is, so the answer is not either, whatever b liars say. All of
    it rests on the trusted worker: if that one lies, the answer is near its lie.

    Ties go to the smaller index. Rows are known by name from round to round, and a round without
    the trusted worker ends the run. Inside a pre-aggregation it is refused. Inexactness: the rank
    bound of `saddleproof.aggregators.inexactness`. Cost O(m^2 d).

    Args:
        trusted: position on the roster, from 0, or name of a worker that is known to be honest.

    Raises:
        OptionError: trusted is neither, or not on the roster.

    >>> MoNNA(trusted=1)(np.array([[0.0], [1.0], [2.0], [9.0]]), b=1)
    array([1.])
    """

    def at(self, row: int) -> Around:
        """The mean around a row."""
        return Around(row)


@dataclass(frozen=True)
class Around(WeightedRule):
    """The mean of the m - b rows nearest to a row.

    Args:
        row: its position among the messages.
    """

    row: int

    def breakdown(self, m: int) -> int:
        """As `MoNNA`."""
        return (m - 1) // 2

    def weights(self, gram: Gram, b: int) -> Vector:
        """1/(m - b) at the nearest rows."""
        m = len(gram)
        away = distances(gram)[self.row]
        away[self.row] = -1.0  # nobody is nearer than the row itself, not even its copy
        found = np.zeros(m)
        found[np.argsort(away, kind="stable")[: m - b]] = 1.0 / (m - b)
        return found
