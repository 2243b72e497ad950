"""Robust gradient descent, w <- w - eta g_hat(w), and the step rule that its relatives share.

What a trainer of today does with a robust rule, and the first thing that an adversary stops at a
saddle point (Yin et al. 2019, Section 1; Blanchard et al. 2017, Yin et al. 2018 for the rule).

**The step rule.** A descent asks for the gradient at a trial point w+ = w - eta g_hat(w), and
takes the trial iff

    ||g_hat(w+) - g_hat(w)||  <=  ||g_hat(w)|| + Delta_hat(w) + Delta_hat(w+).

An inexactness that the rule does not know counts as zero: an infinite one would take every trial.
The left side is at most L ||w+ - w|| + Delta(w) + Delta(w+) with ||w+ - w|| = eta ||g_hat(w)||,
so no step eta <= 1/L is ever refused, whatever an adversary within Delta says. A refused trial
costs one round: the descent stays at w and halves eta. After a step with
||g_hat(w+) - g_hat(w)|| < ||g_hat(w)|| / 4 it doubles eta, so that a first step that is far too
small, or a steep place, is soon forgotten. A trial at which the gradient overflows is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.optimizers.base import RUNNING, Answers, Machine, Status
from saddleproof.optimizers.certified.line import Stride
from saddleproof.optimizers.certified.run import Run
from saddleproof.optimizers.randomness import RandomKey
from saddleproof.questions import Changes, Gradients, Question
from saddleproof.words import Ending

#: First step where none is given; the rule moves it by powers of two.
FIRST_STEP = 1.0
#: An aggregate below this many times its inexactness is called stationary (epsilon = 3 Delta).
STATIONARY = 3.0


@dataclass(frozen=True)
class Descent:
    """k trajectories of gradient descent, side by side.

    Attributes:
        w: (k, d) the last points that were taken.
        gradient: (k, d) aggregates there; NaN before the first round.
        inexactness: (k,) how far they may be off.
        step: (k,) eta of each trajectory.
        trial: (k, d) the points that the next round asks for.
    """

    w: Vector
    gradient: Vector
    inexactness: Vector
    step: Vector
    trial: Vector


def begin(w: Vector, step: float) -> Descent:
    """Descents from each row of the (k, d) points `w`; the first round asks for `w` itself."""
    k = len(w)
    return Descent(
        w=w,
        gradient=np.full_like(w, np.nan),
        inexactness=np.full(k, np.inf),
        step=np.full(k, step, dtype=w.dtype),
        trial=w,
    )


@np.errstate(over="ignore", invalid="ignore")  # a NaN refuses the trial
def advance(now: Descent, gradient: Vector, inexactness: Vector, *, fixed: bool) -> Descent:
    """Take or refuse the trials, given (k, d) aggregates there and their (k,) inexactness.

    With `fixed`, every trial is taken and no step ever changes.
    """
    first = np.isnan(now.gradient).all(axis=1)
    before = np.linalg.norm(now.gradient, axis=1)
    change = np.linalg.norm(gradient - now.gradient, axis=1)
    room = before + _known(now.inexactness) + _known(inexactness)
    taken = first | (fixed | (change <= room)) & np.isfinite(gradient).all(axis=1)
    step = now.step
    if not fixed:
        step = np.where(taken, step, step / 2)
        step = np.where(taken & (change < before / 4), 2 * step, step)
    w = np.where(taken[:, None], now.trial, now.w)
    gradient = np.where(taken[:, None], gradient, now.gradient)
    inexactness = np.where(taken, inexactness, now.inexactness)
    # An overflow at the first point leaves nothing to step by: stay.
    trial = w - step[:, None] * np.nan_to_num(gradient, nan=0.0)
    return Descent(w, gradient, inexactness, step, trial)


def _known(inexactness: Vector) -> Vector:
    """Zero where the rule knows none."""
    return np.where(np.isfinite(inexactness), inexactness, 0.0)


def stationary(now: Descent) -> bool:
    """Whether ||g_hat(w)|| <= 3 Delta_hat(w) on the first trajectory.

    Raises:
        OptionError: the aggregation rule knows no inexactness.
    """
    if now.inexactness[0] == np.inf:
        raise OptionError(
            "this optimizer needs a rule with an inexactness (`Estimate.inexactness`); take "
            "Median(), or CertifiedPGD(), which needs none"
        )
    small: np.bool_ = np.linalg.norm(now.gradient[0]) <= STATIONARY * now.inexactness[0]
    return bool(small)


@dataclass(frozen=True)
class GradientState:
    """Robust gradient descent between two rounds.

    Attributes:
        descent: the trajectory, k = 1.
        searching: whether the coming round is the line search for the first step.
    """

    descent: Descent
    searching: bool = False


@dataclass(frozen=True)
class GradientDescent(Machine):
    """Robust gradient descent: w <- w - eta g_hat(w), one gradient a round.

    A baseline: it says nothing about curvature, and liars can hold it at any saddle point whose
    gradient they can hide within the inexactness. It runs until the budget of rounds ends it
    (status "budget"), unless `tolerance` is given. The point that it returns is the last one
    whose gradient was asked for and taken.

    Args:
        step: eta > 0, kept as given. None: found by the step rule at the head of this file,
            starting from 1; every refused trial costs a round.
        line_search: without a step, ask the workers for `Changes` of their losses along the first
            -g_hat, go where most honest workers lose most, and begin the step rule with half of
            that length. For a fleet that answers them.
        tolerance: end with status "stationary" at ||g_hat(w)|| <= tolerance, in the unit of the
            gradient. None: never, because the fair comparison lets descent use all its rounds,
            and no absolute norm below the inexactness means anything.

    Raises:
        OptionError: step or tolerance is not positive, or there is both a step and a search.

    Reference: Yin et al. 2018, "Byzantine-robust distributed learning", Algorithm 1.
    """

    step: float | None = None
    tolerance: float | None = None
    line_search: bool = False

    def __post_init__(self) -> None:
        check_options(self)
        check_positive(step=self.step, tolerance=self.tolerance)
        if self.line_search and self.step is not None:
            raise OptionError(f"a step that is given is not searched for; got step={self.step}")
        if self.line_search:
            object.__setattr__(self, "questions", (Gradients, Changes))

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> GradientState:
        """The state before the first round; nothing here is random."""
        return GradientState(begin(w0[None, :], FIRST_STEP if self.step is None else self.step))

    def ask(self, state: GradientState) -> Vector | Question:
        """(1, d): the trial point; once, the changes of the loss along -g_hat."""
        if state.searching:
            run = _run(state.descent)
            return Stride(-_gradient(run)).question(run)
        return state.descent.trial

    def tell(self, state: GradientState, reading: Any) -> GradientState:
        """One step, or a smaller one from the same point."""
        if state.searching:
            return GradientState(self._found(state.descent, reading))
        first = bool(np.isnan(state.descent.gradient).all())
        now = advance(
            state.descent, reading.gradient, reading.inexactness, fixed=self.step is not None
        )
        searching = self.line_search and first and bool(np.linalg.norm(now.gradient) > 0)
        return GradientState(now, searching)

    @staticmethod
    def _found(now: Descent, reading: Answers) -> Descent:
        """On from the end where most honest workers lose most; as before where there is none."""
        run = _run(now)
        found, _ = Stride(-_gradient(run)).next(run, reading)
        return begin(found.w[None].astype(now.w.dtype), found.step) if found.step > 0 else now

    def status(self, state: GradientState) -> Status:
        """Running, or "stationary" once the tolerance is met."""
        if self.tolerance is None:
            return RUNNING
        norm = float(np.linalg.norm(state.descent.gradient))
        if norm <= self.tolerance:
            return Status(
                Ending.STATIONARY, f"gradient norm {norm:.3g} is within {self.tolerance:.3g}"
            )
        return RUNNING

    def point(self, state: GradientState) -> Vector:
        """(d,): the last point that was taken."""
        w: Vector = state.descent.w[0]
        return w


def _run(now: Descent) -> Run:
    """What a `Stride` needs to know."""
    w = np.asarray(now.w[0], dtype=float)
    return Run(w, RandomKey.open(0), gradient=np.asarray(now.gradient[0], dtype=float))


def _gradient(run: Run) -> Vector:
    return np.zeros_like(run.w) if run.gradient is None else run.gradient


def check_positive(**options: float | None) -> None:
    """Raise `OptionError` unless every option that is given is positive and finite."""
    for name, value in options.items():
        if value is not None and not 0 < value < np.inf:
            raise OptionError(f"{name} must be positive and finite; got {value}")
