"""Messages larger than memory: rules over memory-mapped rows, some columns at a time.

    rows = [np.load(file, mmap_mode="r") for file in files]
    estimate = stream(Median(), rows, b=20, progress=print)

Coordinates know nothing of each other, so coordinate-wise rules read the rows once, through the
same kernel as messages in memory. Rules that look at distances read them twice: once for the Gram
matrix, which decides the weights, once for the weighted sum. Pages of a memory map that were read
are handed back to the system after each chunk; what is resident at any time is one chunk of
columns, what the system reads around it (up to a huge page, 2 MB, in each row), and the answer,
whatever the length of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from saddleproof import arguments
from saddleproof.aggregators.algorithm2.iterative_filtering import IterativeFiltering
from saddleproof.aggregators.base import Estimate, Rule, check_breakdown, quiet
from saddleproof.aggregators.coordinatewise import CoordinateWise, finished, single
from saddleproof.aggregators.engine import kernels
from saddleproof.aggregators.engine.gram import combine, gram, mixed
from saddleproof.aggregators.engine.kernels_rows import RowAddresses, rows_of
from saddleproof.aggregators.engine.row_blocks import forget
from saddleproof.aggregators.engine.units import Gram, lengths
from saddleproof.aggregators.mixing import Mixing
from saddleproof.aggregators.weighted import WeightedRule
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError

#: Bytes of messages in memory at a time, unless the caller says otherwise.
CHUNK = 2**26

Row = NDArray[Any]
Progress = Callable[[int, int], None]


@quiet
def stream(
    rule: Rule,
    rows: Row | Sequence[Row],
    b: int,
    *,
    columns: int | None = None,
    out: Row | None = None,
    progress: Progress | None = None,
) -> Estimate:
    """What `rule.estimate(rows, b)` says, in one pass or two and bounded memory.

    Args:
        rule: a coordinate-wise rule (`Mean`, `Median`, `TrimmedMean`, `MeanAroundMedian`), one
            that weighs rows (`Krum`, `MultiKrum`, `GeometricMedian`, `MedianOfMeans`, `Sever`,
            `IterativeFiltering`), or a pre-aggregation of such a weighing rule.
        rows: an (m, d) array or a list of m vectors, float16, float32 or float64; memory maps as
            a rule, opened for reading.
        b: the most Byzantine rows.
        columns: how many columns to read at a time; by default 64 MB of messages.
        out: (d,), where the vector is written, for instance another memory map; by default a
            new array.
        progress: called after each chunk with the columns read, and those to read in all: d, or
            2d where the rows pass twice.

    Returns:
        The estimate; its vector is `out`. Its inexactness is the rank bound
        (`saddleproof.aggregators.inexactness`), whatever the rule.

    Raises:
        BreakdownError: the rule cannot hold b of m rows.
        OptionError: the rows are not vectors of one length and dtype, `out` does not fit, or the
            rule needs its messages in one piece.

    >>> from saddleproof.aggregators.median import Median
    >>> rows = [np.full(5, x) for x in (1.0, 2.0, 9.0)]
    >>> stream(Median(), rows, b=1, columns=2, progress=print).vector
    2 5
    4 5
    5 5
    array([2., 2., 2., 2., 2.])
    """
    rows = list(rows)
    m, d, dtype = len(rows), len(rows[0]), rows[0].dtype
    if any(row.shape != (d,) or row.dtype != dtype for row in rows):
        raise OptionError(f"rows must be vectors of one length and dtype; the first is {d} {dtype}")
    vector = np.empty(d, dtype) if out is None else out
    if vector.shape != (d,) or vector.dtype != dtype:
        raise OptionError(f"out must be ({d},) {dtype}; got {vector.shape} {vector.dtype}")
    if rows_of(rows, slice(0, 0)) is None:
        raise OptionError(f"rows must be float16, float32 or float64; got {dtype}")
    b = check_breakdown(rule, m, b)
    arguments.callback("progress", progress)
    scan, passes = _scan(rule, rows, b, progress)
    width = max(CHUNK // (m * dtype.itemsize), 1)
    if columns is not None:
        width = arguments.whole("columns", columns, least=1)
    kept, norms = np.zeros((1, m), np.bool_), []
    for start in range(0, d, width):
        part = slice(start, min(start + width, d))
        found = scan(cast(RowAddresses, rows_of(rows, part)), [row[part] for row in rows])
        vector[part] = found.vector[0]
        kept |= found.kept
        if found.norms is not None:
            norms.append(found.norms)
        for row in rows:
            forget(row)
        if progress is not None:
            progress((passes - 1) * d + part.stop, passes * d)
    total = lengths(np.array(norms), axis=0) if norms else None
    return single(finished(kernels.Scan(vector[None], kept, total), m, b, d, vector))


#: The last pass: a chunk as the kernel takes it and as a list of rows, to what was found there.
Scan = Callable[[RowAddresses, list[Row]], kernels.Scan]


def _scan(rule: Rule, rows: list[Row], b: int, progress: Progress | None) -> tuple[Scan, int]:
    """What to do with each chunk, after the passes that must come before; and all passes."""
    if isinstance(rule, CoordinateWise):
        window = rule.window(len(rows), b)
        return lambda chunk, _: kernels.scan(chunk, window, b=b, threads=rule.threads), 1
    d = len(rows[0])

    def seen(part: slice) -> None:
        if progress is not None:
            progress(part.stop, 2 * d)

    weights = _weights(rule, rows, gram(rows, seen), b)

    def combined(chunk: RowAddresses, part: list[Row]) -> kernels.Scan:
        vector = combine(part, weights)[None]
        bound = kernels.scan(chunk, None, b=b, vector=vector.astype(chunk.dtype))
        return kernels.Scan(vector, (weights > 0.0)[None], bound.norms)

    return combined, 2


def _weights(rule: Rule, rows: list[Row], K: Gram, b: int) -> Vector:
    """(m,): how much of each row enters the answer."""
    if isinstance(rule, WeightedRule | IterativeFiltering):
        return rule.weights(K, b)
    if isinstance(rule, Mixing) and isinstance(rule.rule, WeightedRule | IterativeFiltering):
        A = rule.matrix(rows, K, b)
        weights: Vector = rule.rule.weights(mixed(K, A), b) @ A
        return weights
    raise OptionError(
        f"{rule} needs its messages in one piece: stream takes coordinate-wise rules, rules that "
        "weigh rows, and pre-aggregations of the latter"
    )
