"""What the mean, the median, the trimmed mean and the mean around the median share.

Each of them averages a window of the m sorted numbers of a coordinate; a rule is its window.
Two ways lead there:

- the block kernel (`engine/kernels.py`), for arrays of any library in main memory
  and for lists of separate rows, without copying them;
- a sort in the arrays' own library: on a device, inside its gradients, and for little data
  (`saddleproof.aggregators.engine.device_sort`).

Medians are NumPy's to the bit on both. Sums are exact but for the last rounding: the kernel adds
float32 in float64, and anything else carries along what each addition loses (Knuth's two-sum).
NaN, which the oracle never lets through, counts as +inf.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from saddleproof.aggregators.base import Estimate, Rule, check_breakdown, quiet, scalar
from saddleproof.aggregators.engine import kernels
from saddleproof.aggregators.engine.device_sort import in_order
from saddleproof.aggregators.engine.kernels import Scan, Window
from saddleproof.aggregators.engine.kernels_rows import as_like, is_16_bit, rows_of
from saddleproof.aggregators.inexactness import bound_from_norms, rank_inexactness, refusal
from saddleproof.arguments import check_options
from saddleproof.arrays import Array, as_stack, namespace
from saddleproof.errors import OptionError

#: Numbers that are widened from 16 bits at a time: 4 MB.
WIDENED = 2**20


@dataclass(frozen=True)
class CoordinateWise(Rule):
    """A rule that averages order statistics, coordinate by coordinate; it adds `window`.

    Args:
        threads: how many the kernel may use. None: OMP_NUM_THREADS where it is set, else one for
            each processor that the process may run on. The answer is the same to the bit.
    """

    threads: int | None = field(default=None, kw_only=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_options(self)
        if self.threads is not None and self.threads < 1:
            raise OptionError(f"threads must be at least 1, or None; got {self.threads}")

    def window(self, m: int, b: int) -> Window:
        """Which of the m sorted numbers enter the average."""
        raise NotImplementedError

    @quiet
    def __call__(self, messages: Array, b: int) -> Array:
        """The aggregate vector alone: (m, d) messages to (d,); see `Rule.__call__`.

        A list of m vectors is read where they are, without being stacked.
        """
        rows = _batch_of_one(messages)
        m = _shape(rows)[1]
        b = check_breakdown(self, m, b)
        window = self.window(m, b)
        found = scan(rows, window, threads=self.threads)
        vector = average(_ordered(rows, window), window) if found is None else found.vector
        return native(vector, rows[0])[0, ...]

    @quiet
    def estimate(self, messages: Array, b: int) -> Estimate:
        """Vector, inexactness and kept for one query point: (m, d) messages; see `__call__`."""
        rows = _batch_of_one(messages)
        b = check_breakdown(self, _shape(rows)[1], b)
        batch = self._batch(rows, b) if isinstance(rows, list) else self.estimates(rows, b)
        return single(batch)

    def _batch(self, stack: Array | list[Array], b: int) -> Estimate:
        _, m, d = _shape(stack)
        window = self.window(m, b)
        found = scan(stack, window, b=b, threads=self.threads)
        if found is None:
            return _by_sorting(stack, window, b)
        return finished(found, m, b, d, stack[0])


def scan(
    messages: Array | list[Array],
    window: Window,
    *,
    b: int | None = None,
    threads: int | None = None,
) -> Scan | None:
    """The kernel's way; None where the other one is better, or the only one.

    Args:
        messages: (q, m, d), or a list of m vectors.
        window: what to average.
        b: None asks for the vector alone.
        threads: see `CoordinateWise`.
    """
    q, m, d = _shape(messages)
    if q * m * d < kernels.SMALL or d == 1:  # one column is sorted, for a bound of its own
        return None
    width = max(WIDENED // (q * m), 1) if is_16_bit(messages[0]) else d
    parts = []
    for start in range(0, d, width):
        rows = rows_of(messages, slice(start, start + width))
        if rows is None:
            return None
        parts.append(kernels.scan(rows, window, b=b, threads=threads))
    return kernels.joined(parts)


def finished(found: Scan, m: int, b: int, d: int, like: Array) -> Estimate:
    """The estimate for q query points, from what the kernel found, as arrays like `like`."""
    bound = None if found.norms is None else bound_from_norms(found.norms, m, b, d)
    return Estimate(
        native(found.vector, like),
        None if bound is None else as_like(bound, like),
        as_like(found.kept, like),
        refusal(m, b),
    )


def single(batch: Estimate) -> Estimate:
    """The estimate of a batch of one query point, without the batch."""
    inexactness = None if batch.inexactness is None else scalar(batch.inexactness[0])
    return Estimate(batch.vector[0, ...], inexactness, batch.kept[0, ...], batch.reason)


def native(vector: Array, like: Array) -> Array:
    """An array in the library, dtype and device of `like`."""
    found = as_like(vector, like) if isinstance(vector, np.ndarray) else vector
    return found if found.dtype == like.dtype else namespace(found).astype(found, like.dtype)


def average(ordered: Array, window: Window) -> Array:
    """(q, m, d), sorted over axis 1, to (q, d)."""
    low, high = window.low, window.high
    if not window.pairs and high - low <= 2:
        first, last = ordered[:, low, :], ordered[:, high - 1, :]
        return +first if high - low == 1 else (first + last) / 2
    inner = ordered[:, low:high, :]
    if not window.pairs:
        return _exact_mean(inner)
    return _exact_mean(namespace(ordered).concat([inner, _nearer(ordered, window.pairs)], axis=1))


def _by_sorting(stack: Array, window: Window, b: int) -> Estimate:
    xp = namespace(stack)
    ordered = _ordered(stack)
    vector = average(ordered, window)
    low, high = ordered[:, None, window.low, :], ordered[:, None, window.high - 1, :]
    if window.pairs:
        outer = _nearer(ordered, window.pairs)
        low = xp.minimum(low, xp.min(outer, axis=1, keepdims=True))
        high = xp.maximum(high, xp.max(outer, axis=1, keepdims=True))
    kept = xp.any((stack >= low) & (stack <= high), axis=2)
    return Estimate(native(vector, stack), rank_inexactness(ordered, vector, b), kept)


def _ordered(stack: Array, window: Window | None = None) -> Array:
    """Sorted over axis 1, or just as much as a window needs; NaN is +inf, 16 bits are 32."""
    xp = namespace(stack)
    if is_16_bit(stack):
        stack = xp.astype(stack, xp.float32)
    return in_order(stack, None if window is None else window.labels(int(stack.shape[1])))


def _nearer(ordered: Array, pairs: int) -> Array:
    """(q, pairs, d): of ranks i and m - pairs + i, whichever is nearer to the median."""
    m = int(ordered.shape[1])
    below, above = ordered[:, :pairs, :], ordered[:, m - pairs :, :]
    # med - x <= y - med is a + b <= x + y; what rounding loses of both sums decides ties.
    twice, lost = _two_sum(ordered[:, None, (m - 1) // 2, :], ordered[:, None, m // 2, :])
    ends, lost_of_ends = _two_sum(below, above)
    is_lower = (twice < ends) | ((twice == ends) & (lost <= lost_of_ends))
    return namespace(ordered).where(is_lower, below, above)


def _exact_mean(rows: Array) -> Array:
    """Mean over axis 1 of (q, n, d), as if added up in twice the precision."""
    xp = namespace(rows)
    n = int(rows.shape[1])
    lost = []
    while (count := int(rows.shape[1])) > 1:
        half = count // 2
        total, error = _two_sum(rows[:, :half, :], rows[:, half : 2 * half, :])
        lost.append(error)
        rows = total if count % 2 == 0 else xp.concat([total, rows[:, 2 * half :, :]], axis=1)
    if not lost:
        return +rows[:, 0, :]
    correction = xp.sum(xp.concat(lost, axis=1), axis=1)
    # Infinite sums lose infinity minus infinity, which is no correction.
    return (rows[:, 0, :] + xp.where(xp.isfinite(correction), correction, 0.0)) / n


def _two_sum(x: Array, y: Array) -> tuple[Array, Array]:
    """x + y, rounded, and what the rounding lost (Knuth, TAOCP 2, 4.2.2, Theorem B)."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = x + y
        added = total - x
        return total, (x - (total - added)) + (y - added)


def _batch_of_one(messages: Any) -> Array | list[Array]:
    """A (1, m, d) stack, or a list of vectors that the kernel can read where they are."""
    if isinstance(messages, list | tuple) and prod(_shape(messages)) >= kernels.SMALL:
        messages = list(messages)
        first_columns = rows_of(messages, slice(0, 1))
        if first_columns is not None and all(len(row) == len(messages[0]) for row in messages):
            return messages
    return as_stack(messages)[None, ...]


def _shape(messages: Any) -> tuple[int, int, int]:
    """(q, m, d); d = 0 for a list that holds no vectors."""
    if not isinstance(messages, list | tuple):
        q, m, d = messages.shape
        return int(q), int(m), int(d)
    vectors = messages and getattr(messages[0], "ndim", 0) == 1
    return 1, len(messages), int(messages[0].shape[0]) if vectors else 0
