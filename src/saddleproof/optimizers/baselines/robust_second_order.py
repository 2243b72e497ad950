"""Robust second-order descent with aggregated Hessians, an idea of Li, Cheng et al. 2023.

    g~, H~           the rule over the workers' g_i, and over their vec(H_i)
    epsilon_g, epsilon_H            epsilon, curvature
    L, rho           1/step, hessian_lipschitz

    ||g~|| > epsilon_g:             w <- w - g~/L
    lambda_min(H~) < -epsilon_H:    w <- w +- (2 |lambda_min|/rho) v,  a fair coin
    else return w

In the setting of Li, Cheng et al. a share of the samples is corrupted. Robust estimates of gradient
and Hessian then lead to a second-order point, with an error that does not grow with the dimension.
Here the rows belong to workers, and the rule is the rule of the run. The fair coin comes from Li
and Wright (arXiv:2310.18841). Only the abstracts of both papers were read: every constant is a
choice of this library, with its reason beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.curvature.stencils import around, hessian
from saddleproof.errors import OptionError
from saddleproof.optimizers.base import RUNNING, Combined, Machine, Reading, Status
from saddleproof.optimizers.baselines.threshold import small
from saddleproof.optimizers.gradient_descent import check_positive
from saddleproof.optimizers.randomness import RandomKey
from saddleproof.words import Ending

#: epsilon_H over the inexactness of H~. Any factor above 3 makes a leap lower F in the mean: an
#: error of |lambda_min|/4.5 in v'Hv still leaves (2/9) |lambda_min|^3/rho^2.
ADMITTED = 4.5


@dataclass(frozen=True)
class SecondOrderState:
    """The scheme between two rounds.

    Attributes:
        w: (d,).
        random: the server's random numbers.
        measuring: whether the next round asks for a Hessian.
        lowest: lambda_min(H~) at w where it ended the run, -inf without an H~; NaN before.
        tolerance: epsilon_H that it was held against.
    """

    w: Vector
    random: RandomKey
    measuring: bool = False
    lowest: float = math.nan
    tolerance: float = math.nan


@dataclass(frozen=True)
class RobustSecondOrder(Machine):
    """Robust descent, and leaps along the lowest eigenvector of a robustly aggregated Hessian.

    Workers' Hessians are central differences of their own gradients, so the noise that a worker
    has at all points alike is gone before the rule sees the Hessians. The length of a leap,
    s = 2|lambda_min|/rho, is the minimum of Taylor's bound -|lambda_min| s^2/2 + rho s^3/6. Where
    H~ is exact, a leap lowers F by (2/3) |lambda_min|^3/rho^2 in the mean of its two sides. A run
    ends with status "no_escape_found" where lambda_min(H~) >= -epsilon_H; the certificate says
    how much such an end proves.

    Args:
        step: 1/L > 0, kept as given.
        hessian_lipschitz: rho > 0.
        epsilon: epsilon_g > 0. None: 3 Delta_hat(w).
        curvature: epsilon_H > 0. None: 9/2 of the inexactness of H~ in the Frobenius norm.

    Raises:
        OptionError: an option outside its range; or, in a run, a default that needs an
            inexactness which the rule does not know.

    Cost: one gradient of every worker a round of descent; 2d + 1 in the round of a Hessian, and
    one call of the rule on (m, d^2).

    Reference: Li, Cheng, Diakonikolas, Diakonikolas, Ge, Wright 2023, "Robust second-order
    nonconvex optimization and its application to low rank matrix sensing", NeurIPS, for the idea.
    """

    step: float
    hessian_lipschitz: float = 1.0
    epsilon: float | None = None
    curvature: float | None = None

    def __post_init__(self) -> None:
        check_options(self)
        check_positive(
            step=self.step,
            hessian_lipschitz=self.hessian_lipschitz,
            epsilon=self.epsilon,
            curvature=self.curvature,
        )

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> SecondOrderState:
        """The state before the first round."""
        return SecondOrderState(w0, RandomKey.open(seed))

    def ask(self, state: SecondOrderState) -> Vector:
        """(1, d): w; or (2d + 1, d): w and its neighbours."""
        return around(state.w) if state.measuring else state.w[None, :]

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends by a status
    def tell(self, state: SecondOrderState, reading: Reading) -> SecondOrderState:
        """One step of descent, or the leap or the end that the Hessian calls for."""
        if state.measuring:
            return self._leap(state, reading)
        if small(reading, self.epsilon):
            return replace(state, measuring=True)
        return replace(state, w=state.w - self.step * reading.gradient[0])

    def _leap(self, state: SecondOrderState, reading: Reading) -> SecondOrderState:
        d = len(state.w)
        points = around(state.w)
        found = reading.per_worker(lambda g: hessian(g, points).ravel())
        if not np.isfinite(found.vector).all():
            return replace(state, lowest=-math.inf)
        eigenvalues, V = np.linalg.eigh(found.vector[0].reshape(d, d))
        tolerance = self._tolerance(found)
        lowest = float(eigenvalues[0])
        if lowest >= -tolerance:
            return replace(state, lowest=lowest, tolerance=tolerance)
        generator, random = state.random.draw()
        side = 1.0 if generator.random() < 0.5 else -1.0
        leap = side * 2 * abs(lowest) / self.hessian_lipschitz
        return SecondOrderState(state.w + leap * V[:, 0], random)

    def _tolerance(self, found: Combined) -> float:
        if self.curvature is not None:
            return self.curvature
        if found.inexactness is None:
            raise OptionError(
                "without curvature this optimizer needs a rule with an inexactness; take "
                "Median(), or give curvature"
            )
        return ADMITTED * float(found.inexactness[0])

    def status(self, state: SecondOrderState) -> Status:
        """Running, or "no_escape_found" once a Hessian showed too little negative curvature."""
        if math.isnan(state.lowest):
            return RUNNING
        if state.lowest == -math.inf:
            return Status(Ending.UNRESOLVED, "gradients overflow next to the point")
        return Status(
            Ending.NO_ESCAPE_FOUND,
            f"the aggregated Hessian has lambda_min {state.lowest:.3g}, "
            f"no less than -{state.tolerance:.3g}",
        )

    def point(self, state: SecondOrderState) -> Vector:
        """(d,): w."""
        return state.w
