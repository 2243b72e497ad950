"""Nearest-neighbour mixing (Allouah et al., "Fixing by mixing", AISTATS 2023)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from saddleproof.aggregators.base import Aggregator
from saddleproof.aggregators.engine.gram import distances
from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.mixing import Mixing
from saddleproof.aggregators.shares import ROUNDING, heaviest
from saddleproof.aggregators.trimmed_mean import TrimmedMean
from saddleproof.arrays import Array, Vector


@dataclass(frozen=True)
class NearestNeighborMixing(Mixing):
    """Each row becomes the mean of the m - b rows nearest to it, itself among them.

    Ties go to the smaller index; b = 0 turns every row into the mean. A (b, kappa)-robust rule
    becomes (b, kappa')-robust with kappa' = 8 b/(m - b) (kappa + 1) (their Lemma 1), which is of
    the order b/m of the best possible. Inexactness: the rank bound over the messages as they
    came, a proof about the honest median plus a standard error. Cost O(m^2 d).

    Args:
        rule: what is applied to the mixtures.

    >>> NearestNeighborMixing()(np.array([[0.0], [1.0], [2.0], [1e9]]), b=1)
    array([1.])
    """

    rule: Aggregator = field(default_factory=TrimmedMean)

    def matrix(self, messages: Array, gram: Gram, b: int) -> Vector:
        """1/(m - b) at the nearest rows of each row."""
        m = len(gram)
        squared = distances(gram)
        np.fill_diagonal(squared, -1.0)  # nobody is nearer than the row itself, not even its copy
        farthest = np.partition(squared, m - b - 1, axis=1)[:, m - b - 1, None]
        nearest = squared <= farthest
        ties = np.flatnonzero(np.count_nonzero(nearest, axis=1) > m - b)
        order = np.argsort(squared[ties], axis=1, kind="stable")
        nearest[ties[:, None], order[:, m - b :]] = False
        return np.where(nearest, 1.0 / (m - b), 0.0)

    def weighed(self, messages: Array, gram: Gram, shares: Vector, b: int) -> tuple[Vector, Vector]:
        """The nearest rows up to a mass of 1 - beta, the last of them in part.

        beta is the mass of the b heaviest rows. Lemma 1 speaks of equal shares.
        """
        squared = distances(gram)
        np.fill_diagonal(squared, -1.0)
        order = np.argsort(squared, axis=1, kind="stable")
        mass, whole = shares[order], 1.0 - heaviest(shares, b)
        entered = np.clip(whole - (np.cumsum(mass, axis=1) - mass), 0.0, mass)
        A = np.zeros_like(squared)
        np.put_along_axis(A, order, np.where(entered > ROUNDING, entered, 0.0), axis=1)
        return A / A.sum(axis=1, keepdims=True), shares
