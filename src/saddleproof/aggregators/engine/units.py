"""Inner products of rows of any length, each point's in a unit of its own: a power of two.

Squares leave the range of float64 long before lengths do: those of 1e-170 are zero and those of
1e160 infinite. So a Gram matrix is kept in a unit. The rows' lengths from the reference row are put
in order, and the unit is the power of two next to the one of rank m//2: more than half of the rows
are within it, so liars cannot choose it, and it scales with the rows. All that follows (scores,
iterations, eigenvectors) is then the same to the bit at every scale.

What holds for rows that lie far off, in units:

    up to 2^300           as in exact arithmetic, up to rounding
    beyond                pulled in towards the reference row, to 2^300 times the sixteenth root of
                          how much farther they are; their order and directions stay, and what
                          they say of near rows: rounding is larger than what changes
    NaN, Inf              infinitely far from all rows
    nearer than 2^-320    rows that coincide

A rule whose answer depends on where a far row is (the geometric median) gives it its true weight,
which is `share` times the one that its pulled-in row has. Beyond 2^1000 units that weight is no
number any more: the row still has its say in which rows are the answer, but it adds nothing to a
sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector

Exponents = NDArray[np.int_]

#: The power of two, in units, beyond which rows are pulled in.
FAR = 300
#: Lengths beyond `FAR` are to this root.
ROOT = 16
#: Products below this are zero: 2^-320 units, squared.
NOTHING = 2.0**-640


@dataclass(frozen=True)
class Gram:
    """The Gram matrix of m rows about a reference row; for q query points with a leading q.

    Attributes:
        matrix: (m, m) products in squared units of 2^exponent. Rows with NaN or Inf have no place:
            they hold NaN, and inf on the diagonal.
        exponent: (), of the unit.
        share: (m,) by how much a row was pulled in: 1 near, less far off, 0 for no place.
    """

    matrix: Vector
    exponent: Any
    share: Vector

    def __len__(self) -> int:
        return int(self.matrix.shape[-1])

    def each(self) -> list[Gram]:
        """Those of q query points, one by one."""
        return [
            Gram(matrix, int(exponent), share)
            for matrix, exponent, share in zip(self.matrix, self.exponent, self.share, strict=True)
        ]

    @property
    def placed(self) -> NDArray[np.bool_]:
        """(m,): the rows that have a place."""
        found: NDArray[np.bool_] = self.share > 0.0
        return found

    @property
    def products(self) -> Vector:
        """`matrix` in the rows' own unit, squared; inf and 0 beyond all numbers."""
        with np.errstate(all="ignore"):
            power = np.asarray(2 * self.exponent)[..., None, None]
            found: Vector = np.ldexp(self.matrix, power)
        return found

    def length(self, given: float) -> Any:
        """(): a length in the rows' unit, in units of the matrix; inf or 0 beyond all numbers."""
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(given, -self.exponent)


def in_units(products: Vector, exponents: Exponents) -> Gram:
    """(..., m, m) products of rows z_i 2^-e_i to the Gram matrices of the z_i, in their units.

    Args:
        products: finite but for the rows and columns of rows that have no place.
        exponents: (..., m) e_i.

    >>> one = in_units(np.diag([0.0, 1.0, 4.0]), np.array([0, 600, 600]))
    >>> int(one.exponent), np.diagonal(one.matrix).tolist()
    (600, [0.0, 1.0, 4.0])
    """
    m = products.shape[-1]
    square = np.diagonal(products, axis1=-2, axis2=-1)
    known = np.isfinite(square)
    mantissa, power = np.frexp(np.where(known, square, 0.0))
    odd = power % 2
    mantissa, half = np.ldexp(mantissa, odd), (power - odd) // 2 + exponents  # |z|^2 = mant 4^half
    exponent = _unit(half, mantissa > 0, known)
    if known.all() and not exponents.any() and (half < exponent[..., None] + FAR).all():
        with np.errstate(under="ignore"):
            near: Vector = np.ldexp(products, -2 * exponent[..., None, None])
        near[np.abs(near) < NOTHING] = 0.0
        return Gram(near, exponent, np.ones(square.shape))
    with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):
        length = half - exponent[..., None] + 0.5 * np.log2(mantissa)  # log2, in units
        far = length > FAR
        pulled = FAR + (length - FAR) / ROOT
        share = np.where(far, np.exp2(np.maximum(pulled - length, -1000.0)), 1.0)
        # Products of pulled-in rows: by mantissas, so that a scale of all rows changes no bit.
        stretch = np.where(far, np.exp2(pulled - FAR) / np.sqrt(mantissa), 1.0)
        shift = np.where(far, FAR + exponents - half, exponents - exponent[..., None])
        found: Vector = np.ldexp(products, shift[..., :, None] + shift[..., None, :])
        if far.any():
            found = found * stretch[..., :, None] * stretch[..., None, :]
    found[np.abs(found) < NOTHING] = 0.0
    if not known.all():
        found[~(known[..., :, None] & known[..., None, :])] = np.nan
        found[..., np.arange(m), np.arange(m)] = np.where(
            known, np.diagonal(found, axis1=-2, axis2=-1), np.inf
        )
        share = np.where(known, share, 0.0)
    return Gram(found, exponent, share)


def _unit(half: Exponents, apart: NDArray[np.bool_], known: NDArray[np.bool_]) -> Exponents:
    """(...,): the exponent of rank m//2; of the next that is longer than 0, if that one is 0."""
    m = half.shape[-1]
    nothing, everything = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    order = np.sort(np.where(known, np.where(apart, half, nothing), everything), axis=-1)
    usable = (order > nothing) & (order < everything)
    above = np.where(usable, order, everything)[..., m // 2 :].min(axis=-1)
    below = np.where(usable, order, nothing).max(axis=-1)
    found = np.where(above < everything, above, below)
    return np.where(found > nothing, found, 0)


def plain(products: Vector, smallest: float) -> NDArray[np.bool_]:
    """(...,): whether (..., m, m) products of rows as they come lost nothing to their range.

    Args:
        products: of rows about a reference.
        smallest: squared length of the row of rank m//2 from which nothing is lost.
    """
    square = np.sort(np.diagonal(products, axis1=-2, axis2=-1), axis=-1)
    found: NDArray[np.bool_] = np.isfinite(square[..., -1]) & (
        square[..., square.shape[-1] // 2] >= smallest
    )
    return found


def exponents_of(largest: Vector) -> Exponents:
    """(..., m) exponents that bring rows with these largest entries to a length of about 1."""
    found: Exponents = np.frexp(np.where(np.isfinite(largest), largest, 0.0))[1]
    return found


def lengths(rows: Vector, axis: int = -1) -> Vector:
    """2-norms over an axis, of NumPy arrays of any size, without overflow or underflow.

    >>> (lengths(np.array([[3.0, 4.0], [0.0, 0.0]]) * 2.0**-900) * 2.0**900).tolist()
    [5.0, 0.0]
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        largest = np.max(np.abs(rows), axis=axis, keepdims=True, initial=0.0)
        exponent = exponents_of(largest)
        found = np.linalg.norm(np.ldexp(rows, -exponent), axis=axis)
        known: Vector = np.ldexp(found, np.squeeze(exponent, axis=axis))
        return known
