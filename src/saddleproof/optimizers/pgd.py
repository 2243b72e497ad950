"""Perturbed gradient descent as trainers use it today (Jin et al. 2017), over a robust rule.

A perturbation of a fixed small length is enough to leave a saddle point when gradients are exact.
It is not scaled to the inexactness, and that is what an adversary lives on: a coalition that can
hide gradients of length Delta holds every iterate within Delta/gamma of the saddle, and a start
inside that slab comes back. Jin et al. test the function value after the perturbation; workers'
function values would be one more thing to lie about, so here, as in Yin et al. 2019, the test is
the distance walked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.optimizers.base import RUNNING, Evidence, Machine, Reading, Status
from saddleproof.optimizers.evidence import failed_escapes
from saddleproof.optimizers.gradient_descent import (
    FIRST_STEP,
    Descent,
    advance,
    begin,
    check_positive,
    stationary,
)
from saddleproof.optimizers.randomness import RandomKey, sphere
from saddleproof.words import Ending

#: Admitted probability of being wrong in the evidence.
DELTA = 0.05


@dataclass(frozen=True)
class EscapeTrial:
    """One perturbation from `anchor`, between two rounds.

    Attributes:
        anchor: (d,) where the gradient was small.
        inexactness: Delta_hat(anchor).
        origin: (d,) the perturbed start.
        t: rounds since then.
        failed: whether it stayed within the distance to the end.
    """

    anchor: Vector
    inexactness: float
    origin: Vector
    t: int = 0
    failed: bool = False


@dataclass(frozen=True)
class PGDState:
    """Perturbed gradient descent between two rounds."""

    descent: Descent
    random: RandomKey
    trial: EscapeTrial | None = None


@dataclass(frozen=True)
class PGD(Machine):
    """Small-perturbation gradient descent with a distance test; a baseline.

    Descend until ||g_hat(w)|| <= 3 Delta_hat(w); then start once from w + radius * u, u uniform
    on the sphere, and descend for `horizon` rounds. Having walked `distance` from the perturbed
    start counts as an escape and descent goes on; otherwise the run ends at w with status
    "no_escape_found". Lengths are the user's, in the unit of w.

    Args:
        radius: length of a perturbation, > 0.
        distance: what counts as an escape, > 0; more than `radius`.
        horizon: rounds after a perturbation, >= 1.
        step: eta > 0, kept as given. None: found by the step rule of `GradientDescent`.

    Raises:
        OptionError: an option outside its range.

    Reference: Jin et al. 2017, "How to escape saddle points efficiently", Algorithm 2.
    """

    radius: float = 0.01
    distance: float = 0.1
    horizon: int = 100
    step: float | None = None

    def __post_init__(self) -> None:
        check_options(self)
        check_positive(
            radius=self.radius, distance=self.distance, horizon=self.horizon, step=self.step
        )
        if self.distance <= self.radius:
            raise OptionError(
                f"distance must exceed radius, or every round escapes; "
                f"got {self.distance} and {self.radius}"
            )

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> PGDState:
        """The state before the first round."""
        step = FIRST_STEP if self.step is None else self.step
        return PGDState(begin(w0[None, :], step), RandomKey.open(seed))

    def ask(self, state: PGDState) -> Vector:
        """(1, d): where the descent wants a gradient."""
        return state.descent.trial

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends by a status
    def tell(self, state: PGDState, reading: Reading) -> PGDState:
        """One step of descent, then the tests."""
        fixed = self.step is not None
        descent = advance(state.descent, reading.gradient, reading.inexactness, fixed=fixed)
        state = replace(state, descent=descent)
        w, trial = descent.w[0], state.trial
        if trial is None:
            return self._perturb(state) if stationary(descent) else state
        if np.linalg.norm(w - trial.origin) >= self.distance:
            return replace(state, trial=None)
        t = trial.t + 1
        return replace(state, trial=replace(trial, t=t, failed=t > self.horizon))

    def _perturb(self, state: PGDState) -> PGDState:
        generator, random = state.random.draw()
        now = state.descent
        w = now.w[0]
        start = w + self.radius * sphere(generator, 1, len(w))[0]
        trial = EscapeTrial(w, float(now.inexactness[0]), start)
        descent = begin(start[None, :], float(now.step[0]))
        return PGDState(descent, random, trial)

    def status(self, state: PGDState) -> Status:
        """Running, or "no_escape_found" once a perturbation led nowhere."""
        if state.trial is None or not state.trial.failed:
            return RUNNING
        return Status(
            Ending.NO_ESCAPE_FOUND,
            f"{self.horizon} rounds after a perturbation of length {self.radius:.3g} "
            f"ended within {self.distance:.3g}",
        )

    def point(self, state: PGDState) -> Vector:
        """(d,): where descent stands, or the unperturbed point during a trial."""
        return state.descent.w[0] if state.trial is None else state.trial.anchor

    def evidence(self, state: PGDState) -> Evidence | None:
        """After a failed trial: the curvature that one such perturbation resolves; usually huge."""
        trial = state.trial
        if trial is None or not trial.failed:
            return None
        return failed_escapes(
            trial.inexactness,
            len(trial.anchor),
            [self.radius],
            planned=None,
            delta=DELTA,
            assumptions=(f"{self.horizon} rounds are enough to grow to {self.distance:.3g}",),
        )
