"""Sums of products Z Z' over blocks of columns: where many rows are, in place and by half.

NumPy multiplies a block into new memory, mirrors it and adds it. From some hundred rows on that
costs a fifth of the product, so BLAS's own symmetric update adds each block to one triangle, and
the triangle is mirrored once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from saddleproof.aggregators.engine.row_blocks import to_numpy
from saddleproof.arrays import Array, Vector

#: Rows from which one triangle is worth the time that SciPy takes to load.
TRIANGLE_FROM = 256


def summed(blocks: Iterable[Array], m: int, on_device: bool = False) -> Vector:
    """(m, m) sum of Z Z' over (m, h) blocks Z, exactly symmetric.

    What is not finite in a row of a block spoils that row and column of the sum, and no others.

    Args:
        blocks: float64 of NumPy; each may be overwritten once the next one is asked for.
        m: their rows.
        on_device: whether the blocks are another library's, and are multiplied where they are.

    >>> summed([np.array([[1.0], [2.0]]), np.array([[0.0, 1.0], [3.0, 0.0]])], 2)
    array([[ 2.,  2.],
           [ 2., 13.]])
    """
    if on_device or m < TRIANGLE_FROM:
        whole = np.zeros((m, m))
        for block in blocks:
            whole += to_numpy(block @ block.T)
        return whole
    from scipy.linalg.blas import dsyrk  # slow to load

    lower = np.zeros((m, m), order="F")
    for block in blocks:
        lower = dsyrk(1.0, block.T, beta=1.0, c=lower, trans=1, lower=1, overwrite_c=1)
    found: Vector = lower + lower.T
    np.fill_diagonal(found, np.diagonal(lower))
    return found
