"""What a caller may ask of a certificate: how much it may cost, and options that can work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from saddleproof.arguments import check_options, real
from saddleproof.arrays import Vector
from saddleproof.border import vector
from saddleproof.curvature.noise import CHECKS
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class Budget:
    """What a certificate may cost every worker.

    Attributes:
        products: Hessian-vector products in all, at least 12. Where d is no larger than a quarter
            of it, the bound holds with certainty. Whole Hessians of few parameters come on top.
        seconds: of one Lanczos run; a worker that is slower answers with the bound so far.
        risk: admitted probability that the lower end is wrong, in (0, 1).
    """

    products: int = 60
    seconds: float = float("inf")
    risk: float = 0.05

    def __post_init__(self) -> None:
        check_options(self)
        if self.products < 12 or not self.seconds > 0 or not 0 < self.risk < 1:
            raise OptionError(
                "a certificate needs products >= 12, seconds > 0 and a risk in (0, 1); got "
                f"{self.products}, {self.seconds}, {self.risk}"
            )

    def split(self, m: int, b: int) -> tuple[int, int]:
        """Products for Lanczos, and how many proposals are rated.

        b + 6 proposals, so that more than one of them is honest, but never more than half of the
        products. Both rounds look at their own rounding first.
        """
        left = self.products - 2 * CHECKS
        rated = min(m, b + 6, left // 2)
        return left - rated, rated


def checked(
    w: Any,
    rho: float | None,
    delta: float | None,
    hessian: str,
    tolerance: float | None,
    gradient_tolerance: float | None,
) -> Vector:
    """(d,) the point as a copy.

    Raises:
        OptionError: a point that is no finite vector, or an option outside its range.
    """
    point = vector(w, "w")
    if hessian not in ("auto", "whole", "none"):
        raise OptionError(f"hessian is 'auto', 'whole' or 'none'; got {hessian!r}")
    if rho is not None:
        real("rho", rho, above=0)
    limits = {"delta": delta, "tolerance": tolerance, "gradient_tolerance": gradient_tolerance}
    for name, value in limits.items():
        if value is not None:
            real(name, value, least=0)
    return point
