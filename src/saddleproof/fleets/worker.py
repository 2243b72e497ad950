"""The worker's side, the same on every engine: a loss, and data that never leave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import FleetError


@dataclass(frozen=True, repr=False)  # data do not belong in logs and tracebacks
class Worker:
    """One worker: grad F_i and, where they are wanted, F_i.

    Args:
        loss: anything with `gradient(points, data)`, (q, d) to (q, d), and `value(w, data)`.
        data: the worker's shard, whatever the loss reads.
    """

    loss: Any
    data: Any

    @np.errstate(over="ignore", invalid="ignore")  # judging messages is the oracle's business
    def answer(self, points: Vector, *, losses: bool = False) -> tuple[Vector, Vector | None]:
        """The gradients (q, d) at (q, d) points, and with `losses` the (q,) losses beside them.

        Raises:
            FleetError: the loss answers with another shape; told where the loss was written, not
                to the server.
        """
        gradient = np.asarray(self.loss.gradient(points, self.data), dtype=points.dtype)
        if gradient.shape != points.shape:
            raise FleetError(
                f"the loss's gradient must return shape {points.shape}, a row a point; "
                f"got {gradient.shape}"
            )
        if not losses:
            return gradient, None
        values = [float(self.loss.value(w, self.data)) for w in points]
        return gradient, np.array(values, dtype=points.dtype)


@dataclass(frozen=True, repr=False)
class RowOf:
    """Worker `data` of a problem that has no loss over shards: one row of all workers' answers."""

    problem: Any

    def gradient(self, points: Vector, data: int) -> Vector:
        """grad F_i at (q, d) points, as (q, d); computes all m of them."""
        row: Vector = self.problem.gradients(points)[:, data]
        return row

    def value(self, w: Vector, data: int) -> float:
        """F_i(w); computes all m of them."""
        return float(self.problem.values(w)[data])


def workers_of(problem: Any) -> list[Worker]:
    """One `Worker` a shard of `problem`.

    A benchmark problem that is no loss over shards goes to every worker whole.
    """
    if hasattr(problem, "loss") and hasattr(problem, "shards"):
        return [Worker(problem.loss, shard) for shard in problem.shards]
    row = RowOf(problem)
    return [Worker(row, i) for i in range(problem.m)]
