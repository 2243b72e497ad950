"""Geometric median of means (Chen, Su, Xu 2017, "Byzantine gradient descent"; row of Table 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from saddleproof.aggregators.engine.gram import mixed
from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.geometric_median import weiszfeld
from saddleproof.aggregators.weighted import WeightedRule
from saddleproof.arguments import check_options, real, whole
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class MedianOfMeans(WeightedRule):
    """Geometric median of the means of k batches of rows.

    The rows, in their order, are cut into k batches of m/k (sizes differ by one where k does not
    divide m); b liars spoil at most b batches, so k > 2b is needed. Fewer batches average more
    noise away, more of them hold more liars: with a = b/k, the error of k batch means is
    r (1 - a)/sqrt(1 - 2a) (Minsker 2015) with r ~ sqrt(k), least at a = 1/3. So k = 3b unless
    given (m where there are fewer rows, 1 for b = 0, which is the mean). Chen, Su and Xu write
    k = 2 (1 + epsilon) b; this is their epsilon = 1/2. The order of the rows matters.
    Inexactness: the rank bound over all rows (`saddleproof.aggregators.inexactness`).
    Cost O(m^2 d).

    Args:
        batches: k, 1 <= k; at most m of them are made.
        tolerance, max_iterations: as in `GeometricMedian`.

    >>> MedianOfMeans(batches=3)(np.array([[0.0], [2.0], [2.0], [4.0], [9.0], [1e9]]), b=1)
    array([3.])
    """

    batches: int | None = None
    tolerance: float = 1e-10
    max_iterations: int = 1000
    needs: ClassVar[str] = "more than 2b batches"

    def __post_init__(self) -> None:
        check_options(self)
        real("tolerance", self.tolerance, above=0)
        whole("max_iterations", self.max_iterations, least=1)
        if self.batches is not None and self.batches < 1:
            raise OptionError(f"MedianOfMeans needs batches >= 1; got {self.batches}")

    def breakdown(self, m: int) -> int:
        """(k - 1)//2 with k batches, (m - 1)//2 where the rule chooses them."""
        return ((m if self.batches is None else min(self.batches, m)) - 1) // 2

    def weights(self, gram: Gram, b: int) -> Vector:
        """w'A with A the (k, m) matrix of batch means and w their geometric median."""
        m = len(gram)
        k = min(m, max(3 * b, 1) if self.batches is None else self.batches)
        A = np.zeros((k, m))
        for row, batch in zip(A, np.array_split(np.arange(m), k), strict=True):
            row[batch] = 1.0 / len(batch)
        found = weiszfeld(mixed(gram, A), self.tolerance, self.max_iterations)
        return found.weights @ A
