"""ARC, adaptive robust clipping (Allouah, Guerraoui, Gupta, Jellouli, Rizk, Stephan, ICLR 2025)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from saddleproof import arguments
from saddleproof.aggregators.base import Aggregator, Estimate, Rule
from saddleproof.aggregators.engine.origin import FromOrigin
from saddleproof.aggregators.engine.row_blocks import to_numpy
from saddleproof.aggregators.trimmed_mean import TrimmedMean
from saddleproof.aggregators.trusted import refuse_trusted
from saddleproof.aggregators.weighted import estimate_of, points
from saddleproof.arrays import Array


@dataclass(frozen=True)
class ARC(Rule):
    """Shorten the k longest rows to the length of the next, k = floor(2 (b/m) (m - b)).

    With C the (k + 1)-th largest of the norms: y_i = x_i min(1, C / ||x_i||), then `rule` of the
    y_i. Clipping is about the origin, as published: what is far depends on how long the true
    gradient is, and a shift of all rows does not shift the answer; `Clipping` is the same about the
    geometric median. A scale of all rows changes no bit. Rows with NaN or Inf become zeros. The
    authors clip before nearest-neighbour mixing: `ARC(NearestNeighborMixing(TrimmedMean()))`.

    Inexactness: the rank bound over the messages as they came, a proof about the honest median plus
    a standard error. Cost O(m d), a copy of the messages, and the rule's.

    Args:
        rule: what is applied to the clipped rows; none that trusts a worker by name.

    Source: "Adaptive Gradient Clipping for Robust Federated Learning", ICLR 2025; k as ByzFL's
    manual states it.

    >>> ARC()(np.array([[1.0], [2.0], [3.0], [4.0], [-1e9]]), b=1)
    array([2.])
    """

    rule: Aggregator = field(default_factory=TrimmedMean)

    def __post_init__(self) -> None:
        arguments.check_options(self)
        arguments.aggregator("rule", self.rule)
        refuse_trusted(self, self.rule)

    def breakdown(self, m: int) -> int:
        """The most liars that the inner rule holds, and fewer than half."""
        return min(self.rule.breakdown(m), (m - 1) // 2)

    def _batch(self, stack: Array, b: int) -> Estimate:
        return clipped_about_the_origin(self.rule, stack, b)


def clipped_about_the_origin(
    rule: Aggregator, stack: Array, b: int, radius: float | None = None
) -> Estimate:
    """The rule of rows that are clipped about the origin: a (q, m, d) stack.

    Args:
        rule: what is applied to the clipped rows.
        stack: the messages.
        b: the most Byzantine rows.
        radius: the largest norm, in the unit of the messages; None for ARC's.
    """
    vectors, kept = [], []
    for x in points(stack):
        seen = FromOrigin.of(x)
        if radius is None:
            clipped = math.floor(2 * b * (len(x) - b) / len(x))
            last = int(seen.order()[len(x) - 1 - clipped])
            limit, exponent = float(seen.lengths[last]), int(seen.exponents[last])
        else:
            limit, exponent = np.frexp(radius)
        y, factor = seen.shortened(limit, exponent)
        inner = rule.estimate(y, b)
        vectors.append(inner.vector)
        kept.append(to_numpy(inner.kept) & (factor > 0.0))
    return estimate_of(stack, vectors, np.stack(kept), b)
