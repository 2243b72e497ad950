"""What came of one run, judged by the truth, and of all runs of one entry.

The judge knows what no server can: F, the pooled loss of all workers' true data, its gradient and
its Hessian. A certificate speaks about the workers that do not lie, and is judged by their pooled
loss. Costs are those of the run itself; the certificate that may follow it is not counted.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.certificate import Certificate
from saddleproof.checkpoint import RoundRecord
from saddleproof.problems.base import Problem
from saddleproof.result import Result
from saddleproof.runs.records import Entry
from saddleproof.runs.setup import Setup
from saddleproof.runs.shares import Share, wilson

#: Bytes of one number on the wire.
_NUMBER = 8
#: What rounding, and differences of gradients, may add to a bound.
_ROUNDING = 1e-6


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
        refuted: whether the honest workers' pooled loss contradicts the certificate: "proved", yet
            its lambda_min is below -tolerance (or certified, yet its gradient is above its bound),
            or "witness", yet its lambda_min is not negative.
        queries: sum of the rounds' query points.
        messages: vectors that workers sent, queries times m.
        sent: bytes of these, 8 a number, the losses that some optimizers ask for included.
    """

    left: bool
    excess: float
    gradient_norm: float
    lambda_min: float
    certificate: str
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
    def refuted(self) -> int:
        """How many certificates the truth contradicts."""
        return sum(trial.verdict.refuted for trial in self.trials)

    @property
    def notes(self) -> tuple[str, ...]:
        """The warnings of the first trial that gave any: the others differ in numbers only."""
        return next((trial.notes for trial in self.trials if trial.notes), ())


def judged(setup: Setup, result: Result) -> Verdict:
    """The truth about where a run ended, by the problem's own loss, and what it cost."""
    problem, w, found = setup.problem, result.w, result.certificate
    with np.errstate(over="ignore", invalid="ignore"):
        norm = float(np.linalg.norm(problem.gradient(w)))
        hessian = problem.hessian(w)
        lowest = np.linalg.eigvalsh(hessian)[0] if np.isfinite(hessian).all() else np.nan
        excess = float(problem.excess(w))
    queries = sum(record.queries for record in result.trace)
    numbers = problem.d + bool(getattr(setup.optimizer, "needs_values", False))
    return Verdict(
        left=bool(problem.left_saddle(w) if problem.saddle is not None else excess < 0.5),
        excess=excess,
        gradient_norm=norm,
        lambda_min=float(lowest),
        certificate="-" if found is None else found.level,
        refuted=found is not None and _refuted(found, setup, w),
        queries=queries,
        messages=queries * problem.m,
        sent=queries * problem.m * numbers * _NUMBER,
    )


def _refuted(found: Certificate, setup: Setup, w: Vector) -> bool:
    if found.level not in ("proved", "witness"):
        return False
    honest = _Honest(setup.problem, getattr(setup.fleet, "members", ()))
    lowest = float(np.linalg.eigvalsh(honest.hessian(w))[0])
    if found.level == "witness":
        return lowest >= _ROUNDING
    too_steep = np.linalg.norm(honest.gradient(w)) > found.gradient_bound + _ROUNDING
    return bool(lowest < -found.tolerance - _ROUNDING or (found.certified and too_steep))


class _Honest(Problem):
    """The workers that do not lie: what a certificate speaks about."""

    def __init__(self, problem: Problem, liars: Sequence[int]) -> None:
        self.d, self._problem, self._liars = problem.d, problem, list(liars)

    def gradient(self, w: Vector) -> Vector:
        """(d,) to (d,): the mean over the honest workers."""
        told = np.delete(self._problem.gradients(w[None])[0], self._liars, axis=0)
        mean: Vector = told.mean(axis=0)
        return mean
