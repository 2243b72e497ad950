"""Byzantine Perturbed Gradient Descent (Yin et al. 2019, Section 4, Algorithm 1), to the letter.

    w, w~            state.w: where the main loop stands, and where an escape returns to
    w', w'_0         escape.w, escape.origin: where a perturbation round stands and began
    k, t             escape.k (1..Q), escape.t (0..T_th)
    eta, epsilon, r, Q, R, T_th          the Schedule

One round of the machine is one parallel iteration of the paper; a perturbation round follows the
one before. The paper's `while true` ends in the budget of the loop that drives the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.optimizers.base import RUNNING, Evidence, Machine, Reading, Status
from saddleproof.optimizers.evidence import failed_escapes
from saddleproof.optimizers.randomness import RandomKey, ball
from saddleproof.schedule import Schedule
from saddleproof.words import Ending

#: Least inexactness that a schedule is planned for.
TINY = 1e-100


@dataclass(frozen=True)
class Escape:
    """One call of Escape(w~), between two rounds.

    Attributes:
        schedule: eta, r, Q, R, T_th.
        inexactness: Delta_hat(w~).
        origin: (d,) w'_0, the perturbed start of this round.
        w: (d,) w'.
        k: perturbation round, 1..Q.
        t: step of it, 0..T_th.
        failed: whether all Q rounds are over without an escape.
    """

    schedule: Schedule
    inexactness: float
    origin: Vector
    w: Vector
    k: int = 1
    t: int = 0
    failed: bool = False


@dataclass(frozen=True)
class ByzantineState:
    """Algorithm 1 between two rounds.

    Attributes:
        w: (d,) w in the main loop, w~ during an escape.
        random: the server's random numbers.
        escape: the running escape, or None in the main loop.
        escaped: how many escapes succeeded.
    """

    w: Vector
    random: RandomKey
    escape: Escape | None = None
    escaped: int = 0


@dataclass(frozen=True)
class ByzantinePGD(Machine):
    """Algorithm 1: descend until ||g_hat|| <= epsilon, then perturb Q times and see who gets away.

    A perturbation round starts from w'_0 = w~ + p, p uniform in the ball of radius r, and asks for
    the gradient at t = 0, ..., T_th. Before each step it tests ||w' - w'_0|| >= R: if so, the main
    loop steps on from w' with the gradient just heard. When Q rounds end without that, it returns
    w~, with status "second_order" when the schedule's theorem holds and "no_escape_found" when it
    is vacuous or there is none.

    Args:
        schedule: `Theorem3(...)`, `Theorem4(...)`, `HeuristicSchedule(...)` or any `Schedule`; or a
            function of (d, Delta_hat) to one, called with what was read at each main-loop point,
            such as functools.partial(HeuristicSchedule, curvature=0.5, step=0.1).
        max_escapes: end with status "budget" when this many escapes have succeeded; None: the
            budget of rounds alone. R that an adversary can reach makes false escapes for ever.

    Raises:
        OptionError: max_escapes below 1.

    Cost: one gradient of every worker a round; a failed escape takes Q (T_th + 1) rounds.
    Guarantee: Theorem 3, where the schedule is not vacuous: 4 Delta and lambda_min >= -gamma.

    Reference: Yin et al. 2019, "Defending against saddle point attack in Byzantine-robust
    distributed learning", Algorithm 1.
    """

    schedule: Schedule | Callable[[int, float], Schedule]
    max_escapes: int | None = None

    def __post_init__(self) -> None:
        check_options(self)
        if self.max_escapes is not None and self.max_escapes < 1:
            raise OptionError(f"max_escapes must be at least 1; got {self.max_escapes}")

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> ByzantineState:
        """The state before the first round."""
        return ByzantineState(w0, RandomKey.open(seed))

    def ask(self, state: ByzantineState) -> Vector:
        """(1, d): w, or w' during an escape."""
        return (state.w if state.escape is None else state.escape.w)[None, :]

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends by a status
    def tell(self, state: ByzantineState, reading: Reading) -> ByzantineState:
        """One step of the main loop, or one of Escape."""
        g, inexactness = reading.gradient[0], float(reading.inexactness[0])
        if state.escape is not None:
            return self._escape(state, state.escape, g)
        schedule = self._schedule_for(g, inexactness)
        if np.linalg.norm(g) <= schedule.epsilon:
            blank = Escape(schedule, inexactness, origin=state.w, w=state.w)
            return _perturb(state, blank)
        return replace(state, w=state.w - schedule.step * g)

    def _escape(self, state: ByzantineState, now: Escape, g: Vector) -> ByzantineState:
        schedule = now.schedule
        if np.linalg.norm(now.w - now.origin) >= schedule.R:
            # Back in the main loop, which steps from w' with this gradient, untested.
            w = now.w - schedule.step * g
            return replace(state, w=w, escape=None, escaped=state.escaped + 1)
        if now.t < schedule.T_th:
            w = now.w - schedule.step * g
            return replace(state, escape=replace(now, w=w, t=now.t + 1))
        if now.k < schedule.Q:
            return _perturb(state, replace(now, k=now.k + 1))
        return replace(state, escape=replace(now, failed=True))

    def _schedule_for(self, g: Vector, inexactness: float) -> Schedule:
        if isinstance(self.schedule, Schedule):
            return self.schedule
        # Workers that agree to the last digit still leave the round-off; no plan divides by 0.
        roundoff = np.finfo(np.float64).eps * float(np.abs(g).max())
        return self.schedule(len(g), max(inexactness, roundoff, TINY))

    def status(self, state: ByzantineState) -> Status:
        """Running; "second_order", "no_escape_found" or "budget" at the end."""
        now = state.escape
        if now is not None and now.failed:
            theorem, Q = now.schedule.theorem, now.schedule.Q
            why = f"{Q} perturbation rounds failed; {theorem or 'no theorem'} holds"
            return Status(Ending.SECOND_ORDER if theorem else Ending.NO_ESCAPE_FOUND, why)
        if now is None and self.max_escapes is not None and state.escaped >= self.max_escapes:
            return Status(Ending.BUDGET, f"stopped after {state.escaped} escapes")
        return RUNNING

    def point(self, state: ByzantineState) -> Vector:
        """(d,): w, or w~ during and after an escape; never w'."""
        return state.w

    def evidence(self, state: ByzantineState) -> Evidence | None:
        """After a failed escape: what its rounds, or its theorem, say about the curvature."""
        now = state.escape
        if now is None or not now.failed:
            return None
        schedule = now.schedule
        if schedule.theorem:
            return Evidence(
                escapes_failed=schedule.Q,
                curvature_bound=schedule.curvature,
                confidence=1 - schedule.delta,
                tolerance=schedule.curvature,
                assumptions=(f"{schedule.theorem}: its constants and inexactness hold everywhere",),
            )
        return failed_escapes(
            now.inexactness,
            len(state.w),
            [schedule.r] * schedule.Q,
            planned=schedule.curvature,
            delta=schedule.delta,
            assumptions=(f"the next minimum is farther than R = {schedule.R:.3g}",),
        )


def _perturb(state: ByzantineState, escape: Escape) -> ByzantineState:
    """The start of round escape.k: w' <- w'_0 <- w~ + p, p uniform in the ball of radius r."""
    generator, random = state.random.draw()
    start = state.w + escape.schedule.r * ball(generator, 1, len(state.w))[0]
    return replace(state, random=random, escape=replace(escape, origin=start, w=start, t=0))
