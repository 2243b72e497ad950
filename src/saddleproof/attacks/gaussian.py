"""Noise instead of gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class Gaussian:
    """Every member sends N(center, scale^2 I), drawn anew for each member and query point.

    Args:
        scale: standard deviation per coordinate, in the unit of the gradients, >= 0.
        center: "zero", or "own" for the member's true row.
        seed: the noise of a round depends on it and on the round's number alone, so a run that
            was killed and resumed meets the same lies.

    Raises:
        OptionError: a negative scale or another center.
    """

    scale: float = 1.0
    center: Literal["zero", "own"] = "zero"
    seed: int = 0

    def __post_init__(self) -> None:
        check_options(self)
        if not 0 <= self.scale < np.inf:
            raise OptionError(f"scale must be finite and at least 0; got {self.scale}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d)."""
        own = view.messages[:, view.members, :]
        noise = np.random.default_rng([self.seed, view.round_id]).standard_normal(own.shape)
        lies: Vector = self.scale * noise + (own if self.center == "own" else 0.0)
        return lies
