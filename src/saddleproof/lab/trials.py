"""What came of one run, judged by the truth, and of all runs of one entry.

The judge knows what no server can: F, the pooled loss of all workers' true data, its gradient and
its Hessian. A certificate speaks about the mean loss of the workers that do not lie, and is judged
by it: the judge takes the Hessian from the problem, or differences of the true gradients, and uses
nothing of what certificates are made with. Costs are those of the run itself; the certificate that
may follow it is not counted.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.certificate import Certificate
from saddleproof.checkpoint import RoundRecord
from saddleproof.config.records import Entry
from saddleproof.config.setup import Setup
from saddleproof.curvature import differences
from saddleproof.lab.shares import Share, wilson
from saddleproof.questions import LeastCurvature
from saddleproof.result import Result
from saddleproof.words import Level

#: Bytes of one number on the wire.
_BYTES = 8
#: What rounding may add to a bound, in units of the largest numbers in play.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Verdict:
    """The truth about a run's end, and what the run cost.

    Attributes:
        left: whether it left the saddle, judged by the problem itself; where there is none,
            whether it lost half of what there was to lose.
        excess: what is left of the loss, 1 at the saddle (or the start) and 0 at the minimum.
        gradient_norm: ||grad F(w)||, the true one.
        lambda_min: the lowest eigenvalue of the true Hessian of F at w.
        certificate: its level, "-" when none was asked for.
        vacuous: whether the tolerance of the certificate asks for nothing.
        refuted: whether the honest workers' mean loss contradicts the certificate: lambda_min is
            outside its bracket, or outside its conditional bracket although the workers named
            there do lie, or the gradient is above its bound, or the level is "proved" and
            lambda_min below -tolerance.
        queries: sum of the rounds' query points.
        messages: vectors of d numbers that workers sent, a gradient at every query point and a
            direction in every `LeastCurvature` round.
        sent: bytes of all answers, 8 a number.
    """

    left: bool
    excess: float
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
        verdict: what is true about its end.
        rounds: parallel iterations.
        status: the optimizer's verdict.
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
    verdict: Verdict
    rounds: int
    status: str
    summary: str
    m: int
    trace: tuple[RoundRecord, ...]
    path: Vector
    notes: tuple[str, ...]
    seconds: float

    @property
    def left(self) -> bool:
        """Whether the run left the saddle."""
        return self.verdict.left


@dataclass(frozen=True)
class Row:
    """All trials of one entry."""

    entry: Entry
    trials: tuple[Trial, ...]

    @property
    def label(self) -> str:
        """The trainer."""
        return self.entry.label

    @property
    def world(self) -> str:
        """Problem and attack, as far as the comparison varies them."""
        return self.entry.world

    @property
    def left(self) -> Share:
        """The share of runs that left the saddle, with its Wilson interval."""
        return wilson(sum(trial.left for trial in self.trials), len(self.trials))

    @property
    def rounds(self) -> float:
        """Median of the parallel iterations."""
        return statistics.median(trial.rounds for trial in self.trials)

    def median(self, of: Callable[[Verdict], float]) -> float:
        """Median of a number of the verdicts; a run that diverged counts as infinitely bad."""
        numbers = [of(trial.verdict) for trial in self.trials]
        return statistics.median(np.inf if np.isnan(x) else x for x in numbers)

    @property
    def excess(self) -> float:
        """Median excess loss: 1 at the saddle, 0 at the minimum."""
        return self.median(lambda verdict: verdict.excess)

    @property
    def lambda_min(self) -> float:
        """Median of the true lowest eigenvalue; -inf for runs that diverged."""
        return -self.median(lambda verdict: -verdict.lambda_min)

    @property
    def certificates(self) -> dict[str, int]:
        """Level to number of runs, the most frequent first."""
        return dict(Counter(trial.verdict.certificate for trial in self.trials).most_common())

    @property
    def vacuous(self) -> int:
        """How many certificates had a tolerance that asks for nothing."""
        return sum(trial.verdict.vacuous for trial in self.trials)

    @property
    def refuted(self) -> int:
        """How many certificates the truth contradicts."""
        return sum(trial.verdict.refuted for trial in self.trials)

    @property
    def notes(self) -> tuple[str, ...]:
        """The warnings of the first trial that gave any: the others differ in numbers only."""
        return next((trial.notes for trial in self.trials if trial.notes), ())


def judged(setup: Setup, result: Result, numbers: int = 0) -> Verdict:
    """The truth about where a run ended, by the problem's own loss, and what it cost.

    Args:
        setup: its parts.
        result: its result.
        numbers: how many numbers its workers sent.
    """
    problem, w, found = setup.problem, result.w, result.certificate
    with np.errstate(over="ignore", invalid="ignore"):
        norm = float(np.linalg.norm(problem.gradient(w)))
        hessian = problem.hessian(w)
        lowest = np.linalg.eigvalsh(hessian)[0] if np.isfinite(hessian).all() else np.nan
        excess = float(problem.excess(w))
    queries = sum(record.queries for record in result.trace)
    directions = sum(record.question == LeastCurvature.__name__ for record in result.trace)
    return Verdict(
        left=bool(problem.left_saddle(w) if problem.saddle is not None else excess < 0.5),
        excess=excess,
        gradient_norm=norm,
        lambda_min=float(lowest),
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
    liars = list(getattr(setup.fleet, "members", ()))
    gradient, lowest, slack = _truth(setup.problem, liars, w)
    named = found.conditional
    brackets = [found.curvature]
    if named is not None and set(named.without) <= {setup.fleet.workers[i] for i in liars}:
        brackets.append(named)
    return bool(
        gradient > found.gradient_bound + slack
        or any(not bracket.low - slack <= lowest <= bracket.high + slack for bracket in brackets)
        or (found.certified and lowest < -found.tolerance - slack)
    )


def _truth(problem: Any, liars: list[int], w: Vector) -> tuple[float, float, float]:
    """||grad F|| and lambda_min of the honest workers' mean at w, and how far off they may be."""

    def gradients(points: Vector) -> Vector:
        told: Vector = np.delete(problem.gradients(points), liars, axis=1).mean(axis=1)
        return told

    with np.errstate(over="ignore", invalid="ignore"):
        if hasattr(problem, "products"):
            axes = np.broadcast_to(np.eye(len(w)), (problem.m, len(w), len(w)))
            hessian, error = np.delete(problem.products(w, axes), liars, axis=0).mean(axis=0), 0.0
        else:
            hessian, error = differences.hessian(gradients, w)
        if not np.isfinite(hessian).all():
            hessian, error = np.zeros_like(hessian), np.inf
        values = np.linalg.eigvalsh((hessian + hessian.T) / 2)
        gradient = float(np.linalg.norm(gradients(w[None])[0]))
        size = float(np.abs(values).max()) + float(np.abs(problem.gradients(w[None])).max())
    slack = error + _ROUNDING * (1 + size)
    return gradient, float(values[0]), slack if np.isfinite(slack) else np.inf
