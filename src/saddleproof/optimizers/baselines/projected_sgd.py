"""The step of ByzantineSGD (Alistarh, Allen-Zhu, Li, NeurIPS 2018, Algorithm 1).

x_1, x_k         state.start, state.x
eta, D           step, diameter
xi_k             the aggregate
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.optimizers.base import RUNNING, Machine, Reading, Status
from saddleproof.optimizers.gradient_descent import check_positive


@dataclass(frozen=True)
class ProjectedState:
    """The algorithm between two rounds.

    Attributes:
        start: (d,) x_1, the center of the ball.
        x: (d,) x_k.
        total: (d,) x_2 + ... + x_k.
        steps: k - 1.
    """

    start: Vector
    x: Vector
    total: Vector
    steps: int = 0


@dataclass(frozen=True)
class ProjectedSGD(Machine):
    """Mirror descent in a ball around the start, and the average of where it was.

        x_{k+1} = argmin over ||y - x_1|| <= D of ||y - x_k||^2 / 2 + eta <xi_k, y - x_k>,

    which is the step x_k - eta xi_k, pulled back into the ball. It returns the average of
    x_2, ..., x_k, which is what the theorem is about; for convex F, and for that only. At a saddle
    point it has nothing to offer. Runs until the budget of rounds ends it (status "budget").

    With `ByzantineSGD(noise=V, diameter=D, horizon=T)` as the rule this is Algorithm 1. With any
    other rule it is projected descent.

    Args:
        step: eta > 0.
        diameter: D > 0, in the unit of w: no iterate is farther from the start.
        average: return the last iterate instead where false.

    Raises:
        OptionError: step or diameter is not positive.

    Cost: one gradient of every worker a round.
    Guarantee (with that rule, convex F, a minimum within D, and the paper's step): F(average) is
    within eps of the minimum after T = O~(1/eps + 1/(eps^2 m) + alpha^2/eps^2) rounds.

    Reference: Alistarh, Allen-Zhu, Li 2018, "Byzantine stochastic gradient descent", NeurIPS.
    """

    step: float
    diameter: float
    average: bool = True

    def __post_init__(self) -> None:
        check_options(self)
        check_positive(step=self.step, diameter=self.diameter)

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> ProjectedState:
        """The state before the first round; nothing here is random."""
        return ProjectedState(w0, w0, np.zeros_like(w0))

    def ask(self, state: ProjectedState) -> Vector:
        """(1, d): x_k."""
        return state.x[None, :]

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends by a status
    def tell(self, state: ProjectedState, reading: Reading) -> ProjectedState:
        """One step, and back into the ball."""
        moved = state.x - self.step * reading.gradient[0] - state.start
        length = float(np.linalg.norm(moved))
        if length > self.diameter:
            moved = moved * (self.diameter / length)
        x = state.start + moved
        return replace(state, x=x, total=state.total + x, steps=state.steps + 1)

    def status(self, state: ProjectedState) -> Status:
        """Always running: only the budget ends it."""
        return RUNNING

    def point(self, state: ProjectedState) -> Vector:
        """(d,): the average of the iterates after the start, or the last one."""
        if not self.average or state.steps == 0:
            return state.x
        mean: Vector = state.total / state.steps
        return mean
