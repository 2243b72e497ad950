"""Rows as seen from the origin, for the rules that look at lengths and angles of whole messages.

Each row is z_i 2^e_i with z_i of a length near 1, so that a scale of all rows changes no bit, and
rows of any two lengths can be compared. `engine/gram.py` is for rules that see differences only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from saddleproof.aggregators.engine.row_blocks import Rows, to_numpy
from saddleproof.aggregators.engine.units import Exponents, exponents_of
from saddleproof.arrays import Array, Vector, namespace

#: Exponents of a row of zeros, and of a row with NaN or Inf: shorter and longer than all others.
SHORTEST, LONGEST = -(2**20), 2**20


@dataclass(frozen=True)
class FromOrigin:
    """m rows x_i = z_i 2^e_i.

    Attributes:
        rows: the messages.
        exponents: (m,) e_i.
        lengths: (m,) |z_i|, from 1/2 to sqrt(d); 0 for a row of zeros, inf for NaN and Inf.
    """

    rows: Rows
    exponents: Exponents
    lengths: Vector

    @classmethod
    def of(cls, messages: Array) -> FromOrigin:
        """(m, d) messages of any supported library, or a list of m rows; two passes."""
        rows = Rows.of(messages)
        m = len(rows.given)
        largest, squares = np.zeros(m), np.zeros(m)
        with np.errstate(all="ignore"):
            for _, block in rows.blocks():
                xp = namespace(block)
                largest = np.maximum(largest, to_numpy(xp.max(xp.abs(block), axis=1)))
            exponents = exponents_of(largest)
            for _, block in rows.blocks():
                z = rows.scaled(block, -exponents)
                squares += to_numpy(namespace(z).sum(z * z, axis=1))
            lengths = np.sqrt(squares)
        return cls(rows, exponents, np.where(np.isfinite(lengths), lengths, np.inf))

    def blocks(self) -> Iterator[Array]:
        """The z_i, in blocks of columns."""
        for _, block in self.rows.blocks():
            yield self.rows.scaled(block, -self.exponents)

    def products(self, i: int) -> Vector:
        """(m,) <z_j, z_i>; NaN for a row with NaN or Inf."""
        found = np.zeros(len(self.lengths))
        with np.errstate(all="ignore"):
            for z in self.blocks():
                found += to_numpy(z @ z[i, ...])
        return found

    def order(self) -> Exponents:
        """(m,) indices from the shortest row to the longest, ties by index."""
        mantissa, power = np.frexp(np.where(np.isfinite(self.lengths), self.lengths, 0.0))
        whole = np.where(self.lengths > 0.0, power + self.exponents, SHORTEST)
        whole = np.where(np.isfinite(self.lengths), whole, LONGEST)
        found: Exponents = np.lexsort((mantissa, whole))
        return found

    def shortened(self, limit: float, exponent: int) -> tuple[Array, Vector]:
        """The rows, each no longer than limit 2^exponent, and how much of each is left.

        Returns:
            An (m, d) stack, newly made, of the library, dtype and device of the messages, and (m,)
            factors: 1 for a row that fits, 0 for one with NaN or Inf, which becomes zeros.
        """
        with np.errstate(all="ignore"):
            share = np.where(self.lengths > 0.0, limit / self.lengths, 1.0)
            factor = np.ldexp(share, exponent - self.exponents)
            long = factor < 1.0
            factor = np.where(np.isinf(self.lengths), 0.0, np.where(long, factor, 1.0))
            some, less = (factor > 0.0).astype(float), (factor < 1.0).astype(float)
            native = self.rows.native
            powers = np.full(len(share), exponent)

            def pieces() -> Iterator[Array]:
                for _, block in self.rows.blocks():
                    xp = namespace(block)
                    z = self.rows.scaled(block, -self.exponents)
                    short = self.rows.scaled(z * native(share)[:, None], powers)
                    short = xp.where(native(some)[:, None] > 0.0, short, 0.0)
                    yield xp.where(native(less)[:, None] > 0.0, short, block)

            return self.rows.joined(pieces(), len(share)), factor
