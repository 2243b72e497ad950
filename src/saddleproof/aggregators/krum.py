"""Krum (Blanchard, El Mhamdi, Guerraoui, Stainer, NeurIPS 2017, Section 4; row of Table 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from saddleproof.aggregators.gram import distances
from saddleproof.aggregators.weighted import WeightedRule
from saddleproof.arrays import Vector


@dataclass(frozen=True)
class Krum(WeightedRule):
    """The row that is closest to its m - b - 2 nearest others.

    score_i = sum of ||x_i - x_j||^2 over the m - b - 2 rows j != i nearest to x_i;
    the answer is the row of least score. Conventions: squared distances, m - b - 2 neighbours as
    in the paper (ByzFL and ByzPy take one more, and pick another row in one draw of six), ties to
    the smallest index; the answer is a copy, never a view of a row. Needs m > 2b + 2. It is
    (b, kappa)-robust with kappa = 6 (1 + b/(m - 2b)) (Allouah et al. 2023, for m - b - 1
    neighbours; with m - b - 2 it held in every trial). Inexactness: the rank bound, a proof
    about the honest median plus a standard error (`saddleproof.aggregators.inexactness`).
    Cost O(m^2 d).

    Args:
        omit: how many rows fewer than m - b count as neighbours; 2, or 1 for ByzFL's variant.

    >>> Krum()(np.array([[0.0], [1.0], [2.0], [2.5], [90.0]]), b=1)
    array([2.])
    """

    omit: int = 2
    needs: ClassVar[str] = "m > 2b + 2"

    def breakdown(self, m: int) -> int:
        """The largest b with m > 2b + 2."""
        return (m - 3) // 2

    def weights(self, gram: Vector, b: int) -> Vector:
        """One at the row of least score."""
        chosen = np.zeros(len(gram))
        chosen[np.argmin(scores(gram, b, self.omit))] = 1.0
        return chosen


def scores(gram: Vector, b: int, omit: int = 2) -> Vector:
    """(m,): for each row, the sum of squared distances to its m - b - omit nearest others."""
    squared = distances(gram)
    np.fill_diagonal(squared, np.inf)
    neighbors = max(len(gram) - b - omit, 1)
    found: Vector = np.sort(squared, axis=1)[:, :neighbors].sum(axis=1)
    return found
