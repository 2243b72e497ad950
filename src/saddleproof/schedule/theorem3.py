"""The schedule of Theorem 3.

The scales x = Delta^(2/5) d^(1/5) and y = Delta^(3/5) d^(3/10) carry it: R = x / sqrt(rho),
r = 4 y / sqrt(rho), and y^2 = x^3.
"""

from __future__ import annotations

import math

from saddleproof.errors import OptionError
from saddleproof.schedule.base import Schedule, positive
from saddleproof.schedule.printed import Printed, rounded


def Theorem3(  # noqa: N802 - named as the paper names it
    d: int,
    inexactness: float,
    smoothness: float,
    hessian_lipschitz: float,
    excess: float,
    delta: float = 0.05,
) -> Schedule:
    """The schedule of Theorem 3: a Delta-inexact oracle, to the letter.

        eta = 1/L,   epsilon = 3 Delta,   R = Delta^(2/5) d^(1/5) rho^(-1/2),
        r = 4 Delta^(3/5) d^(3/10) rho^(-1/2),
        Q = 2 log(rho (F_0 - F*) / (48 L delta (Delta^(6/5) d^(3/5) + Delta^(7/5) d^(7/10)))),
        T_th = L / (384 (rho^(1/2) + L) (Delta^(2/5) d^(1/5) + Delta^(3/5) d^(3/10))),

    and lambda_min >= -gamma with gamma of equation (16). Q and T_th are rounded up, to at least
    1. The schedule is vacuous when T_th < 1, R <= r, Q <= 0 or gamma > L. A vacuous schedule is
    returned with a warning, which names the violated conditions and the largest Delta without
    any. The printed r and R change when F is multiplied by a constant, although they are lengths:
    they hold in the units in which the theorem is stated.

    Args:
        d: dimension, >= 1.
        inexactness: Delta, in (0, 1].
        smoothness: L > 0.
        hessian_lipschitz: rho > 0.
        excess: F_0 - F* > 0.
        delta: admitted probability of failure, in (0, 1).

    Raises:
        OptionError: a value outside its range.

    Warns:
        VacuousScheduleWarning: the theorem promises nothing at these numbers.

    Reference: Yin et al. 2019, Theorem 3 and equations (12)-(17), (24).
    """
    L, rho = smoothness, hessian_lipschitz
    positive(d=d, smoothness=L, hessian_lipschitz=rho, excess=excess, inexactness=inexactness)
    if inexactness > 1:
        raise OptionError(f"Theorem 3 needs Delta <= 1; got {inexactness}")

    def at(Delta: float) -> Printed:
        return printed_theorem3(d, Delta, L, rho, excess, delta)

    return rounded("Theorem 3", at, "Delta", inexactness, L, 3 * inexactness, delta)


def scales(d: int, inexactness: float) -> tuple[float, float]:
    """x and y of Theorem 3: Delta^(2/5) d^(1/5) and Delta^(3/5) d^(3/10), (13), (14)."""
    positive(d=d, inexactness=inexactness)
    return inexactness**0.4 * d**0.2, inexactness**0.6 * d**0.3


def lengths(d: int, inexactness: float, hessian_lipschitz: float) -> tuple[float, float]:
    """r and R of Theorem 3."""
    x, y = scales(d, inexactness)
    return 4 * y / hessian_lipschitz**0.5, x / hessian_lipschitz**0.5


def printed_theorem3(
    d: int, Delta: float, L: float, rho: float, excess: float, delta: float
) -> Printed:
    """The printed parameters of Theorem 3, and gamma of (16), before Q and T_th are rounded."""
    x, y = scales(d, Delta)
    r, R = lengths(d, Delta, rho)
    Q = 2 * math.log(rho * excess / (48 * L * delta * (x**3 + Delta**1.4 * d**0.7)))
    T_th = L / (384 * (rho**0.5 + L) * (x + y))
    log = math.log(2 * d**0.4 / Delta**0.2 + 8 * d**0.5) / math.log(9 / 4)
    return Printed(r, R, Q, T_th, 768 * (rho**0.5 + L) * (x + y) * log)
