"""Perturbed gradient descent with its function-value test (Jin et al. 2017, algorithm PGD).

    x_t, x~_t        state.w, state.anchor
    t - t_noise      state.since
    f(x~)            state.value
    eta, g_thres, r, f_thres, t_thres    step, epsilon, radius, decrease, horizon

`PGD` is the same idea with the test of Yin et al. 2019, the distance walked. The test on values
is weaker under attack: f_thres is of the order of epsilon^(3/2), far below the spread of the
workers' values, and liars move the median of m values across that spread, up at x~ and down at
x_t, or the other way round (`Reading.values`).

Algorithm and constants were read in a public summary of the paper and in public ports, which agree;
the paper's own numbering was not seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.optimizers.base import RUNNING, Evidence, Machine, Reading, Status
from saddleproof.optimizers.baselines.threshold import small
from saddleproof.optimizers.evidence import failed_escapes
from saddleproof.optimizers.gradient_descent import check_positive
from saddleproof.optimizers.randomness import RandomKey, ball
from saddleproof.words import Ending

#: Admitted probability of being wrong in the evidence.
DELTA = 0.05


@dataclass(frozen=True)
class ValueState:
    """The algorithm between two rounds.

    Attributes:
        w: (d,) x_t.
        random: the server's random numbers.
        anchor: (d,) x~, where the last perturbation began; None before the first one.
        value: F_hat(x~).
        inexactness: Delta_hat(x~).
        since: t - t_noise, 0 at the perturbed point.
        failed: whether the last perturbation did not lower F by f_thres.
    """

    w: Vector
    random: RandomKey
    anchor: Vector | None = None
    value: float = math.inf
    inexactness: float = math.inf
    since: int = 0
    failed: bool = False


@dataclass(frozen=True)
class ValuePGD(Machine):
    """Perturbed gradient descent that returns when F did not fall after a perturbation.

    x <- x - eta g_hat(x). Where ||g_hat|| <= g_thres, and the last perturbation is more than
    t_thres steps back: x~ <- x and x <- x~ + xi, xi uniform in the ball of radius r. If t_thres
    steps later F_hat(x) - F_hat(x~) > -f_thres, the run returns x~, with status
    "no_escape_found". The default values of the options are choices of this library.

    Args:
        step: eta > 0, kept as given; the theory takes c/L.
        epsilon: g_thres > 0, in the unit of the gradient. None: 3 Delta_hat(x).
        radius: r > 0, in the unit of w.
        decrease: f_thres > 0, in the unit of F.
        horizon: t_thres >= 1.

    Raises:
        OptionError: an option outside its range; or, in a run, a fleet that sends no losses.

    Cost: one gradient and one value of every worker a round.
    Guarantee: with exact gradients and values, the constants of `paper` and c <= c_max, the point
    returned has ||grad F|| <= epsilon and lambda_min >= -sqrt(rho epsilon) with probability
    1 - delta. None under attack.

    Reference: Jin, Ge, Netrapalli, Kakade, Jordan 2017, "How to escape saddle points
    efficiently", ICML.
    """

    step: float
    epsilon: float | None = None
    radius: float = 0.01
    decrease: float = 1e-4
    horizon: int = 100

    needs_values: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_options(self)
        check_positive(
            step=self.step,
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
        c: float = 0.5,
        delta: float = 0.05,
    ) -> ValuePGD:
        """The constants of the theorem; t_thres is rounded up.

            chi = 3 max(log(d L (F_0 - F*) / (c epsilon^2 delta)), 4),   eta = c/L,
            r = sqrt(c) epsilon / (chi^2 L),   g_thres = sqrt(c) epsilon / chi^2,
            f_thres = c sqrt(epsilon^3/rho) / chi^3,   t_thres = chi L / (c^2 sqrt(rho epsilon)).

        Args:
            d: dimension.
            epsilon: wanted gradient norm, at most L^2/rho.
            smoothness: L > 0.
            hessian_lipschitz: rho > 0.
            excess: F_0 - F* > 0.
            c: absolute constant c <= c_max, and c_max has no value in the source; 1/2 is a choice
                of this library.
            delta: admitted probability of failure, in (0, 1).

        >>> ValuePGD.paper(10, 1e-2, 1.0, 1.0, 1.0).horizon
        1825
        """
        L, rho = smoothness, hessian_lipschitz
        check_positive(d=d, epsilon=epsilon, L=L, rho=rho, excess=excess, c=c, delta=delta)
        chi = 3 * max(math.log(d * L * excess / (c * epsilon**2 * delta)), 4)
        return cls(
            step=c / L,
            epsilon=math.sqrt(c) / chi**2 * epsilon,
            radius=math.sqrt(c) / chi**2 * epsilon / L,
            decrease=c / chi**3 * math.sqrt(epsilon**3 / rho),
            horizon=math.ceil(chi / c**2 * L / math.sqrt(rho * epsilon)),
        )

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> ValueState:
        """The state before the first round."""
        return ValueState(w0, RandomKey.open(seed))

    def ask(self, state: ValueState) -> Vector:
        """(1, d): x_t."""
        return state.w[None, :]

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends by a status
    def tell(self, state: ValueState, reading: Reading) -> ValueState:
        """The test of the last perturbation, then a perturbation or a step."""
        value = float(reading.values.mid[0])
        perturbed = state.anchor is not None
        if perturbed and state.since == self.horizon and value - state.value > -self.decrease:
            return replace(state, failed=True)
        free = not perturbed or state.since > self.horizon
        if free and small(reading, self.epsilon):
            generator, random = state.random.draw()
            xi = self.radius * ball(generator, 1, len(state.w))[0]
            return ValueState(
                state.w + xi, random, state.w, value, float(reading.inexactness[0]), since=0
            )
        w = state.w - self.step * reading.gradient[0]
        return replace(state, w=w, since=state.since + 1)

    def status(self, state: ValueState) -> Status:
        """Running, or "no_escape_found" once a perturbation did not lower F."""
        if not state.failed:
            return RUNNING
        return Status(
            Ending.NO_ESCAPE_FOUND,
            f"{self.horizon} rounds after a perturbation of length {self.radius:.3g} "
            f"the loss had not fallen by {self.decrease:.3g}",
        )

    def point(self, state: ValueState) -> Vector:
        """(d,): x_t; x~ until the perturbation that began there has been tested."""
        if state.anchor is not None and state.since <= self.horizon:
            return state.anchor
        return state.w

    def evidence(self, state: ValueState) -> Evidence | None:
        """After a failed perturbation: the curvature that one of this length resolves."""
        if not state.failed or not math.isfinite(state.inexactness):
            return None
        return failed_escapes(
            state.inexactness,
            len(state.w),
            [self.radius],
            planned=None,
            delta=DELTA,
            assumptions=(
                f"{self.horizon} rounds are enough to lower the loss by {self.decrease:.3g}",
                "the median of the workers' losses is not moved by liars",
            ),
        )
