"""From what is known to the parameters of Algorithm 1 (Yin et al. 2019, Section 4).

    step eta, epsilon, r, R, Q, T_th     as in Algorithm 1
    d                                    dimension
    inexactness Delta                    of the gradient oracle (Definition 3)
    smoothness L, hessian_lipschitz rho  of F (Assumption 1)
    excess F_0 - F*                      what there is to lose from the start
    delta                                admitted probability of failure

`Theorem3` and `Theorem4` are the printed schedules, with a warning where they promise nothing.
`Practical` is the same algorithm with constants that can be used, and without a theorem.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from saddleproof.errors import OptionError

#: Perturbation radius over sqrt(d) Delta / gamma: an escape round is stuck with probability .20.
RADII = 4.0
#: Rounds of an escape over the time of linear growth from Delta / gamma to R.
PATIENCE = 1.2


class VacuousScheduleWarning(UserWarning):
    """The printed schedule can be run, but its theorem promises nothing at these numbers."""


@dataclass(frozen=True)
class Schedule:
    """The parameters of Algorithm 1, and what its return may claim.

    Args:
        step: eta > 0.
        epsilon: >= 0, an aggregate of this 2-norm or less starts an escape.
        r: > 0, radius of the ball that perturbations are drawn from.
        R: > 0, displacement from the perturbed start that counts as an escape.
        Q: >= 1, perturbation rounds of one escape.
        T_th: >= 1, steps of one round; the round asks for T_th + 1 gradients.
        curvature: gamma, the negative curvature that the schedule is made to notice; None
            when nobody said.
        delta: admitted probability of not noticing it, in (0, 1).
        theorem: name of the theorem that holds with these numbers; empty when none does.
        vacuous: what keeps the theorem from saying anything, a phrase each.

    Raises:
        OptionError: a value outside its range.
    """

    step: float
    epsilon: float
    r: float
    R: float
    Q: int
    T_th: int
    curvature: float | None = None
    delta: float = 0.05
    theorem: str = ""
    vacuous: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(step=self.step, r=self.r, R=self.R, Q=self.Q, T_th=self.T_th)
        if not self.epsilon >= 0:
            raise OptionError(f"epsilon must be at least 0; got {self.epsilon}")
        if not 0 < self.delta < 1:
            raise OptionError(f"delta must lie strictly between 0 and 1; got {self.delta}")


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
    1. The schedule is vacuous when T_th < 1, R <= r, Q <= 0 or gamma > L; it is then returned all
    the same, with a warning that names which and the largest Delta for which none of them holds.
    The printed r and R are lengths that move when F is multiplied by a constant: they hold in the
    units in which the theorem is stated.

    Args:
        d: dimension, >= 1.
        inexactness: Delta, in (0, 1].
        smoothness: L > 0.
        hessian_lipschitz: rho > 0.
        excess: F_0 - F* > 0.
        delta: admitted probability of failure, in (0, 1).

    Raises:
        OptionError: a value outside its range.

    Reference: Yin et al. 2019, Theorem 3 and equations (12)-(17), (24).
    """
    L, rho = smoothness, hessian_lipschitz
    _check(d=d, smoothness=L, hessian_lipschitz=rho, excess=excess, inexactness=inexactness)
    if inexactness > 1:
        raise OptionError(f"Theorem 3 needs Delta <= 1; got {inexactness}")

    def at(Delta: float) -> _Printed:
        x, y = Delta**0.4 * d**0.2, Delta**0.6 * d**0.3
        r, R = 4 * y / rho**0.5, x / rho**0.5
        Q = 2 * math.log(rho * excess / (48 * L * delta * (x**3 + Delta**1.4 * d**0.7)))
        T_th = L / (384 * (rho**0.5 + L) * (x + y))
        log = math.log(2 * d**0.4 / Delta**0.2 + 8 * d**0.5) / math.log(9 / 4)
        return _Printed(r, R, Q, T_th, 768 * (rho**0.5 + L) * (x + y) * log)

    return _checked("Theorem 3", at, "Delta", inexactness, L, 3 * inexactness, delta)


def Theorem4(  # noqa: N802
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

    A warning names what is vacuous, as in `Theorem3`, and the largest epsilon for which nothing
    is. The theorem asks for epsilon < min(1/rho, 4/(L^2 rho)).

    Args:
        d: dimension, >= 1.
        epsilon: wanted gradient norm, > 0.
        smoothness: L > 0.
        hessian_lipschitz: rho > 0.
        excess: F_0 - F* > 0.
        delta: admitted probability of failure, in (0, 1).

    Raises:
        OptionError: a value outside its range.

    Reference: Yin et al. 2019, Theorem 4.
    """
    L, rho = smoothness, hessian_lipschitz
    _check(d=d, smoothness=L, hessian_lipschitz=rho, excess=excess, epsilon=epsilon)
    if epsilon >= (limit := min(1 / rho, 4 / (L**2 * rho))):
        raise OptionError(f"Theorem 4 needs epsilon < {limit:.3g}; got {epsilon}")

    def at(eps: float) -> _Printed:
        r, R = eps, math.sqrt(eps / rho)
        log = math.log(8 * rho * math.sqrt(d) * excess / (delta * eps**2))
        # A logarithm below 0 says that no saddle could be left at all: it bounds nothing.
        gamma = 60 * math.sqrt(rho * eps) * log if log > 0 else math.inf
        return _Printed(r, R, 1.0, L / (12 * rho * (R + r)), gamma)

    return _checked("Theorem 4", at, "epsilon", epsilon, L, epsilon, delta)


def Practical(  # noqa: N802
    d: int,
    inexactness: float,
    curvature: float,
    step: float,
    *,
    delta: float = 0.05,
    r: float | None = None,
    R: float | None = None,
    Q: int | None = None,
    T_th: int | None = None,
) -> Schedule:
    """Algorithm 1 with constants that can be used; a heuristic, no theorem.

    With s = Delta/gamma, the half-width of the slab in which an adversary can hold the iterate,

        epsilon = 3 Delta,   r = 4 sqrt(d) s,   R = 1.5 r + 2 eta T_th Delta,
        T_th = ceil(1.2 log(4 R / s) / log(1 + eta gamma)),
        Q = ceil(log delta / log erf(1 / (c sqrt 2))),   c = r / (sqrt(d) s),

    R and T_th by fixed point. R exceeds what the adversary alone can make of a round
    (no false escape); it must also stay below the distance to the next minimum, which nobody
    knows: where it does not, the saddle is returned. Multiplying F by a constant moves no length.

    Args:
        d: dimension, >= 1.
        inexactness: Delta, finite and > 0.
        curvature: gamma > 0, the negative curvature to notice.
        step: eta > 0.
        delta: probability that all Q rounds are stuck at curvature gamma, in (0, 1).
        r: perturbation radius instead of the formula's.
        R: escape distance instead of the formula's.
        Q: perturbation rounds instead of the formula's.
        T_th: steps of a round instead of the formula's.

    Raises:
        OptionError: a value outside its range.

    >>> schedule = Practical(d=4, inexactness=0.01, curvature=0.5, step=1.0)
    >>> schedule.r, schedule.Q, schedule.T_th
    (0.16, 2, 14)
    """
    _check(d=d, inexactness=inexactness, curvature=curvature, step=step)
    s = inexactness / curvature
    r = RADII * math.sqrt(d) * s if r is None else r
    T, fixed = 1 if T_th is None else T_th, None
    while fixed != T:
        fixed = T
        far = 1.5 * r + 2 * step * T * inexactness if R is None else R
        if T_th is None:  # T only grows, and by ever less: the loop ends
            growth = math.log(4 * far / s) / math.log1p(step * curvature)
            T = max(1, math.ceil(PATIENCE * growth))
    if Q is None:
        stuck = math.erf(math.sqrt(d / 2) * s / r)  # a direction's component is about N(0, 1/d)
        Q = max(1, math.ceil(math.log(delta) / math.log(stuck)))
    return Schedule(step, 3 * inexactness, r, far, Q, T, curvature, delta)


class _Printed(NamedTuple):
    """A theorem's r, R, Q and T_th as real numbers, and its gamma."""

    r: float
    R: float
    Q: float
    T_th: float
    gamma: float

    def vacuous(self, L: float) -> tuple[str, ...]:
        r, R, Q, T_th, gamma = self
        facts = {
            f"T_th < 1 (T_th = {T_th:.3g})": T_th < 1,
            f"R <= r (R = {R:.3g}, r = {r:.3g})": r >= R,
            f"Q <= 0 (Q = {Q:.3g})": Q <= 0,
            f"gamma > L (gamma = {gamma:.3g}, L = {L:.3g})": gamma > L,
        }
        return tuple(phrase for phrase, holds in facts.items() if holds)


def _checked(
    theorem: str,
    at: Callable[[float], _Printed],
    symbol: str,
    value: float,
    L: float,
    epsilon: float,
    delta: float,
) -> Schedule:
    """The schedule at `value` of the `symbol`, with a warning when it is vacuous there."""
    printed = at(value)
    vacuous = printed.vacuous(L)
    if vacuous:
        most = _largest(lambda x: not at(x).vacuous(L), value)
        warnings.warn(
            f"{theorem} promises nothing at {symbol} = {value:.3g}: {'; '.join(vacuous)}. "
            f"The largest {symbol} for which it would: {most:.2g}",
            VacuousScheduleWarning,
            stacklevel=3,
        )
    return Schedule(
        step=1 / L,
        epsilon=epsilon,
        r=printed.r,
        R=printed.R,
        Q=max(1, math.ceil(printed.Q)),
        T_th=max(1, math.ceil(printed.T_th)),
        curvature=printed.gamma if math.isfinite(printed.gamma) else None,
        delta=delta,
        theorem="" if vacuous else theorem,
        vacuous=vacuous,
    )


def _largest(holds: Callable[[float], bool], top: float) -> float:
    """The largest x <= top at which `holds` (true near 0) is true, by halving and bisection."""
    low = high = top
    while low > 0 and not holds(low):
        low, high = low / 2, low
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _check(**values: float) -> None:
    """Every value is positive and finite."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise OptionError(f"{name} must be positive and finite; got {value}")
