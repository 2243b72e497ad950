"""Mean around the median (Xie, Koyejo and Gupta 2018, "Generalized Byzantine-tolerant SGD")."""

from __future__ import annotations

from dataclasses import dataclass

from saddleproof.aggregators.coordinatewise import CoordinateWise
from saddleproof.aggregators.engine.kernels import Window


@dataclass(frozen=True)
class MeanAroundMedian(CoordinateWise):
    """In each coordinate, the average of the m - b values that are nearest to the median.

    It averages more values than the trimmed mean, m - b instead of m - 2b, and drops them from
    whichever side they stick out. Also known as MeaMed.

    Convention: the median is the midpoint for even m; of two values equally far from it, one on
    each side, the lower counts as the nearer. Distances are compared without rounding. Breakdown
    (m - 1)//2. The inexactness is the rank bound of `saddleproof.aggregators.inexactness`. Cost
    O(m d log^2 m) comparisons and one pass over the messages: the b smallest and b largest ranks
    are sorted, and one more layer of comparisons picks the b nearest of them.

    Args:
        threads: how many the kernel may use; None asks OMP_NUM_THREADS, then the machine. The
            answer does not depend on it.

    >>> import numpy as np
    >>> MeanAroundMedian()(np.array([[0.0], [4.0], [5.0], [6.0], [1e9]]), b=2)  # 4, 5 and 6
    array([5.])
    """

    def breakdown(self, m: int) -> int:
        """(m - 1)//2: strictly fewer than half."""
        return (m - 1) // 2

    def window(self, m: int, b: int) -> Window:
        """The m - 2b middle values, and the nearer one of each outer pair."""
        return Window(b, m - b, pairs=b)
