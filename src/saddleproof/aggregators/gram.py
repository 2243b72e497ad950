"""The m x m Gram matrix of the messages, and weighted sums of them: two passes, and no more.

Every rule that looks at distances only (Krum, the geometric median, nearest neighbours, filtering)
is m-sized work on

    K_ij = <x_i - r, x_j - r>,      ||x_i - x_j||^2 = K_ii + K_jj - 2 K_ij,

followed by one weighted sum of rows. r is a reference row. It must lie among the honest rows:
with all rows at a common offset of 1e4 spreads, eight of the sixteen digits of an uncentred K are
lost, and a mean would be wherever a single liar wants it. So r is the row whose median distance to
the others is least, on a sample of columns; liars who know the sample and hide elsewhere are seen
in K itself, and the coordinate-wise median takes the place of r.

Columns pass through a buffer in float64, chunk by chunk, whatever the dtype; memory-mapped rows
and lists of rows are never stacked. NumPy, and PyTorch and JAX on the CPU, go through BLAS (its
symmetric half, syrk) on shared memory; arrays on a device stay there, and only K leaves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Array, Vector, namespace

#: Numbers in the buffer of columns: 4 MB.
BUFFER = 2**19
#: Columns that the choice of the reference row looks at.
SAMPLE = 256
#: Squared distance from the reference, in those between rows, that costs 6 of 16 digits.
FAR = 1e6


def gram(messages: Array) -> Vector:
    """K_ij = <x_i - r, x_j - r> for a reference row r among the honest ones.

    Args:
        messages: (m, d) array of any supported library, or a list of m rows; finite. A row with
            NaN or Inf, or so long that its square overflows, spoils its own row and column of K
            only, and `distances` puts it at infinity.

    Returns:
        (m, m) float64, symmetric, in the squared unit of the messages. Products depend on r,
        distances do not. Cost O(m^2 d / 2) multiplications and one pass over the messages.

    >>> gram(np.array([[1e9, 0.0], [1e9, 3.0], [1e9 + 4.0, 0.0]]))
    array([[ 0.,  0.,  0.],
           [ 0.,  9.,  0.],
           [ 0.,  0., 16.]])
    """
    rows = Rows.of(messages)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        found = _centred(rows, _medoid(rows))
        if _is_far(found):
            found = _centred(rows, None)
    return found


def distances(gram: Vector) -> Vector:
    """(m, m) squared distances max(0, K_ii + K_jj - 2 K_ij) of a Gram matrix K.

    They are exactly zero on the diagonal, and inf from any row whose K is not finite.

    >>> distances(np.array([[0.0, 0.0], [0.0, 9.0]]))
    array([[0., 9.],
           [9., 0.]])
    """
    square = np.diagonal(gram)
    with np.errstate(invalid="ignore", over="ignore"):
        found = square[:, None] + square - 2.0 * gram
    found = np.where(np.isnan(found), np.inf, np.maximum(found, 0.0))
    np.fill_diagonal(found, 0.0)
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
        return rows.joined(_sums(rows.native(w), block) for _, block in rows.blocks())


@dataclass(frozen=True)
class Rows:
    """m rows of length d, to be read in blocks of columns.

    Attributes:
        host: the rows as NumPy vectors that share memory with the messages; None on a device.
        given: the rows as they came.
        d: their length.
    """

    host: list[Any] | None
    given: list[Array]
    d: int

    @classmethod
    def of(cls, messages: Array, which: Array | None = None) -> Rows:
        """The rows of a stack or a list, or those with the indices `which`."""
        chosen = range(len(messages)) if which is None else which.tolist()
        given = [messages[i] for i in chosen]
        return cls(_on_host(given), given, int(messages[0].shape[0]))

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Slices of columns, and the (m, h) float64 block in each; a buffer, valid for one turn."""
        m = max(len(self.given), 1)
        width = min(self.d, max(BUFFER // m, 256))
        buffer = None if self.host is None else np.empty((m, width))
        for start in range(0, self.d, width):
            columns = slice(start, min(start + width, self.d))
            yield columns, self.columns(columns, buffer)

    def columns(self, columns: slice, buffer: Vector | None = None) -> Array:
        """(m, h) float64: the columns of a slice."""
        if self.host is None:
            xp = namespace(self.given[0])
            return xp.astype(xp.stack([row[columns] for row in self.given]), xp.float64)
        width = len(range(*columns.indices(self.d)))
        block = np.empty((len(self.host), width)) if buffer is None else buffer[:, :width]
        for target, row in zip(block, self.host, strict=True):
            target[:] = row[columns]
        return block

    def native(self, small: Vector) -> Array:
        """A small NumPy array where the blocks are: itself, or on the rows' device."""
        if self.host is not None:
            return small
        xp = namespace(self.given[0])
        return xp.asarray(small, device=_device(self.given[0]))

    def joined(self, pieces: Iterable[Array]) -> Array:
        """Pieces (..., h) side by side, as an array of the rows' library, dtype and device."""
        like = self.given[0]
        xp = namespace(like)
        if self.host is None:
            return xp.concat([xp.astype(piece, like.dtype) for piece in pieces], axis=-1)
        dtype = self.host[0].dtype
        whole = np.concatenate([piece.astype(dtype) for piece in pieces], axis=-1)
        return whole if isinstance(like, np.ndarray) else xp.asarray(whole)


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


def _medoid(rows: Rows) -> int:
    """The row with the least median distance to the others, on a sample of columns."""
    sample = to_numpy(rows.columns(slice(None, None, -(-rows.d // SAMPLE))))
    z = sample - _middle(sample)
    return int(np.argmin(np.sort(distances(z @ z.T), axis=1)[:, len(z) // 2]))


def _is_far(gram: Vector) -> bool:
    """Whether the reference is so far from most rows that it cost their distances digits.

    More than half of the rows are honest, so more than a quarter of the pairs: the lower quartile
    of the distances is the liars' to shrink, never to stretch.
    """
    m = len(gram)
    pairs = np.sort(distances(gram)[np.triu_indices(m, 1)])
    return m > 1 and bool(np.sort(np.diagonal(gram))[m // 2] > FAR * pairs[(len(pairs) - 1) // 4])


def _middle(block: Array) -> Array:
    xp = namespace(block)
    return xp.sort(block, axis=0)[block.shape[0] // 2, ...]


def _on_host(given: list[Array]) -> list[Any] | None:
    """The rows as NumPy vectors on shared memory; None where they are not NumPy's to read."""
    try:
        return [row if isinstance(row, np.ndarray) else np.from_dlpack(row) for row in given]
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
        return None  # on a device, or of a dtype that NumPy has not: bfloat16


def _device(x: Array) -> Array:
    from array_api_compat import device

    return device(x)


def to_numpy(x: Array) -> Any:
    """A small array of any library as a NumPy array."""
    if not isinstance(x, np.ndarray):
        from array_api_compat import to_device

        x = to_device(x, "cpu")
    return np.asarray(x)
