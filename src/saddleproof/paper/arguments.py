"""The ranges of the arguments of the formulas, checked."""

from __future__ import annotations

import math

from saddleproof.errors import OptionError
from saddleproof.schedule.base import positive

__all__ = ["at_most", "log_of_region", "not_negative", "positive"]


def not_negative(**values: float) -> None:
    """Refuse a value that is negative or not finite."""
    for name, value in values.items():
        if not 0 <= value < math.inf:
            raise OptionError(f"{name} must be at least 0 and finite; got {value}")


def at_most(most: float, **values: float) -> None:
    """Refuse a value outside [0, most]."""
    for name, value in values.items():
        if not 0 <= value <= most:
            raise OptionError(f"{name} must lie between 0 and {most:g}; got {value}")


def log_of_region(n: int, m: int, diameter: float, smoothness: float) -> float:
    """log(n m D L) of Theorems 5, 7 and 8, refused where it is not positive."""
    positive(diameter=diameter, smoothness=smoothness)
    inside = n * m * diameter * smoothness
    if inside <= 1:
        raise OptionError(f"n m D L must exceed 1; got {inside:.3g}")
    return math.log(inside)
