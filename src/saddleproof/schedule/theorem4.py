"""The schedule of Theorem 4: exact gradients."""

from __future__ import annotations

import math

from saddleproof.errors import OptionError
from saddleproof.schedule.base import Schedule, positive
from saddleproof.schedule.printed import Printed, rounded


def Theorem4(  # noqa: N802 - named as the paper names it
    d: int,
    epsilon: float,
    smoothness: float,
    hessian_lipschitz: float,
    excess: float,
    delta: float = 0.05,
) -> Schedule:
    """The schedule of Theorem 4: exact gradients, to the letter.

        eta = 1/L,   Q = 1,   r = epsilon,   R = sqrt(epsilon / rho),
        T_th = L / (12 rho (R + r)),
        gamma = 60 sqrt(rho epsilon) log(8 rho sqrt(d) (F_0 - F*) / (delta epsilon^2)).

    A vacuous schedule is returned with a warning, as in `Theorem3`. The theorem asks for
    epsilon < min(1/rho, 4/(L^2 rho)).

    Args:
        d: dimension, >= 1.
        epsilon: wanted gradient norm, > 0.
        smoothness: L > 0.
        hessian_lipschitz: rho > 0.
        excess: F_0 - F* > 0.
        delta: admitted probability of failure, in (0, 1).

    Raises:
        OptionError: a value outside its range.

    Warns:
        VacuousScheduleWarning: the theorem promises nothing at these numbers.

    Reference: Yin et al. 2019, Theorem 4.
    """
    L, rho = smoothness, hessian_lipschitz
    positive(d=d, smoothness=L, hessian_lipschitz=rho, excess=excess, epsilon=epsilon)
    if epsilon >= (limit := min(1 / rho, 4 / (L**2 * rho))):
        raise OptionError(f"Theorem 4 needs epsilon < {limit:.3g}; got {epsilon}")

    def at(eps: float) -> Printed:
        return printed_theorem4(d, eps, L, rho, excess, delta)

    return rounded("Theorem 4", at, "epsilon", epsilon, L, epsilon, delta)


def printed_theorem4(
    d: int, epsilon: float, L: float, rho: float, excess: float, delta: float
) -> Printed:
    """The printed parameters of Theorem 4 before T_th is rounded."""
    r, R = epsilon, math.sqrt(epsilon / rho)
    log = math.log(8 * rho * math.sqrt(d) * excess / (delta * epsilon**2))
    # A logarithm below 0 would say that no saddle can be left: it bounds nothing.
    gamma = 60 * math.sqrt(rho * epsilon) * log if log > 0 else math.inf
    return Printed(r, R, 1.0, L / (12 * rho * (R + r)), gamma)
