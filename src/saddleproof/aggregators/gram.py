"""The m x m Gram matrix of the messages, and weighted sums of them: two passes, and no more.

Every rule that looks at distances only (Krum, the geometric median, nearest neighbours, filtering)
is m-sized work on

    K_ij = <x_i - r, x_j - r>,      ||x_i - x_j||^2 = K_ii + K_jj - 2 K_ij,

followed by one weighted sum of rows. r is a reference row. It must lie among the honest rows:
with all rows at a common offset of 1e4 spreads, eight of the sixteen digits of an uncentred K are
lost, and a mean would be wherever a single liar wants it. So r is the row whose median distance to
the others is least, on a sample of columns; liars who know the sample and hide elsewhere are seen
in K itself, and the coordinate-wise median takes the place of r.

Rows are read in blocks of columns (`saddleproof.aggregators.row_blocks`), many query points with
few numbers each all at once. NumPy, and PyTorch and JAX on the CPU, go through BLAS (its symmetric
half, syrk); arrays on a device stay there, and only K leaves it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.row_blocks import Rows, Seen, to_numpy
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


def gram(messages: Array, seen: Seen | None = None) -> Vector:
    """K_ij = <x_i - r, x_j - r> for a reference row r among the honest ones.

    Args:
        messages: (m, d) array of any supported library, or a list of m rows; finite. A row with
            NaN or Inf, or so long that its square overflows, spoils its own row and column of K
            only, and `distances` puts it at infinity.
        seen: told of each block of columns once it was read; a second time where the sample
            misled and the rows pass twice.

    Returns:
        (m, m) float64, symmetric, in the squared unit of the messages. Products depend on r,
        distances do not. Cost O(m^2 d / 2) multiplications and one pass over the messages.

    >>> gram(np.array([[1e9, 0.0], [1e9, 3.0], [1e9 + 4.0, 0.0]]))
    array([[ 0.,  0.,  0.],
           [ 0.,  9.,  0.],
           [ 0.,  0., 16.]])
    """
    rows = Rows.of(messages, seen=seen)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        found = _centred(rows, int(_medoid(_sample(rows))))
        if _is_far(found):
            found = _centred(rows, None)
    return found


def grams(stack: Array) -> Vector:
    """(q, m, m): `gram` of each of q query points, from their (q, m, d) messages."""
    q, m, d = stack.shape
    if not isinstance(stack, np.ndarray) or m * d > SMALL:
        return np.stack([gram(stack[k, ...]) for k in range(q)])
    together = SMALL // (m * d) + 1
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        return np.concatenate([_few(stack[k : k + together]) for k in range(0, q, together)])


def distances(gram: Vector) -> Vector:
    """(..., m, m) squared distances max(0, K_ii + K_jj - 2 K_ij) of Gram matrices K.

    They are exactly zero on the diagonal, and inf from any row whose K is not finite.

    >>> distances(np.array([[0.0, 0.0], [0.0, 9.0]]))
    array([[0., 9.],
           [9., 0.]])
    """
    square = _diagonal(gram)
    with np.errstate(invalid="ignore", over="ignore"):
        found = square[..., :, None] + square[..., None, :] - 2.0 * gram
    found = np.where(np.isnan(found), np.inf, np.maximum(found, 0.0))
    each = np.arange(gram.shape[-1])
    found[..., each, each] = 0.0
    return found


def mixed(gram: Vector, matrix: Vector) -> Vector:
    """Gram matrix A K A' of the mixtures y = A x, for (m', m) A whose rows sum to one.

    A row of K that is not finite spoils the mixtures that it enters, and no others.

    >>> mixed(np.array([[0.0, np.nan], [np.nan, np.inf]]), np.array([[1.0, 0.0], [0.5, 0.5]]))
    array([[ 0., nan],
           [nan, nan]])
    """
    bad: NDArray[np.bool_] = ~np.isfinite(np.diagonal(gram))
    found: Vector = matrix @ np.where(bad | bad[:, None], 0.0, gram) @ matrix.T
    spoiled: NDArray[np.bool_] = np.any(matrix[:, bad], axis=1)
    found[spoiled | spoiled[:, None]] = np.nan
    return found


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
    used = np.flatnonzero(weights.reshape(-1, weights.shape[-1]).any(axis=0))
    rows = Rows.of(messages, used)
    w = weights[..., used]
    with np.errstate(over="ignore", under="ignore"):
        blocks = rows.blocks(MIXED if w.ndim > 1 else None)
        return rows.joined((_sums(rows.native(w), block) for _, block in blocks), *w.shape[:-1])


def combined(stack: Array, weights: Vector) -> list[Array]:
    """`combine` of each of q query points: (q, m, d) messages and (q, m) weights to q (d,)."""
    q, m, d = stack.shape
    if isinstance(stack, np.ndarray) and m * d <= SMALL and np.isfinite(stack).all():
        with np.errstate(over="ignore", under="ignore"):
            return list((weights[:, None, :] @ stack)[:, 0, :].astype(stack.dtype))
    return [combine(stack[k, ...], weights[k]) for k in range(q)]


def _sums(w: Array, block: Array) -> Array:
    """w @ block, in which zero times NaN is zero."""
    xp = namespace(block)
    if w.ndim == 1 or xp.all(xp.isfinite(block)):
        return w @ block
    finite = xp.all(xp.isfinite(block), axis=1)
    spoiled = xp.any((w != 0) & ~finite, axis=1)
    return xp.where(spoiled[:, None], xp.nan, w @ xp.where(finite[:, None], block, 0.0))


def _centred(rows: Rows, reference: int | None) -> Vector:
    """Gram about the row `reference`, or about the coordinate-wise median."""
    found = np.zeros((len(rows.given), len(rows.given)))
    for _, block in rows.blocks():
        origin = _middle(block) if reference is None else block[reference, ...] + 0.0
        block -= origin  # noqa: PLW2901 - in place, where the library can
        found += to_numpy(block @ block.T)
    return found


def _few(stack: Vector) -> Vector:
    """`grams` of a small (q, m, d) stack, step by step what `gram` does."""
    x = stack.astype(np.float64)
    step = -(-x.shape[2] // SAMPLE)
    reference = _medoid(x[:, :, ::step])
    found = _products(x - np.take_along_axis(x, reference[:, None, None], axis=1))
    far = _is_far(found)
    if far.any():
        found[far] = _products(x[far] - _middle(x[far])[:, None, :])
    return found


def _products(z: Vector) -> Vector:
    found: Vector = z @ z.transpose(0, 2, 1)
    return found


def _sample(rows: Rows) -> Vector:
    found: Vector = to_numpy(rows.columns(slice(None, None, -(-rows.d // SAMPLE))))
    return found


def _medoid(sample: Vector) -> NDArray[np.intp]:
    """(...): the row of each (..., m, h) sample with the least median distance to the others."""
    z = sample - _middle(sample)[..., None, :]
    between = np.sort(distances(z @ z.swapaxes(-1, -2)), axis=-1)
    found: NDArray[np.intp] = np.argmin(between[..., z.shape[-2] // 2], axis=-1)
    return found


def _is_far(gram: Vector) -> NDArray[np.bool_]:
    """(...): whether the reference is so far from most rows that it cost their distances digits.

    More than half of the rows are honest, so more than a quarter of the pairs: the lower quartile
    of the distances is the liars' to shrink, never to stretch.
    """
    m = gram.shape[-1]
    if m == 1:
        return np.zeros(gram.shape[:-2], dtype=bool)
    above = np.triu_indices(m, 1)
    pairs = np.sort(distances(gram)[..., above[0], above[1]], axis=-1)
    typical = np.sort(_diagonal(gram), axis=-1)[..., m // 2]
    far: NDArray[np.bool_] = typical > FAR * pairs[..., (pairs.shape[-1] - 1) // 4]
    return far


def _diagonal(gram: Vector) -> Vector:
    return np.diagonal(gram, axis1=-2, axis2=-1)


def _middle(block: Array) -> Array:
    """(..., h): per column, the upper median of (..., m, h)."""
    xp = namespace(block)
    return xp.sort(block, axis=-2)[..., block.shape[-2] // 2, :]
