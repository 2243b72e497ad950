"""What no algorithm can promise with a Delta-inexact oracle (Yin et al. 2019, Proposition 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from saddleproof.errors import OptionError
from saddleproof.theory.arguments import positive


@dataclass(frozen=True)
class HardFunction:
    """A member of the family on which the oracle may answer 0 everywhere: Appendix D.

        f_s(w) = Delta^(3/2) sin(w / sqrt(Delta) + s),   d = 1

    It is 1-smooth and 1-Hessian Lipschitz for Delta <= 1, and |grad f_s| <= Delta everywhere.

    Args:
        inexactness: Delta, in (0, 1].
        phase: s, any real number.

    Raises:
        OptionError: Delta outside (0, 1].
    """

    inexactness: float
    phase: float

    def __post_init__(self) -> None:
        positive(inexactness=self.inexactness)
        if self.inexactness > 1:
            raise OptionError(f"Proposition 1 needs Delta <= 1; got {self.inexactness}")

    def value(self, w: float) -> float:
        """f_s(w)."""
        return math.pow(self.inexactness, 1.5) * math.sin(self._angle(w))

    def gradient(self, w: float) -> float:
        """Delta cos(w / sqrt(Delta) + s)."""
        return self.inexactness * math.cos(self._angle(w))

    def hessian(self, w: float) -> float:
        """-sqrt(Delta) sin(w / sqrt(Delta) + s)."""
        return -math.sqrt(self.inexactness) * math.sin(self._angle(w))

    def _angle(self, w: float) -> float:
        return w / math.sqrt(self.inexactness) + self.phase


def hardest(w: float, inexactness: float) -> HardFunction:
    """The member of the family for which the output w is bad in both ways.

    w / sqrt(Delta) + s = pi / 4, so that |grad f_s(w)| = Delta / sqrt(2) and
    f_s''(w) = -sqrt(Delta / 2).

    Args:
        w: what an algorithm returned after hearing 0 everywhere; it cannot depend on s.
        inexactness: Delta, in (0, 1].

    >>> round(hardest(3.0, inexactness=1.0).gradient(3.0), 4)
    0.7071
    """
    positive(inexactness=inexactness)
    return HardFunction(inexactness, math.pi / 4 - w / math.sqrt(inexactness))


def second_order_floor(inexactness: float) -> tuple[float, float]:
    """What some f_s makes every algorithm exceed: (Delta / 2, sqrt(Delta) / 2), Proposition 1.

    There is an f_s with ||grad f_s(w~)|| > Delta / 2 and lambda_min < -sqrt(Delta) / 2 at the
    output w~.

    Args:
        inexactness: Delta, in (0, 1].

    >>> second_order_floor(0.25)
    (0.125, 0.25)
    """
    positive(inexactness=inexactness)
    return inexactness / 2, math.sqrt(inexactness) / 2
