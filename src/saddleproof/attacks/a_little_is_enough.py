"""A Little Is Enough (Baruch, Baruch, Goldberg, NeurIPS 2019): hide in the spread."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class ALittleIsEnough:
    """Every member sends mean - z std of the honest rows, coordinate by coordinate.

    z is the largest shift at which enough honest workers stand still farther out for the liars to
    be no outliers: with m workers and k liars, s = floor(m/2 + 1) - k more make a majority, and

        z = Phi^-1((m - k - s) / (m - k)).

    Knows the mean and the standard deviation of the honest rows. Conventions: the sign is the
    paper's; std divides by the number of honest rows, as the authors' code does. At a z of at most
    1/sqrt(m - k - 1) the lies are inside the honest range whatever the rows are (Samuelson's
    inequality, turned around); beyond, with well-shaped noise only.

    Args:
        z: standard deviations, >= 0; None takes the formula, and 0 where it is negative.

    Raises:
        OptionError: a negative z.

    >>> z = ALittleIsEnough.largest_shift
    >>> round(z(50, 12), 3), round(z(10, 4), 4)
    (0.336, 0.4307)
    """

    z: float | None = None

    def __post_init__(self) -> None:
        if self.z is not None and not 0 <= self.z < np.inf:
            raise OptionError(f"z must be finite and at least 0; got {self.z}")

    @staticmethod
    def largest_shift(m: int, k: int) -> float:
        """The z of the paper for k liars among m workers."""
        lacking = max(m // 2 + 1 - k, 1)  # s; liars in the majority need nobody
        share = (m - k - lacking) / max(m - k, 1)
        return NormalDist().inv_cdf(share) if share > 0.5 else 0.0

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d): the same row from each of the k members."""
        k = len(view.members)
        z = self.largest_shift(view.messages.shape[1], k) if self.z is None else self.z
        lie = view.honest_mean - z * view.honest.std(axis=1)
        return np.repeat(lie[:, None, :], k, axis=1)
