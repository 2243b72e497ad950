"""Perturbed accelerated gradient descent (Jin, Netrapalli, Jordan 2018).

    x_t, v_t         state.w, state.v
    kappa = L/sqrt(rho epsilon)     L = 1/(4 eta); sqrt(rho epsilon) = curvature
    eta, theta, gamma, s            step and the properties of these names
    r, Tau           radius, horizon
    E_t = F(x_t) + |v_t|^2 / (2 eta)                          the Hamiltonian

    y = x + (1 - theta) v,   x+ = y - eta g_hat(y),   v+ = x+ - x,

Where F is too concave between x and y for momentum,

    F(x) <= F(y) + <g_hat(y), x - y> - (gamma/2) |x - y|^2,

negative curvature is exploited instead: v <- 0, and where |v| < s also x <- the lower one of
x +- s v/|v|. These tests compare values of F, so the algorithm is a baseline for exact oracles;
`Reading.values` tells how liars bend such comparisons.

The formulas are those of "Faster gradient-free methods for escaping saddle points" (ICLR 2023),
which restates the algorithm for finite-difference gradients: Algorithms 1 and 2, Equations (4) to
(6), and the stop rule of Remark 2. The paper of 2018 gives the idea; its numbering was not seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.optimizers.base import RUNNING, Machine, Reading, Status
from saddleproof.optimizers.baselines.threshold import small
from saddleproof.optimizers.gradient_descent import check_positive
from saddleproof.optimizers.randomness import RandomKey, ball
from saddleproof.words import Ending


@dataclass(frozen=True)
class AcceleratedState:
    """The algorithm between two rounds.

    Attributes:
        w: (d,) x_t.
        v: (d,) v_t.
        random: the server's random numbers.
        anchor: (d,) where the last perturbation began; None before the first one.
        energy: E before the last perturbation; NaN before the first one.
        since: steps since the last perturbation.
        exploiting: whether the next round compares F at x +- s v/|v|.
        failed: whether the last perturbation did not lower E enough.
    """

    w: Vector
    v: Vector
    random: RandomKey
    anchor: Vector | None = None
    energy: float = math.nan
    since: int = 0
    exploiting: bool = False
    failed: bool = False


@dataclass(frozen=True)
class AcceleratedPGD(Machine):
    """Accelerated descent with perturbations, where negative curvature is exploited.

    Where ||g_hat(x)|| <= epsilon, and Tau steps lie behind the last perturbation, x moves by xi,
    uniform in the ball of radius r. If Tau steps later E lies less than `decrease` below its
    value before the perturbation, the run returns the point before the perturbation, with status
    "no_escape_found". A perturbation takes a round of its own. The default values of the options
    are choices of this library; `paper` gives the constants of the theorem.

    Args:
        step: eta = 1/(4L) > 0, kept as given.
        curvature: sqrt(rho epsilon) > 0, the negative curvature to notice.
        hessian_lipschitz: rho > 0.
        epsilon: > 0, what counts as a small gradient. None: 3 Delta_hat(x).
        radius: r > 0, in the unit of w.
        decrease: > 0, in the unit of F.
        horizon: Tau >= 1.

    Raises:
        OptionError: an option outside its range; or, in a run, a fleet that sends no losses.

    Cost: two gradients and two values of every worker a round; three values at an exploitation.
    Guarantee: with exact oracles, the constants of `paper`, c large enough and epsilon <= L^2/rho,
    one of O~(L^(1/2) rho^(1/4) (F_0 - F*) / epsilon^(7/4)) iterates has ||grad F|| <= epsilon and
    lambda_min >= -sqrt(rho epsilon), with probability 1 - delta; E never increases between
    perturbations. None under attack.

    Reference: Jin, Netrapalli, Jordan 2018, "Accelerated gradient descent escapes saddle points
    faster than gradient descent", COLT; formulas as restated in "Faster gradient-free methods for
    escaping saddle points", ICLR 2023.
    """

    step: float
    curvature: float = 0.1
    hessian_lipschitz: float = 1.0
    epsilon: float | None = None
    radius: float = 0.01
    decrease: float = 1e-4
    horizon: int = 50

    needs_values: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_options(self)
        check_positive(
            step=self.step,
            curvature=self.curvature,
            hessian_lipschitz=self.hessian_lipschitz,
            epsilon=self.epsilon,
            radius=self.radius,
            decrease=self.decrease,
            horizon=self.horizon,
        )

    @classmethod
    def paper(
        cls,
        d: int,
        epsilon: float,
        smoothness: float,
        hessian_lipschitz: float,
        excess: float,
        *,
        c: float = 1.0,
        delta: float = 0.05,
    ) -> AcceleratedPGD:
        """The constants of Equation (5) and of the stop rule of the ICLR 2023 paper.

            chi = max(1, log(d L (F_0 - F*) / (rho epsilon delta))),   Tau = sqrt(kappa) chi c,
            r = eta epsilon chi^-5 c^-8,   decrease = sqrt(epsilon^3/rho) chi^-5 c^-7.

        Tau is rounded up. That paper perturbs where the gradient is below 3 epsilon/4, to allow
        for its finite differences; with exact gradients epsilon itself is the threshold.

        Args:
            d: dimension.
            epsilon: wanted gradient norm.
            smoothness: L > 0.
            hessian_lipschitz: rho > 0.
            excess: F_0 - F* > 0.
            c: absolute constant without a value in the source; 1 is a choice of this library.
            delta: admitted probability of failure, in (0, 1).
        """
        L, rho = smoothness, hessian_lipschitz
        check_positive(d=d, epsilon=epsilon, L=L, rho=rho, excess=excess, c=c, delta=delta)
        chi = max(1.0, math.log(d * L * excess / (rho * epsilon * delta)))
        curvature = math.sqrt(rho * epsilon)
        return cls(
            step=1 / (4 * L),
            curvature=curvature,
            hessian_lipschitz=rho,
            epsilon=epsilon,
            radius=epsilon / (4 * L) * chi**-5 * c**-8,
            decrease=math.sqrt(epsilon**3 / rho) * chi**-5 * c**-7,
            horizon=math.ceil(math.sqrt(L / curvature) * chi * c),
        )

    @property
    def theta(self) -> float:
        """1/(4 sqrt(kappa)), with kappa = L/curvature raised to 1 where it is smaller."""
        return 0.25 / math.sqrt(max(1.0, 1 / (4 * self.step * self.curvature)))

    @property
    def gamma(self) -> float:
        """theta^2/eta."""
        return self.theta**2 / self.step

    @property
    def s(self) -> float:
        """gamma/(4 rho), the length of an exploiting step."""
        return self.gamma / (4 * self.hessian_lipschitz)

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> AcceleratedState:
        """The state before the first round, at rest."""
        return AcceleratedState(w0, np.zeros_like(w0), RandomKey.open(seed))

    def ask(self, state: AcceleratedState) -> Vector:
        """(2, d): x and y; (3, d): x and x +- s v/|v|."""
        x, v = state.w, state.v
        if state.exploiting:
            leap = self.s * v / np.linalg.norm(v)
            return np.stack([x, x + leap, x - leap])
        return np.stack([x, x + (1 - self.theta) * v])

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends by a status
    def tell(self, state: AcceleratedState, reading: Reading) -> AcceleratedState:
        """One step, or a perturbation, or the end of an exploitation."""
        points, values = self.ask(state), reading.values.mid
        if state.exploiting:
            lower = points[1] if values[1] < values[2] else points[2]
            return replace(state, w=lower, v=np.zeros_like(lower), exploiting=False)
        energy = float(values[0] + state.v @ state.v / (2 * self.step))
        rested = state.anchor is None or state.since >= self.horizon
        tested = state.anchor is not None and state.since == self.horizon
        if tested and energy > state.energy - self.decrease:
            return replace(state, failed=True)
        if rested and small(reading, self.epsilon):
            generator, random = state.random.draw()
            xi = self.radius * ball(generator, 1, len(state.w))[0]
            return replace(
                state, w=state.w + xi, random=random, anchor=state.w, energy=energy, since=0
            )
        return self._step(replace(state, since=state.since + 1), points[1], values, reading)

    def _step(
        self, state: AcceleratedState, y: Vector, values: Vector, reading: Reading
    ) -> AcceleratedState:
        x, v, g = state.w, state.v, reading.gradient[1]
        back = x - y
        line = values[1] + g @ back - self.gamma / 2 * (back @ back)
        length = np.linalg.norm(v)
        if length > 0 and values[0] <= line:  # at rest x = y, and there is nothing to exploit
            if length >= self.s:
                return replace(state, v=np.zeros_like(v))
            return replace(state, exploiting=True)
        ahead = y - self.step * g
        return replace(state, w=ahead, v=ahead - x)

    def status(self, state: AcceleratedState) -> Status:
        """Running, or "no_escape_found" once a perturbation did not lower E."""
        if not state.failed:
            return RUNNING
        return Status(
            Ending.NO_ESCAPE_FOUND,
            f"{self.horizon} steps after a perturbation of length {self.radius:.3g} "
            f"the Hamiltonian had not fallen by {self.decrease:.3g}",
        )

    def point(self, state: AcceleratedState) -> Vector:
        """(d,): x_t; where the perturbation began until it has been tested."""
        if state.anchor is not None and state.since <= self.horizon:
            return state.anchor
        return state.w
