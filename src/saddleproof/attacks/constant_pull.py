"""Pull the server one way, wherever it asks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.attacks.directed import unit_direction
from saddleproof.errors import OptionError


@dataclass(frozen=True, eq=False)
class ConstantPull:
    """Every member sends -size u at every query point, so that descent walks along +u.

    At a large size a rule on ranks answers with its most extreme reachable value in every
    coordinate: a constant pull as strong as the honest spread allows, which no point escapes.

    Knows nothing.

    Args:
        size: in the unit of the gradients, > 0.
        direction: (d,) along u, of any length but 0; None draws it from the seed.
        seed: of the direction.

    Raises:
        OptionError: a size that is not positive; or, in use, a direction that does not fit.
    """

    size: float = 1e6
    direction: ArrayLike | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_options(self)
        if not 0 < self.size < np.inf:
            raise OptionError(f"size must be positive and finite; got {self.size}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d): the same row from each of the k members, at every point."""
        lie = -self.size * unit_direction(self.direction, self.seed, view.points.shape[1])
        return np.tile(lie, (len(view.points), len(view.members), 1))
