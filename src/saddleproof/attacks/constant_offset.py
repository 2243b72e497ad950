"""A small lie, told every round: what Allen-Zhu et al. (ICLR 2021) call a time-coupled attack."""

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
class ConstantOffset:
    """Every member adds size u to its own true row, u the same unit vector always.

    No round looks wrong, since the lie is as small as the noise; over many rounds it adds up to a
    drift where noise would cancel. In differences of one worker's messages it cancels.

    Knows nothing but each member's own row.

    Args:
        size: in the unit of the gradients, >= 0.
        direction: (d,) along u, of any length but 0; None draws it from the seed.
        seed: of the direction.

    Raises:
        OptionError: a negative size; or, in use, a direction that does not fit.
    """

    size: float = 0.1
    direction: ArrayLike | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_options(self)
        if not 0 <= self.size < np.inf:
            raise OptionError(f"size must be finite and at least 0; got {self.size}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d)."""
        own = view.messages[:, view.members, :]
        lies: Vector = own + self.size * unit_direction(self.direction, self.seed, own.shape[2])
        return lies
