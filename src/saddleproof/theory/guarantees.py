"""What Theorems 3 and 4 promise, with every constant (Yin et al. 2019, Appendices B, C and E).

Symbols as in `saddleproof.schedule`, which holds the schedules themselves. The scales

    x = Delta^(2/5) d^(1/5),    y = Delta^(3/5) d^(3/10)

carry Theorem 3: R = x / sqrt(rho), r = 4 y / sqrt(rho), and y^2 = x^3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from saddleproof.schedule import Schedule, Theorem3, Theorem4
from saddleproof.theory.arguments import positive


@dataclass(frozen=True)
class Guarantee:
    """What a theorem promises of the point that Algorithm 1 returns.

    Attributes:
        schedule: the parameters for which it is promised; `schedule.delta` is the probability
            that the promise fails, `schedule.vacuous` what makes it empty.
        gradient_norm: ||grad F(w~)|| is at most this.
        curvature: lambda_min(Hessian of F at w~) is at least minus this, as the theorem prints it.
        proved_curvature: the same as the proof has it, before it is rounded off for print.
        iterations: parallel iterations, at most.
    """

    schedule: Schedule
    gradient_norm: float
    curvature: float
    proved_curvature: float
    iterations: float


def theorem3_guarantee(
    d: int,
    inexactness: float,
    smoothness: float,
    hessian_lipschitz: float,
    excess: float,
    delta: float = 0.05,
) -> Guarantee:
    """Theorem 3: what Algorithm 1 returns, given a Delta-inexact oracle and `Theorem3`.

        ||grad F(w~)|| <= 4 Delta,
        lambda_min >= -1900 (sqrt(rho) + L) Delta^(2/5) d^(1/5) log(10 / Delta),       (3), (27)
        lambda_min >= -768 (sqrt(rho) + L) (x + y) log_{9/4}(2 d^(2/5) / Delta^(1/5) + 8 sqrt(d))
                                                                                       (16), (26)
        within (2 (F_0 - F*) L / (3 Delta^2)) Q parallel iterations,                   (24), (25)

    with probability at least 1 - delta. The count leaves out the last escape, which fails and
    takes Q (T_th + 1) iterations more. In Delta alone this is Observation 1: O(Delta),
    O~(Delta^(2/5)) and O~(Delta^-2).

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
    """
    schedule = Theorem3(d, inexactness, smoothness, hessian_lipschitz, excess, delta)
    x, y = scales(d, inexactness)
    slope = math.sqrt(hessian_lipschitz) + smoothness
    log = math.log(2 * d**0.4 / inexactness**0.2 + 8 * math.sqrt(d)) / math.log(9 / 4)
    return Guarantee(
        schedule,
        gradient_norm=4 * inexactness,
        curvature=1900 * slope * x * math.log(10 / inexactness),
        proved_curvature=768 * slope * (x + y) * log,
        iterations=effective_iterations(inexactness, smoothness, excess) * schedule.Q,
    )


def theorem4_guarantee(
    d: int,
    epsilon: float,
    smoothness: float,
    hessian_lipschitz: float,
    excess: float,
    delta: float = 0.05,
) -> Guarantee:
    """Theorem 4: what Algorithm 1 returns, given exact gradients and `Theorem4`.

        ||grad F(w~)|| <= epsilon,
        lambda_min >= -60 sqrt(rho epsilon) log(8 rho sqrt(d) (F_0 - F*) / (delta epsilon^2)),
        lambda_min >= -24 rho (R + r) log_{9/4}(2 (R + r) / mu),                       (52)
        within 2 L (F_0 - F*) / epsilon^2 parallel iterations,

    with probability at least 1 - delta; mu is `theorem4_width`. The rho in the printed logarithm
    does not come out of the proof, which gives 8 sqrt(d) (F_0 - F*) / (delta epsilon^2): for
    rho < 1 trust `proved_curvature`.

    Args:
        d: dimension, >= 1.
        epsilon: wanted gradient norm, in (0, min(1/rho, 4/(L^2 rho))).
        smoothness: L > 0.
        hessian_lipschitz: rho > 0.
        excess: F_0 - F* > 0.
        delta: admitted probability of failure, in (0, 1).

    Raises:
        OptionError: a value outside its range.

    Warns:
        VacuousScheduleWarning: the theorem promises nothing at these numbers.
    """
    schedule = Theorem4(d, epsilon, smoothness, hessian_lipschitz, excess, delta)
    rho, reach = hessian_lipschitz, schedule.R + schedule.r
    mu = theorem4_width(d, epsilon, hessian_lipschitz, excess, delta)
    log = math.log(8 * rho * math.sqrt(d) * excess / (delta * epsilon**2))
    return Guarantee(
        schedule,
        gradient_norm=epsilon,
        curvature=60 * math.sqrt(rho * epsilon) * log if log > 0 else math.inf,
        proved_curvature=24 * rho * reach * math.log(2 * reach / mu) / math.log(9 / 4),
        iterations=2 * smoothness * excess / epsilon**2,
    )


def scales(d: int, inexactness: float) -> tuple[float, float]:
    """x and y of Theorem 3: Delta^(2/5) d^(1/5) and Delta^(3/5) d^(3/10), (13), (14)."""
    positive(d=d, inexactness=inexactness)
    return inexactness**0.4 * d**0.2, inexactness**0.6 * d**0.3


def theorem3_width(d: int, inexactness: float, hessian_lipschitz: float) -> float:
    """The width of the stuck region in Theorem 3: mu = Delta^(3/5) d^(-1/5) / sqrt(rho), (12)."""
    positive(d=d, inexactness=inexactness, hessian_lipschitz=hessian_lipschitz)
    return math.pow(inexactness, 0.6) / (math.pow(d, 0.2) * math.sqrt(hessian_lipschitz))


def theorem4_width(
    d: int, epsilon: float, hessian_lipschitz: float, excess: float, delta: float
) -> float:
    """The width of the stuck region in Theorem 4, at the end of Appendix C.

    mu = delta epsilon^(5/2) / (2 sqrt(rho d) (F_0 - F*))
    """
    positive(d=d, epsilon=epsilon, hessian_lipschitz=hessian_lipschitz, excess=excess, delta=delta)
    return delta * math.pow(epsilon, 2.5) / (2 * math.sqrt(hessian_lipschitz * d) * excess)


def effective_iterations(inexactness: float, smoothness: float, excess: float) -> float:
    """Iterations that lower F, at most: 2 (F_0 - F*) L / (3 Delta^2), (25)."""
    positive(inexactness=inexactness, smoothness=smoothness, excess=excess)
    return 2 * excess * smoothness / (3 * inexactness**2)


def theorem3_escape_decrease(
    d: int, inexactness: float, smoothness: float, hessian_lipschitz: float
) -> float:
    """How much a successful escape of Theorem 3 lowers F at least, (21).

    48 (rho^(-1/2) + L / rho) (Delta^(6/5) d^(3/5) + Delta^(7/5) d^(7/10))
    """
    x, y = scales(d, inexactness)
    positive(smoothness=smoothness, hessian_lipschitz=hessian_lipschitz)
    slope = math.sqrt(hessian_lipschitz) + smoothness
    return 48 * slope / hessian_lipschitz * x**2 * (x + y)


def most_escapes(
    d: int, inexactness: float, smoothness: float, hessian_lipschitz: float, excess: float
) -> float:
    """Saddle points that a run of Theorem 3 needs to leave, at most, (23).

    rho (F_0 - F*) / (48 L (Delta^(6/5) d^(3/5) + Delta^(7/5) d^(7/10)))
    """
    x, y = scales(d, inexactness)
    positive(smoothness=smoothness, hessian_lipschitz=hessian_lipschitz, excess=excess)
    return hessian_lipschitz * excess / (48 * smoothness * x**2 * (x + y))


def iterate_radius(
    d: int, inexactness: float, smoothness: float, hessian_lipschitz: float, excess: float
) -> float:
    """How far from w_0 the iterates of Theorem 3 can come: D/2 of Proposition 2.

        2 sqrt((T / L) (F_0 - F* + E (4 Delta r + L r^2 / 2))) + 2 Delta T / L   (57), (58)
          + E r                                                                  (60)
          + r + R

    with T of (25) and E of (23). The paper writes C (F_0 - F*) / Delta as Delta -> 0; here are
    the constants of its proof. The last line is ours: the proof leaves out the rounds that fail.

    Args:
        d: dimension, >= 1.
        inexactness: Delta, in (0, 1].
        smoothness: L > 0.
        hessian_lipschitz: rho > 0.
        excess: F_0 - F* > 0.

    Raises:
        OptionError: a value that is not positive and finite.
    """
    L, Delta = smoothness, inexactness
    x, y = scales(d, Delta)
    T = effective_iterations(Delta, L, excess)
    E = most_escapes(d, Delta, L, hessian_lipschitz, excess)
    r, R = 4 * y / math.sqrt(hessian_lipschitz), x / math.sqrt(hessian_lipschitz)
    climbed = E * (4 * Delta * r + L * r**2 / 2)
    return 2 * math.sqrt(T / L * (excess + climbed)) + 2 * Delta * T / L + E * r + r + R
