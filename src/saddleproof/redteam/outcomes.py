"""What came of one run: was the trainer trapped, or deceived?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.minimize import Progress, Result
from saddleproof.runs.setup import Setup

#: What rounding, and the central differences of the truth, may add to a bound.
_SLACK = 1e-7


@dataclass(frozen=True)
class Outcome:
    """What came of one run; all of it is judged by the truth that no server knows.

    Attributes:
        left: whether it left the saddle, by the problem's own judge, as everywhere here.
        forged: whether it ended with a claim that is false of the honest workers' pooled loss:
            certified, or status "second_order", and yet lambda_min is below minus the tolerance
            of that claim, or |grad F| above a certificate's bound.
        beyond: whether it ended above its own plain robust descent by more than the bound that it
            printed; False where it printed none.
        excess: what is left of the loss, 1 at the saddle and 0 at the minimum.
        rounds: parallel iterations, as a share of the budget.
        status: the optimizer's verdict.
    """

    left: bool
    forged: bool
    beyond: bool
    excess: float
    rounds: float
    status: str

    @property
    def deceived(self) -> bool:
        """Whether the run said of its end what is not so."""
        return self.forged or self.beyond


class Watch:
    """A callback that notes where plain robust descent was when the run compared itself with it."""

    def __init__(self) -> None:
        self.shadow: Vector | None = None
        self._before: Any = None

    def __call__(self, progress: Progress) -> None:
        """Look at the state after a round, beside the one before it."""
        before = self._before
        if getattr(before, "phase", None) == "compare":
            self.shadow = before.shadow.w
        self._before = progress.state


def judged(setup: Setup, result: Result, watch: Watch, liars: Iterable[int]) -> Outcome:
    """The truth about where a run ended.

    Args:
        setup: its parts.
        result: its result.
        watch: the callback that it was run with.
        liars: positions of the liars in the roster.
    """
    problem, w = setup.problem, result.w
    honest = np.setdiff1d(np.arange(problem.m), tuple(liars))
    with np.errstate(over="ignore", invalid="ignore"):
        left, excess = bool(problem.left_saddle(w)), float(problem.excess(w))
        forged = np.isfinite(w).all() and _forged(setup, result, honest)
        beyond = watch.shadow is not None and _beyond(setup, result, watch.shadow, honest)
    rounds = result.rounds / setup.options.max_rounds
    return Outcome(left, bool(forged), bool(beyond), excess, rounds, result.status)


def _forged(setup: Setup, result: Result, honest: Any) -> bool:
    found, evidence = result.certificate, setup.optimizer.evidence(result.state)
    proved = found is not None and found.certified
    if found is not None and proved:
        g = setup.problem.gradients(result.w[None])[0, honest].mean(axis=0)
        if np.linalg.norm(g) > found.gradient_bound + _SLACK:
            return True
        tolerance = found.tolerance
    elif (
        result.status == "second_order" and evidence is not None and evidence.tolerance is not None
    ):
        tolerance = evidence.tolerance
    else:
        return False
    return _lowest(setup.problem, result.w, honest) < -tolerance - _SLACK


def _lowest(problem: Any, w: Vector, honest: Any) -> float:
    """lambda_min of the honest workers' pooled Hessian, by central differences of gradients."""
    h = 1e-5 * (1 + float(np.abs(w).max()))
    steps = h * np.eye(len(w))
    ahead, behind = (problem.gradients(w + s * steps)[:, honest].mean(axis=1) for s in (1, -1))
    hessian = (ahead - behind) / (2 * h)
    return float(np.linalg.eigvalsh((hessian + hessian.T) / 2)[0])


def _beyond(setup: Setup, result: Result, shadow: Vector, honest: Any) -> bool:
    evidence = setup.optimizer.evidence(result.state)
    numbers = {} if evidence is None else evidence.numbers
    bound = numbers.get("loss_above_plain_descent_at_most", np.inf)
    worse = setup.problem.values(result.w) - setup.problem.values(shadow)
    return bool(worse[honest].mean() > bound + _SLACK)
