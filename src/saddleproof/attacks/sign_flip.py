"""Sign flipping: send the opposite of the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arguments import check_options, real
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView


@dataclass(frozen=True)
class SignFlip:
    """Every member sends -scale times the honest mean.

    Convention: the mean of the *others*, not each liar's own gradient, so that all liars agree.

    Args:
        scale: how much louder than the truth; a negative scale tells the truth.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        check_options(self)
        real("scale", self.scale)

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d): the same row from each of the k members."""
        lie = -self.scale * view.honest_mean
        return np.repeat(lie[:, None, :], len(view.members), axis=1)
