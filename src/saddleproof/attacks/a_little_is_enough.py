"""A Little Is Enough (Baruch, Baruch, Goldberg, NeurIPS 2019): hide in the spread."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.errors import OptionError

SIGNS = {"minus": -1.0, "plus": 1.0}


@dataclass(frozen=True)
class ALittleIsEnough:
    """Every member sends mean - z std of the honest rows, coordinate by coordinate; or + z std.

    z is the largest shift at which enough honest workers stand still farther out for the liars to
    be no outliers: with m workers and k liars, s = floor(m/2 + 1) - k more make a majority, and

        z = Phi^-1((m - k - s) / (m - k)).

    Knows the mean and the standard deviation of the honest rows. Conventions: a shift
    of z std hides on either side. The authors' code sends mean - z std; ByzFL and ByzPy send
    mean + z std, ByzFL with a factor of the caller's, 1.5 unless given. std divides by the number
    of honest rows, as the authors' code does; ByzFL divides by one less. At a z of at most
    1/sqrt(m - k - 1) the lies are inside the honest range whatever the rows are (Samuelson's
    inequality, turned around); beyond, with well-shaped noise only.

    Args:
        z: standard deviations, >= 0; None takes the formula, and 0 where it is negative.
        direction: "minus" for mean - z std, "plus" for mean + z std.

    Raises:
        OptionError: a negative z, or another direction.

    >>> z = ALittleIsEnough.largest_shift
    >>> round(z(50, 12), 3), round(z(10, 4), 4)
    (0.336, 0.4307)
    """

    z: float | None = None
    direction: Literal["minus", "plus"] = "minus"

    def __post_init__(self) -> None:
        check_options(self)
        if self.z is not None and not 0 <= self.z < np.inf:
            raise OptionError(f"z must be finite and at least 0; got {self.z}")
        if self.direction not in SIGNS:
            raise OptionError(f"direction must be 'minus' or 'plus'; got {self.direction!r}")

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
        lie = view.honest_mean + SIGNS[self.direction] * z * view.honest.std(axis=1)
        return np.repeat(lie[:, None, :], k, axis=1)
