"""Coordinate-wise trimmed mean (Section 5.2; Yin et al. 2018, Theorem 6 (ii))."""

from __future__ import annotations

from dataclasses import dataclass

from saddleproof.aggregators.coordinatewise import CoordinateWise
from saddleproof.aggregators.engine.kernels import Window


@dataclass(frozen=True)
class TrimmedMean(CoordinateWise):
    """Coordinate-wise trimmed mean: drop the b largest and the b smallest, average the rest.

    Convention: exactly b rows are dropped on each side (the paper's beta = b/m), never
    int(beta m) of a rounded share; b = 0 is the mean. Breakdown (m - 1)//2. The inexactness is
    the rank bound of `saddleproof.aggregators.inexactness`. Statistical error (Theorem 6): of
    order alpha d/sqrt(n) + d/sqrt(nm). Cost O(m d log^2 m) comparisons and one pass over the
    messages.

    Args:
        threads: how many the kernel may use; None asks OMP_NUM_THREADS, then the machine. The
            answer does not depend on it.

    >>> import numpy as np
    >>> TrimmedMean()(np.array([[0.0], [1.0], [2.0], [1e9]]), b=1)
    array([1.5])
    """

    def breakdown(self, m: int) -> int:
        """(m - 1)//2: something must be left after trimming both sides."""
        return (m - 1) // 2

    def window(self, m: int, b: int) -> Window:
        """All but b on each side."""
        return Window(b, m - b)
