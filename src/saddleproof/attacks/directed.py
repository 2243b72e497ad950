"""A direction that liars agree on: the one they are given, or the seed's."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from saddleproof.arrays import Vector
from saddleproof.errors import OptionError


def unit_direction(given: ArrayLike | None, seed: int, d: int) -> Vector:
    """(d,) of length 1: along `given`, or uniform on the sphere, the same in every round.

    Raises:
        OptionError: a direction of another shape, or of no length.
    """
    if given is None:
        given = np.random.default_rng(seed).standard_normal(d)
    u = np.asarray(given, dtype=np.float64)
    length = np.linalg.norm(u)
    if u.shape != (d,) or not 0 < length < np.inf:
        raise OptionError(f"direction must be a vector of length d={d} other than 0; got {given!r}")
    unit: Vector = u / length
    return unit
