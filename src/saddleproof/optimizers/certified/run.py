"""What every phase of a run shares: the point, the step of the descent, the gains, the secret."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.claims import CurvatureFacts, GradientFacts
from saddleproof.claims.order import typical_distance
from saddleproof.optimizers.base import Reading
from saddleproof.optimizers.randomness import RandomKey


@dataclass(frozen=True)
class Run:
    """Everything that moves, but for the phase.

    Attributes:
        w: (d,) where the run stands.
        gradient: (d,) aggregate there; None before it was asked for.
        inexactness: Delta_hat of that aggregate, about the honest median of each coordinate.
        step: eta of the descent; 0 before anything is known about it.
        reach: length of the longest jump or stride so far; 0 before the first.
        own: (k, d) gradients of single workers that most workers agree with, for the next line.
        facts: what the workers said of their gradients at w.
        random: the server's secret random numbers.
        seed: for experiments; see `saddleproof.questions.LeastCurvature`.
        m: workers that were heard in the last round.
        largest: the largest decrease of a jump or stride so far, as proved.
        jumps, proved: jumps so far, and how many of them were proved about the honest mean.
        event: what the last round led to, in a sentence.
    """

    w: Vector
    random: RandomKey
    seed: int | None = None
    gradient: Vector | None = None
    inexactness: float = np.inf
    step: float = 0.0
    reach: float = 0.0
    own: Vector | None = None
    facts: GradientFacts | None = None
    curvature: CurvatureFacts | None = None
    m: int = 0
    largest: float = 0.0
    jumps: int = 0
    proved: int = 0
    event: str = "running"

    def moved(self, w: Vector, event: str) -> Run:
        """The run at another point, of which nothing is known yet."""
        reach = max(self.reach, float(np.linalg.norm(w - self.w)))
        return replace(
            self, w=w, reach=reach, gradient=None, inexactness=np.inf, own=None, facts=None,
            curvature=None, event=event,
        )  # fmt: skip


def noise_of(reading: Reading) -> float:
    """How far the aggregate may be from the honest median, to steer by.

    The rule's own Delta_hat; where it knows none, the standard error of a mean of the honest.
    """
    known = float(reading.inexactness[0])
    if np.isfinite(known):
        return known
    honest = reading.stack.shape[1] - reading.b
    distance = typical_distance(np.asarray(reading.stack[0], dtype=float), reading.b)
    return float(distance / np.sqrt(honest))
