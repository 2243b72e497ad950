"""What a schedule is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from saddleproof.arguments import check_options
from saddleproof.errors import OptionError


class VacuousScheduleWarning(UserWarning):
    """The printed schedule can be run, but its theorem promises nothing at these numbers."""


@dataclass(frozen=True)
class Schedule:
    """The parameters of Algorithm 1, and what may be claimed of the point that it returns.

    Args:
        step: eta > 0.
        epsilon: >= 0, an aggregate of this 2-norm or less starts an escape.
        r: > 0, radius of the ball that perturbations are drawn from.
        R: > 0, displacement from the perturbed start that counts as an escape.
        Q: >= 1, perturbation rounds of one escape.
        T_th: >= 1, steps of one round; the round asks for T_th + 1 gradients.
        curvature: gamma, the negative curvature that the schedule is made to notice; None
            where it is not known.
        delta: admitted probability of not noticing it, in (0, 1).
        theorem: name of the theorem that holds with these numbers; empty when none does.
        vacuous: why the theorem promises nothing, a phrase each; empty where it promises.

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
        check_options(self)
        positive(step=self.step, r=self.r, R=self.R, Q=self.Q, T_th=self.T_th)
        if not self.epsilon >= 0:
            raise OptionError(f"epsilon must be at least 0; got {self.epsilon}")
        if not 0 < self.delta < 1:
            raise OptionError(f"delta must lie strictly between 0 and 1; got {self.delta}")


def positive(**values: float) -> None:
    """Refuse a value that is not positive and finite."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise OptionError(f"{name} must be positive and finite; got {value}")
