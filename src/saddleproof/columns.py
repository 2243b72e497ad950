"""GradAGG (Definition 3) of one point, some columns at a time: memory m x columns, not m x d.

Coordinate-wise rules know no coordinate of another, so each chunk of columns is admitted and
aggregated as it arrives, by the same oracle and the same kernel as a whole message, and forgotten.
The error bounds add up by Pythagoras: Delta^2 = sum over the chunks of Delta_chunk^2.

Whoever is proved bad in a chunk is not heard again. The columns before it stay as they are: a rule
that holds b liars held this one too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import hypot
from typing import Any, Protocol

import numpy as np

from saddleproof import arguments, oracle
from saddleproof.aggregators.base import check_breakdown
from saddleproof.aggregators.coordinatewise import CoordinateWise
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.fleets.base import Messages

#: Bytes of messages in memory at a time, unless the caller says otherwise.
CHUNK = 2**26


class Columns(Protocol):
    """Workers that keep a gradient and hand it out in pieces; see `fleets.columns`."""

    workers: tuple[str, ...]

    def open(self, w: Vector) -> None:
        """Take the (d,) point and compute."""

    def columns(self, start: int, stop: int, *, timeout: float | None = None) -> Messages:
        """Coordinates start to stop of everybody's gradient: values (1, m, stop - start)."""


@dataclass(frozen=True)
class ColumnEstimate:
    """What came of it.

    Attributes:
        vector: (d,) the aggregate, `out` where it was given.
        inexactness: how far it may be from the truth, 2-norm.
        charged: worker to reason, for those proved bad on the way.
        absent: worker to the number of chunks for which it was late or dead.
    """

    vector: Vector
    inexactness: float
    charged: dict[str, str]
    absent: dict[str, int]


def aggregate(
    fleet: Columns,
    rule: CoordinateWise,
    w: Vector,
    b: int,
    *,
    columns: int | None = None,
    out: Vector | None = None,
    timeout: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ColumnEstimate:
    """The robust gradient at `w`, in one pass over its columns.

    Args:
        fleet: the workers.
        rule: `Mean`, `Median`, `TrimmedMean` or `MeanAroundMedian`; other rules need whole rows.
        w: (d,) float64, a memory map perhaps.
        b: the most Byzantine workers.
        columns: how many to ask for at a time; by default 64 MB of messages.
        out: (d,), where the aggregate is written, another memory map perhaps.
        timeout: seconds to wait for each chunk.
        progress: called after each chunk with the columns done and d.

    Raises:
        OptionError: the rule is not coordinate-wise, or `out` does not fit.
        BreakdownError: the rule cannot hold b of m workers.
        TooFewWorkers: so many are bad or gone that the rule means nothing.

    Memory: about 6 m `columns` 8 bytes at the peak (what came, what was admitted, what the kernel
    works on), whatever d is.
    """
    arguments.aggregator("rule", rule)
    if not isinstance(rule, CoordinateWise):
        raise OptionError(
            f"{type(rule).__name__} needs whole rows; columns can be aggregated one by one by "
            "Mean, Median, TrimmedMean and MeanAroundMedian"
        )
    m, d = len(fleet.workers), len(w)
    b = check_breakdown(rule, m, b)
    vector = np.empty(d) if out is None else out
    if vector.shape != (d,) or vector.dtype != np.float64:
        raise OptionError(f"out must be ({d},) float64; got {vector.shape} {vector.dtype}")
    width = max(CHUNK // (8 * m), 1)
    if columns is not None:
        width = arguments.whole("columns", columns, least=1)
    timeout = arguments.seconds("timeout", timeout)
    arguments.callback("progress", progress)
    charged: dict[str, str] = {}
    absent: dict[str, int] = {}
    inexactness = 0.0
    fleet.open(w)
    for start in range(0, d, width):
        stop = min(start + width, d)
        reading = oracle.read(
            fleet.columns(start, stop, timeout=timeout),
            rule,
            b,
            points=_like(stop - start),
            workers=fleet.workers,
            excluded=charged,
        )
        vector[start:stop] = reading.gradient[0]
        inexactness = hypot(inexactness, float(reading.inexactness[0]))
        charged |= reading.verdicts.charged
        for name in reading.verdicts.absent:
            absent[name] = absent.get(name, 0) + 1
        if progress is not None:
            progress(stop, d)
    return ColumnEstimate(vector, inexactness, charged, absent)


def _like(width: int) -> Any:
    """Points of the shape and dtype that answers must have, in no memory."""
    return np.broadcast_to(np.float64(0.0), (1, width))
