"""The omniscient attack (Blanchard, El Mhamdi, Guerraoui, Stainer, NeurIPS 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class Omniscient:
    """Every member sends -scale times the sum of the honest rows: the wrong way, out of all bounds.

    The loudest lie that is still a finite number; a mean follows it, and no robust rule should.
    Knows the honest sum.

    Args:
        scale: > 0; 1e20 in Xie, Koyejo, Gupta (2018).

    Raises:
        OptionError: a scale that is not positive.
    """

    scale: float = 1e20

    def __post_init__(self) -> None:
        check_options(self)
        if not 0 < self.scale < np.inf:
            raise OptionError(f"scale must be positive and finite; got {self.scale}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d): the same row from each of the k members."""
        lie = -self.scale * view.honest.sum(axis=1)
        return np.repeat(lie[:, None, :], len(view.members), axis=1)
