"""What came of one run, judged by the truth.

Gradient and curvature are those of F, the pooled loss of all workers' true data. A certificate
speaks about the mean loss of the workers that do not lie, and is judged by that
(`saddleproof.lab.judge`). Costs are those of the run itself; the certificate that may follow it is
not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.certificate import Certificate
from saddleproof.checkpoint import RoundRecord
from saddleproof.config.setup import Setup
from saddleproof.lab.judge import end, false_claims, honest, knows, pooled, truth
from saddleproof.questions import LeastCurvature
from saddleproof.result import Result
from saddleproof.words import Level

#: Bytes of one number on the wire.
_BYTES = 8


@dataclass(frozen=True)
class Judgement:
    """The truth about a run's end, and what the run cost.

    Attributes:
        left: whether it left the saddle, judged by the problem itself; where there is none,
            whether it lost half of what there was to lose. None where nobody knows a minimum.
        excess: what is left of the loss, 1 at the saddle (or the start) and 0 at the minimum. NaN
            where nobody knows a minimum.
        loss: F(w); NaN of a problem that has no `value`.
        loss_at_start: F where the run began.
        gradient_norm: ||grad F(w)||, the true one.
        lambda_min: the lowest eigenvalue of the true Hessian of F at w; NaN where it overflows.
        certificate: its level, "-" when none was asked for.
        vacuous: whether the tolerance of the certificate asks for nothing.
        refuted: whether a claim of the certificate is false of the honest workers' mean loss.
        queries: sum of the rounds' query points.
        messages: vectors of d numbers that workers sent, a gradient at every query point and a
            direction in every `LeastCurvature` round.
        sent: bytes of all answers, 8 a number.
    """

    left: bool | None
    excess: float
    loss: float
    loss_at_start: float
    gradient_norm: float
    lambda_min: float
    certificate: str
    vacuous: bool
    refuted: bool
    queries: int
    messages: int
    sent: int


@dataclass(frozen=True)
class Trial:
    """One entry of a comparison, run once.

    Attributes:
        world, label: the entry's.
        seed: of the problem's data and of the run.
        judgement: the truth about its end, and its cost.
        rounds: parallel iterations.
        status: how the optimizer says that it ended.
        summary: the whole `Result`, printed.
        m: how many workers it had.
        trace: one record a round.
        path: (T + 1, d), the start and the point after each round.
        notes: warnings that the run gave, the first of each kind.
        seconds: wall time.
    """

    world: str
    label: str
    seed: int
    judgement: Judgement
    rounds: int
    status: str
    summary: str
    m: int
    trace: tuple[RoundRecord, ...]
    path: Vector
    notes: tuple[str, ...]
    seconds: float

    @property
    def left(self) -> bool | None:
        """Whether the run left the saddle; None where nobody knows a minimum."""
        return self.judgement.left


@dataclass(frozen=True)
class Failure:
    """One entry of a comparison whose run raised an error.

    Attributes:
        world, label: the entry's.
        seed: of the run.
        reason: the error, on one line.
    """

    world: str
    label: str
    seed: int
    reason: str


def judged(setup: Setup, result: Result, numbers: int = 0) -> Judgement:
    """The truth about where a run ended, and what it cost.

    Args:
        setup: its parts.
        result: its result.
        numbers: how many numbers its workers sent.
    """
    problem, w, found = setup.problem, result.w, result.certificate
    everyone = truth(problem, w, range(problem.m))
    left, excess = end(problem, w) if knows(problem) else (None, np.nan)
    queries = sum(record.queries for record in result.trace)
    directions = sum(record.question == LeastCurvature.__name__ for record in result.trace)
    return Judgement(
        left=left,
        excess=excess,
        loss=pooled(problem, w),
        loss_at_start=pooled(problem, problem.start),
        gradient_norm=everyone.gradient,
        lambda_min=everyone.lowest,
        certificate="-" if found is None else str(found.level),
        vacuous=found is not None
        and found.level == Level.OPEN
        and 0 < found.size <= found.tolerance,
        refuted=found is not None and _refuted(found, setup, w),
        queries=queries,
        messages=(queries + directions) * problem.m,
        sent=_BYTES * numbers,
    )


def _refuted(found: Certificate, setup: Setup, w: Vector) -> bool:
    """Whether the mean loss of the honest workers is not as the certificate says."""
    liars = tuple(getattr(setup.fleet, "members", ()))  # a fleet without liars names none
    here = truth(setup.problem, w, honest(setup.problem.m, liars))
    return any(false_claims(found, here, setup.fleet.workers, liars))
