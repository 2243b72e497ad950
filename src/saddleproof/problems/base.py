"""A loss and the workers' shards of data (Section 3: F_i(w) = (1/n) sum_j f(w; z_ij)).

A user's own loss needs `d`, `value` and `gradient`; a vectorised `gradients` over all shards is
used where it exists. What is known about a benchmark problem (saddle, minimum, true Hessian) is
for judging: no optimizer ever sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.border import Lent, answer, label, named_shards, number, read_only, vector
from saddleproof.curvature import differences
from saddleproof.errors import OptionError


class Loss(Protocol):
    """f(w; z) of Section 3, averaged over one worker's data.

    Optionally also `gradients(points, shards)`, (q, d) to (q, m, d), all workers in one
    vectorised call, and `product(w, v, data)`, the Hessian of F_i times v, (d,) and (d,) to (d,);
    without it a worker takes differences of its own gradient.

    Points and data are for reading: a loss that writes into them is refused. What it returns is
    copied, so that it may use the same buffer every time.
    """

    d: int

    def value(self, w: Vector, data: Any) -> float:
        """F_i(w): (d,) to a number."""

    def gradient(self, points: Vector, data: Any) -> Vector:
        """grad F_i at (q, d) points, as (q, d)."""


class Problem:
    """A loss over m workers' shards, F = mean of the F_i.

    Args:
        loss: see `Loss`.
        shards: one worker's data each, m of them; a mapping gives the workers' names too. The loss
            gets them as they are, but arrays, also inside tuples, lists and dicts, as read-only
            views.
        start: (d,) where runs begin, if the problem has a natural start.
        smoothness: L, a Lipschitz constant of grad F near the points of interest, if known.
        name: what reports call it.

    Raises:
        OptionError: no shards, shards with masked entries or of matrices, names that are none, no
            usable `d`, or a start that is no finite vector of length d.

    Attributes:
        names: the workers' names, or None: "worker-0", "worker-1" and so on.

    A loss of one's own, |w - mean of the data|^2 / 2 up to a constant:

    >>> import numpy as np
    >>> class SquaredDistance:
    ...     d = 2
    ...     def value(self, w, data):
    ...         return 0.5 * ((w - data) ** 2).sum(axis=1).mean()
    ...     def gradient(self, points, data):
    ...         return points - data.mean(axis=0)
    >>> shards = [np.array([[1.0, 0.0]]), np.array([[3.0, 2.0]])]
    >>> problem = Problem(SquaredDistance(), shards)
    >>> problem.m, problem.value(np.array([2.0, 1.0]))
    (2, 1.0)
    >>> problem.gradients(np.zeros((1, 2)))
    array([[[-1.,  0.],
            [-3., -2.]]])
    """

    name: str = "problem"
    names: tuple[str, ...] | None = None
    saddle: Vector | None = None

    def __init__(
        self,
        loss: Loss,
        shards: Sequence[Any] | Mapping[str, Any],
        *,
        start: Vector | None = None,
        smoothness: float | None = None,
        name: str = "problem",
    ) -> None:
        d = getattr(loss, "d", None)
        if not isinstance(d, (int, np.integer)) or d < 1:
            raise OptionError(f"a loss needs d, its number of parameters, at least 1; got {d!r}")
        self.loss = loss
        self.names, self.shards = named_shards(shards)
        self.d, self.m = int(d), len(self.shards)
        self.start = None if start is None else read_only(vector(start, "start", int(d)))
        self.name = name
        self._smoothness = smoothness

    @property
    def smoothness(self) -> float | None:
        """L, a Lipschitz constant of grad F near the points of interest; None when unknown."""
        return self._smoothness

    def values(self, w: Vector) -> Vector:
        """F_i(w), every worker's own loss: (d,) to (m,)."""
        lent, values = Lent(w), np.empty(self.m)
        for i, shard in enumerate(self.shards):
            whose = f"the loss's value of {label(self.names, i)}"
            values[i] = number(lent.to(self.loss.value, shard, whose=whose), whose)
        return values

    def values_at(self, points: Vector) -> Vector:
        """F_i at every point: (q, d) to (q, m)."""
        return np.stack([self.values(w) for w in points])

    def value(self, w: Vector) -> float:
        """F(w), the mean of the m workers' losses: (d,) to a number."""
        return float(self.values(w).mean())

    def gradients(self, points: Vector) -> Vector:
        """Every worker's gradient at every point, in one call.

        Args:
            points: (q, d).

        Returns:
            (q, m, d). Where a loss overflows there is Inf or NaN, without a warning: judging
            messages is the oracle's business.

        Raises:
            OptionError: the points have another shape, or the loss answers with one.
        """
        if points.ndim != 2 or points.shape[1] != self.d:
            raise OptionError(f"points must be (q, d={self.d}); got shape {points.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            # In the points' own precision, as the oracle wants it; whole numbers give float64.
            dtype = np.result_type(points.dtype, np.float32)
            return self._gradients(points).astype(dtype, copy=False)

    def gradient(self, w: Vector) -> Vector:
        """grad F(w), the mean over the workers: (d,) to (d,)."""
        mean: Vector = self.gradients(w[None, :])[0].mean(axis=0)
        return mean

    def hessian(self, w: Vector) -> Vector:
        """The true Hessian of F, for judging only: (d,) to (d, d).

        Central differences of pooled gradients with a step for every coordinate
        (`saddleproof.curvature.differences`); a benchmark problem knows it in closed form. Cost:
        4d gradients or more.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            found, _ = differences.hessian(lambda points: self.gradients(points).mean(axis=1), w)
        return found

    def _gradients(self, points: Vector) -> Vector:
        shape, lent = (len(points), self.m, self.d), Lent(points)
        if hasattr(self.loss, "gradients"):
            whose = "the loss's gradients"
            found = lent.to(self.loss.gradients, self.shards, whose=whose)
            return np.array(answer(found, shape, whose))
        rows = np.empty(shape)
        for i, shard in enumerate(self.shards):
            whose = f"the loss's gradient of {label(self.names, i)}"
            # Into its place before the next worker is asked: the loss may use its buffer again.
            rows[:, i] = answer(
                lent.to(self.loss.gradient, shard, whose=whose), points.shape, whose
            )
        return rows
