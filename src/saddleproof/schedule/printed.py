"""What the schedules of Theorems 3 and 4 share: real-valued parameters, and vacuity."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

from saddleproof.schedule.base import Schedule, VacuousScheduleWarning


class Printed(NamedTuple):
    """The r, R, Q and T_th of a theorem as real numbers, and its gamma (inf: none)."""

    r: float
    R: float
    Q: float
    T_th: float
    gamma: float

    def vacuous(self, L: float) -> tuple[str, ...]:
        """Why the theorem promises nothing, a phrase each."""
        r, R, Q, T_th, gamma = self
        facts = {
            f"T_th < 1 (T_th = {T_th:.3g})": T_th < 1,
            f"R <= r (R = {R:.3g}, r = {r:.3g})": r >= R,
            f"Q <= 0 (Q = {Q:.3g})": Q <= 0,
            f"gamma > L (gamma = {gamma:.3g}, L = {L:.3g})": gamma > L,
        }
        return tuple(phrase for phrase, holds in facts.items() if holds)


def rounded(
    theorem: str,
    at: Callable[[float], Printed],
    symbol: str,
    value: float,
    L: float,
    epsilon: float,
    delta: float,
) -> Schedule:
    """The schedule at one value of Delta or epsilon, with Q and T_th rounded up to at least 1.

    Args:
        theorem: its name.
        at: the printed parameters as a function of Delta or epsilon.
        symbol: "Delta" or "epsilon".
        value: of the symbol.
        L: smoothness of F.
        epsilon: of the schedule.
        delta: admitted probability of failure.

    Warns:
        VacuousScheduleWarning: the theorem promises nothing at this value. The warning names the
            largest value for which it does.
    """
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
