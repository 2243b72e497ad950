"""Norm-based trimming, an idea of Ghosh, Maity, Mazumdar 2024 ("DIST-CURE", ISIT)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from saddleproof.aggregators.base import Estimate, Rule
from saddleproof.aggregators.engine.row_blocks import Rows, to_numpy
from saddleproof.aggregators.engine.units import exponents_of
from saddleproof.aggregators.weighted import points, require, weighted_sums
from saddleproof.arguments import check_options
from saddleproof.arrays import Array, Vector, namespace
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class NormTrimming(Rule):
    """Drop the longest rows, average the rest.

    Of the m rows the ceil(beta m) with the largest 2-norm are left out, ties by index. A liar's
    row that is kept is no longer than the longest honest row; the rule promises nothing more.
    Norm trimming is a rule for *steps* that workers propose, which should be short, and not for
    gradients that differ from zero: b liars of honest length in one direction move the mean of
    the gradients by b/m of that length. With `CubicNewton` the rule gives the idea of DIST-CURE.

    Not indifferent to shifts. Inexactness: the rank bound of `saddleproof.aggregators.inexactness`.
    Breakdown: b <= beta m, and fewer than half. Cost O(m d).

    Args:
        beta: share that is dropped, in [0, 1); at least b/m, or the call is refused. None, a
            choice of this library, drops b rows.

    Raises:
        OptionError: beta outside its range.

    >>> NormTrimming()(np.array([[1.0], [-2.0], [0.0], [9.0]]), b=1)
    array([-0.33333333])
    """

    beta: float | None = None

    def __post_init__(self) -> None:
        check_options(self)
        if self.beta is not None and not 0 <= self.beta < 1:
            raise OptionError(f"NormTrimming needs 0 <= beta < 1 or None; got {self.beta}")

    def breakdown(self, m: int) -> int:
        """As many as are dropped, and fewer than half."""
        return (m - 1) // 2 if self.beta is None else min(self.dropped(m, 0), (m - 1) // 2)

    def dropped(self, m: int, b: int) -> int:
        """ceil(beta m), or b."""
        # The product of a share such as 3/10 with m may round to just above a whole number.
        return b if self.beta is None else min(math.ceil(self.beta * m - 1e-9), m - 1)

    def estimates(self, stack: Array, b: int) -> Estimate:
        """Vectors, inexactness and kept for q query points at once: a (q, m, d) stack."""
        require(self, int(stack.shape[1]), b, "b <= beta m and 2b < m")
        return super().estimates(stack, b)

    def _batch(self, stack: Array, b: int) -> Estimate:
        m = int(stack.shape[1])
        k = m - self.dropped(m, b)
        weights = []
        for x in points(stack):
            shortest = np.argsort(lengths_of(x), kind="stable")[:k]
            weights.append(np.isin(np.arange(m), shortest) / k)
        return weighted_sums(stack, weights, b)


def lengths_of(x: Array) -> Vector:
    """(m,) 2-norms of (m, d) messages, in float64; inf where a row has none."""
    rows = Rows.of(x)
    with np.errstate(all="ignore"):
        squares, largest = np.zeros(len(x)), np.zeros(len(x))
        for _, block in rows.blocks():
            xp = namespace(block)
            squares += to_numpy(xp.sum(block * block, axis=1))
            largest = np.maximum(largest, to_numpy(xp.max(xp.abs(block), axis=1)))
        found = np.sqrt(squares)
        if (~np.isfinite(squares) | (squares < rows.smallest_square)).any():
            exponents, squares = exponents_of(largest), np.zeros(len(x))
            for _, block in rows.blocks():
                squares += to_numpy(
                    namespace(block).sum(rows.scaled(block, -exponents) ** 2, axis=1)
                )
            found = np.ldexp(np.sqrt(squares), exponents)
    return np.nan_to_num(found, nan=np.inf, posinf=np.inf)
