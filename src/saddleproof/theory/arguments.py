"""What the functions of `saddleproof.theory` ask of their arguments."""

from __future__ import annotations

import math

from saddleproof.errors import OptionError


def positive(**values: float) -> None:
    """Refuse a value that is not positive and finite."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise OptionError(f"{name} must be positive and finite; got {value}")


def not_negative(**values: float) -> None:
    """Refuse a value that is negative or not finite."""
    for name, value in values.items():
        if not 0 <= value < math.inf:
            raise OptionError(f"{name} must be at least 0 and finite; got {value}")


def at_most(most: float, **values: float) -> None:
    """Refuse a share outside [0, most]."""
    for name, value in values.items():
        if not 0 <= value <= most:
            raise OptionError(f"{name} must lie between 0 and {most:g}; got {value}")
