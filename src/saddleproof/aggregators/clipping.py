"""Clipping before aggregation (adaptive: Allouah et al., ICLR 2025, "ARC")."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from saddleproof.aggregators.arc import clipped_about_the_origin
from saddleproof.aggregators.base import Aggregator, Estimate, quiet
from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.geometric_median import weiszfeld
from saddleproof.aggregators.mixing import Mixing
from saddleproof.aggregators.trimmed_mean import TrimmedMean
from saddleproof.arrays import Array, Vector
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class Clipping(Mixing):
    """Pull far rows in: y_i = c + (x_i - c) min(1, radius / ||x_i - c||).

    The center c is the geometric median of the rows, so that a shift of all rows shifts the
    answer; published clipping is about the origin (c = 0, `about="origin"`), where what is far
    depends on how long the true gradient is. Without a radius, the k = floor(2 (b/m) (m - b))
    farthest rows are pulled in to the distance of the next one (the count of adaptive robust
    clipping; b = 0 clips none), and the rule is scale-equivariant too. Inexactness: the rank bound
    over the messages as they came, a proof about the honest median plus a standard error. Cost
    O(m^2 d).

    Args:
        rule: what is applied to the clipped rows.
        radius: largest distance from c, > 0, in the unit of the messages; None adapts it.
        about: "median" or "origin"; without a radius the latter is `ARC`.

    >>> Clipping()(np.array([[0.0], [1.0], [2.0], [3.0], [1e9]]), b=1)
    array([2.])
    """

    rule: Aggregator = field(default_factory=TrimmedMean)
    radius: float | None = None
    about: Literal["median", "origin"] = "median"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.radius is not None and not self.radius > 0:
            raise OptionError(f"Clipping needs radius > 0 or None; got {self.radius}")

    @quiet
    def __call__(self, messages: Array, b: int) -> Array:
        """The aggregate vector alone: (m, d) messages to (d,); see `Rule.__call__`."""
        if self.about == "origin":
            return self.estimate(messages, b).vector
        return super().__call__(messages, b)

    def _batch(self, stack: Array, b: int) -> Estimate:
        if self.about == "origin":
            return clipped_about_the_origin(self.rule, stack, b, self.radius)
        return super()._batch(stack, b)

    def matrix(self, messages: Array, gram: Gram, b: int) -> Vector:
        """diag(s) + (1 - s) w' with w the weights of c.

        Raises:
            OptionError: c is the origin, which is no mixture of the rows.
        """
        if self.about == "origin":
            raise OptionError(
                'Clipping(about="origin") needs its messages in one piece; about="median" does not'
            )
        w = weiszfeld(gram).weights
        placed = gram.placed
        K = np.where(placed & placed[:, None], gram.matrix, 0.0)
        with np.errstate(all="ignore"):
            share = np.where(placed, gram.share, 1.0)
            at = w / share
            Kw = K @ at
            square = np.maximum(np.diagonal(K) - 2.0 * Kw + at @ Kw, 0.0)
            far = np.where(placed, np.sqrt(square) / share, np.inf)
            limit = self._limit(gram, far, b)
            s = np.where(far > limit, np.where(placed, limit / far, 0.0), placed)
        return np.diag(s) + np.outer(1.0 - s, w)

    def weighed(self, messages: Array, gram: Gram, shares: Vector, b: int) -> tuple[Vector, Vector]:
        """`matrix`: the center counts every row once, and clipped rows keep their shares.

        Without a radius the k farthest rows are clipped whatever they weigh.
        """
        return self.matrix(messages, gram, b), shares

    def check_shares(self) -> None:
        """Refuse clipping about the origin, which is no mixture of the rows.

        Raises:
            OptionError: `about` is "origin", or the inner rule counts all rows alike.
        """
        if self.about == "origin":
            raise OptionError(
                'Clipping(about="origin") takes no weights; about="median" does, and so does '
                "NearestNeighborMixing"
            )
        super().check_shares()

    def _limit(self, gram: Gram, far: Vector, b: int) -> float:
        if self.radius is not None:
            return float(gram.length(self.radius))
        m = len(far)
        clipped = math.floor(2 * b * (m - b) / m)
        return float(np.sort(far)[m - 1 - clipped])
