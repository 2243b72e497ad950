"""The embedded default: every worker of a problem in this process, in one vectorised call."""

from __future__ import annotations

from typing import Protocol

from saddleproof.arrays import Array
from saddleproof.errors import FleetError
from saddleproof.fleets.base import OK, Announcement, Messages


class GradientSource(Protocol):
    """What a local fleet needs of a problem."""

    m: int

    def gradients(self, points: Array) -> Array:
        """(q, d) points to (q, m, d): every worker's gradient at every point."""


class LocalFleet:
    """All workers of `problem` in this process; nothing is ever late and nobody lies.

    Args:
        problem: anything with `m` and `gradients(points)`, (q, d) to (q, m, d); a
            `saddleproof.Problem`.

    The problem stays readable as `fleet.problem`: an omniscient coalition may look at it.
    """

    def __init__(self, problem: GradientSource) -> None:
        self.problem = problem
        self.workers = tuple(f"worker-{i}" for i in range(problem.m))
        self._closed = False

    def announce(self, announcement: Announcement) -> None:
        """Honest workers have no use for the server's rules."""

    def round(self, points: Array, *, round_id: int, timeout: float | None = None) -> Messages:
        """Every worker's gradient at each of the (q, d) points; `timeout` is never reached."""
        if self._closed:
            raise FleetError("this fleet is closed; make a new one with LocalFleet(problem)")
        return Messages(self.problem.gradients(points), (OK,) * len(self.workers))

    def close(self) -> None:
        """Nothing to release; later rounds are refused."""
        self._closed = True
