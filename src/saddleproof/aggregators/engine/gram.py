"""The m x m Gram matrix of the messages, and weighted sums of them: two passes, and no more.

Every rule that looks at distances only (Krum, the geometric median, nearest neighbours, filtering)
is m-sized work on

    K_ij = <x_i - r, x_j - r>,      ||x_i - x_j||^2 = K_ii + K_jj - 2 K_ij,

followed by one weighted sum of rows. r is a reference row. It must lie among the honest rows:
with all rows at a common offset of 1e4 spreads, eight of the sixteen digits of an uncentred K are
lost, and a mean would be wherever a single liar wants it. So r is the row whose median distance to
the others is least, on a sample of columns; liars who know the sample and hide elsewhere are seen
in K itself, and the coordinate-wise median takes the place of r.

K is kept in a unit of its own, so that rows of every length do (`engine/units.py`).
Products are first taken of the rows as they come. Only if that lost something to the range of
numbers do the rows pass again, twice: for the exponent of each, and scaled by it.

Rows are read in blocks of columns (`engine/row_blocks.py`), many query points with
few numbers each all at once. NumPy, and PyTorch and JAX on the CPU, go through BLAS (its symmetric
half, syrk: `engine/products.py`); arrays on a device stay there, and only K leaves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.engine.products import summed
from saddleproof.aggregators.engine.row_blocks import Rows, Seen, middle, to_numpy
from saddleproof.aggregators.engine.units import Exponents, Gram, exponents_of, in_units, plain
from saddleproof.arrays import Array, Vector, namespace

#: Numbers in the messages of one point up to which many points go together: 256 KB.
SMALL = 2**15
#: Columns that the choice of the reference row looks at.
SAMPLE = 256
#: Columns of which several sums are made at a time: the sums are as large as what they are made
#: of, and to get new pages for both from the system takes longer than to add up.
MIXED = 2**13
#: Squared distance from the reference, in those between rows, that costs 6 of 16 digits.
FAR = 1e6


def gram(messages: Array, seen: Seen | None = None) -> Gram:
    """K_ij = <x_i - r, x_j - r> for a reference row r among the honest ones, in its unit.

    Args:
        messages: (m, d) array of any supported library, or a list of m rows. A row with NaN or
            Inf spoils its own row and column of K only, and `distances` puts it at infinity.
        seen: told of each block of columns once it was read; a second time where the sample
            misled and the rows pass twice.

    Returns:
        `Gram`, float64, symmetric. Products depend on r, distances do not. Cost O(m^2 d / 2)
        multiplications and one pass over the messages; three where squares leave the range.

    >>> gram(np.array([[1e9, 0.0], [1e9, 3.0], [1e9 + 4.0, 0.0]])).products
    array([[ 0.,  0.,  0.],
           [ 0.,  9.,  0.],
           [ 0.,  0., 16.]])
    """
    if isinstance(messages, np.ndarray) and messages.size <= SMALL:
        return grams(messages[None]).each()[0]
    rows = Rows.of(messages, seen=seen)
    with np.errstate(all="ignore"):
        found = _measured(rows, int(_medoid(_sample(rows))))
        if _is_far(found.matrix):
            found = _measured(rows, None)
    return Gram(found.matrix, int(found.exponent), found.share)


def grams(stack: Array) -> Gram:
    """The `gram` of each of q query points, with a leading q, from their (q, m, d) messages."""
    q, m, d = stack.shape
    with np.errstate(all="ignore"):
        if isinstance(stack, np.ndarray) and m * d <= SMALL:
            together = SMALL // (m * d + 1) + 1
            parts = [_few(stack[k : k + together]) for k in range(0, q, together)]
            return Gram(
                np.concatenate([part.matrix for part in parts]),
                np.concatenate([part.exponent for part in parts]),
                np.concatenate([part.share for part in parts]),
            )
    each = [gram(stack[k, ...]) for k in range(q)]
    return Gram(
        np.stack([one.matrix for one in each]),
        np.array([one.exponent for one in each]),
        np.stack([one.share for one in each]),
    )


def distances(gram: Gram | Vector) -> Vector:
    """(..., m, m) squared distances max(0, K_ii + K_jj - 2 K_ij), in squared units of K.

    They are exactly zero on the diagonal, and inf from any row that has no place.

    >>> distances(np.array([[0.0, 0.0], [0.0, 9.0]]))
    array([[0., 9.],
           [9., 0.]])
    """
    K = gram.matrix if isinstance(gram, Gram) else gram
    square = _diagonal(K)
    with np.errstate(all="ignore"):
        found: Vector = square[..., :, None] + square[..., None, :]
        found -= 2.0 * K
        np.maximum(found, 0.0, out=found)
    np.copyto(found, np.inf, where=np.isnan(found))
    each = np.arange(K.shape[-1])
    found[..., each, each] = 0.0
    return found


def mixed(gram: Gram, matrix: Vector) -> Gram:
    """The Gram matrix A K A' of the mixtures y = A x, for (m', m) A whose rows sum to one.

    A row without a place spoils the mixtures that it enters, and no others. The mixtures have a
    unit of their own: those of far rows may be far, or near where A gives far rows little.

    >>> line = np.array([[0.0], [2.0], [np.nan]])
    >>> found = mixed(gram(line), np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]))
    >>> distances(found.products)[0]
    array([ 0.,  1., inf])
    """
    with np.errstate(all="ignore"):
        placed = gram.placed
        K = np.where(placed & placed[:, None], gram.matrix, 0.0)
        pulled = np.where(placed, matrix / np.where(placed, gram.share, 1.0), 0.0)
        exponents = exponents_of(np.abs(pulled).max(axis=1, initial=0.0))
        pulled = np.ldexp(pulled, -exponents[:, None])
        products = pulled @ K @ pulled.T
        spoiled: NDArray[np.bool_] = np.any(matrix[:, ~placed] != 0.0, axis=1)
        products[spoiled | spoiled[:, None]] = np.nan
        found = in_units(products, exponents)
    return Gram(found.matrix, int(found.exponent) + gram.exponent, found.share)


def combine(messages: Array, weights: Vector) -> Array:
    """sum_i w_i x_i, in float64 and rounded once.

    Args:
        messages: as in `gram`.
        weights: (m,), or (k, m) for k sums at once. What a row of weight zero holds does not
            matter, NaN too.

    Returns:
        (d,) or (k, d), newly made; same library, dtype and device as the messages. Cost O(k m d).

    >>> combine(np.array([[0.0, 2.0], [4.0, 4.0], [np.nan, np.inf]]), np.array([0.5, 0.5, 0.0]))
    array([2., 3.])
    """
    if isinstance(messages, np.ndarray) and weights.ndim == 1:
        return combined(messages[None], weights[None])[0]
    return _combine(messages, weights)


def combined(stack: Array, weights: Vector) -> list[Array]:
    """`combine` of each of q query points: (q, m, d) messages and (q, m) weights to q (d,)."""
    q, m, d = stack.shape
    if isinstance(stack, np.ndarray) and m * d <= SMALL and np.isfinite(stack).all():
        with np.errstate(all="ignore"):
            return list((weights[:, None, :] @ stack)[:, 0, :].astype(stack.dtype))
    return [_combine(stack[k, ...], weights[k]) for k in range(q)]


def _combine(messages: Array, weights: Vector) -> Array:
    """`combine`, in blocks of columns."""
    used = np.flatnonzero(weights.reshape(-1, weights.shape[-1]).any(axis=0))
    if not len(used):  # no row has a place
        used = np.arange(weights.shape[-1])
    rows = Rows.of(messages, used)
    w = weights[..., used]
    with np.errstate(all="ignore"):
        blocks = rows.blocks(MIXED if w.ndim > 1 else None)
        return rows.joined((_sums(rows.native(w), block) for _, block in blocks), *w.shape[:-1])


def _sums(w: Array, block: Array) -> Array:
    """w @ block, in which zero times NaN is zero."""
    xp = namespace(block)
    if w.ndim == 1 or xp.all(xp.isfinite(block)):
        return w @ block
    finite = xp.all(xp.isfinite(block), axis=1)
    spoiled = xp.any((w != 0) & ~finite, axis=1)
    return xp.where(spoiled[:, None], xp.nan, w @ xp.where(finite[:, None], block, 0.0))


def _measured(rows: Rows, reference: int | None) -> Gram:
    """Gram about the row `reference`, or about the coordinate-wise median."""
    m = len(rows.given)
    products = _centred(rows, reference)
    none = np.zeros(m, dtype=int)
    if plain(products, rows.smallest_square):
        return in_units(products, none)
    again = replace(rows, seen=None)
    quarter, largest = 0, _largest(again, reference, 0)
    if not np.isfinite(largest).all():  # perhaps a difference of finite numbers
        quarter, largest = 2, _largest(again, reference, 2)
    exponents = exponents_of(largest)
    return in_units(_centred(again, reference, exponents, quarter), exponents + quarter)


def _centred(
    rows: Rows, reference: int | None, exponents: Exponents | None = None, quarter: int = 0
) -> Vector:
    """(m, m) products of the rows about the reference, each times 2^-exponent."""
    z = _about(rows, reference, quarter)
    if exponents is not None:
        z = (rows.scaled(block, -exponents) for block in z)
    return summed(z, len(rows.given), on_device=rows.host is None)


def _largest(rows: Rows, reference: int | None, quarter: int) -> Vector:
    """(m,): the largest entry of each row about the reference."""
    found = np.zeros(len(rows.given))
    for block in _about(rows, reference, quarter):
        xp = namespace(block)
        found = np.maximum(found, to_numpy(xp.max(xp.abs(block), axis=1)))
    return found


def _about(rows: Rows, reference: int | None, quarter: int) -> Iterator[Array]:
    """Blocks of the rows about the reference, both times 2^-quarter."""
    for _, block in rows.blocks():
        if quarter:
            block *= 0.5**quarter  # noqa: PLW2901 - in place, where the library can
        origin = middle(block) if reference is None else block[reference, ...] + 0.0
        block -= origin  # noqa: PLW2901
        yield block


def _few(stack: Vector) -> Gram:
    """`gram` of each of a small (q, m, d) stack, step by step."""
    x = stack.astype(np.float64)
    step = max(-(-x.shape[2] // SAMPLE), 1)
    reference = _medoid(x[:, :, ::step])
    found = in_units(*_products(x, np.take_along_axis(x, reference[:, None, None], axis=1)))
    far = _is_far(found.matrix)
    if far.any():
        again = in_units(*_products(x[far], middle(x[far])[:, None, :]))
        found.matrix[far], found.exponent[far], found.share[far] = (
            again.matrix,
            again.exponent,
            again.share,
        )
    return found


def _products(x: Vector, origin: Vector) -> tuple[Vector, Exponents]:
    """What `in_units` asks for, of small (q, m, h) rows about (q, 1, h) origins."""
    z = x - origin
    products = z @ z.swapaxes(-1, -2)
    exponents = np.zeros(z.shape[:2], dtype=int)
    lost = ~plain(products, Rows.SMALLEST)
    if lost.any():
        quarter, largest = 0, np.abs(z[lost]).max(axis=-1, initial=0.0)
        z = z[lost]
        if not np.isfinite(largest).all():
            quarter, z = 2, 0.25 * x[lost] - 0.25 * origin[lost]
            largest = np.abs(z).max(axis=-1, initial=0.0)
        own = exponents_of(largest)
        z = np.ldexp(z, -own[..., None])
        products[lost], exponents[lost] = z @ z.swapaxes(-1, -2), own + quarter
    return products, exponents


def _sample(rows: Rows) -> Vector:
    found: Vector = to_numpy(rows.columns(slice(None, None, max(-(-rows.d // SAMPLE), 1))))
    return found


def _medoid(sample: Vector) -> NDArray[np.intp]:
    """(...): the row of each (..., m, h) sample with the least median distance to the others."""
    stack = sample if sample.ndim > 2 else sample[None]
    products, exponents = _products(stack, middle(stack)[:, None, :])
    about = in_units(products, exponents) if exponents.any() else products
    half = stack.shape[-2] // 2
    between = np.partition(distances(about), half, axis=-1)[..., half]
    return np.asarray(np.argmin(between, axis=-1).reshape(sample.shape[:-2]), np.intp)


def _is_far(gram: Vector) -> NDArray[np.bool_]:
    """(...): whether the reference is so far from most rows that it cost their distances digits.

    More than half of the rows are honest, so more than a quarter of the pairs: the lower quartile
    of the distances is the liars' to shrink, never to stretch. It is counted, not looked for.
    """
    m = gram.shape[-1]
    typical = np.sort(_diagonal(gram), axis=-1)[..., m // 2]
    near = FAR * distances(gram) < typical[..., None, None]
    itself = np.where(typical > 0.0, m, 0)  # each row is at distance 0 from itself
    pairs = (np.count_nonzero(near, axis=(-2, -1)) - itself) // 2
    far: NDArray[np.bool_] = (pairs > (m * (m - 1) // 2 - 1) // 4) & (m > 1)
    return far


def _diagonal(gram: Vector) -> Vector:
    return np.diagonal(gram, axis1=-2, axis2=-1)
