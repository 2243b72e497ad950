"""The plain average: what a single liar moves anywhere. The baseline, never the defence."""

from __future__ import annotations

from dataclasses import dataclass

from saddleproof.aggregators.coordinatewise import CoordinateWise
from saddleproof.aggregators.engine.kernels import Window


@dataclass(frozen=True)
class Mean(CoordinateWise):
    """Average of all messages, (1/m) sum_i g_i.

    The mean holds no Byzantine row: breakdown point 0. It accepts b > 0 all the same, because
    "what happens to plain averaging?" is the first question of every comparison; its inexactness
    then says how far the ranks of the messages contradict it. Cost O(m d); `estimate` sorts too,
    for the inexactness.

    Args:
        threads: how many the kernel may use; None asks OMP_NUM_THREADS, then the machine. The
            answer does not depend on it.

    >>> import numpy as np
    >>> Mean()(np.array([[0.0, 1.0], [2.0, 3.0]]), b=0)
    array([1., 2.])
    """

    def breakdown(self, m: int) -> int:
        """(m - 1)//2 rows are *accepted*; even one of them moves the mean anywhere."""
        return (m - 1) // 2

    def window(self, m: int, b: int) -> Window:
        """Everything."""
        return Window(0, m)
