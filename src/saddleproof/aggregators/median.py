"""Coordinate-wise median (Section 5.2; Yin et al. 2018, Theorem 6 (i))."""

from __future__ import annotations

from dataclasses import dataclass

from saddleproof.aggregators.coordinatewise import CoordinateWise
from saddleproof.aggregators.engine.kernels import Window


@dataclass(frozen=True)
class Median(CoordinateWise):
    """Coordinate-wise median: u_k = med{g_1k, ..., g_mk}.

    Convention: for even m the midpoint of the two middle values, as NumPy does, to the bit;
    PyTorch's `median` takes the lower one. Breakdown (m - 1)//2. The inexactness is the rank bound
    of `saddleproof.aggregators.inexactness`. Statistical error (Theorem 6): of order
    alpha sqrt(d/n) + d/sqrt(nm) + sqrt(d)/n. Cost O(m d log^2 m) comparisons and one pass over
    the messages.

    Args:
        threads: how many the kernel may use; None asks OMP_NUM_THREADS, then the machine. The
            answer does not depend on it.

    >>> import numpy as np
    >>> Median()(np.array([[0.0, 5.0], [1.0, 6.0], [1e9, -1e9]]), b=1)
    array([1., 5.])
    """

    def breakdown(self, m: int) -> int:
        """(m - 1)//2: strictly fewer than half."""
        return (m - 1) // 2

    def window(self, m: int, b: int) -> Window:
        """The middle value, or the two middle values."""
        return Window((m - 1) // 2, m // 2 + 1)
