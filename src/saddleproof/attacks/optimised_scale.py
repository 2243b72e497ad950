"""Any attack at its best scale (the line search of ByzFL's "optimized" attacks)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.attacks.a_little_is_enough import ALittleIsEnough
from saddleproof.attacks.base import Attack, AttackView, remembered
from saddleproof.attacks.line_search import most_harmful
from saddleproof.errors import OptionError

#: Factors of three around the attack as it is, which is among them.
SCALES = tuple(3.0**power for power in range(-4, 9))


@dataclass(frozen=True)
class OptimisedScale:
    """The lies of another attack, moved from the honest mean g by the factor that hurts most.

    For each query point, lies(x) = g + x (lies - g), and the coalition sends lies(x*) with

        x* = argmax over x in scales of |answer of the server to lies(x) - g|.

    Guerraoui et al., ByzFL (2025), do this for ALIE and IPM, by a sequential search upward from
    0; here all scales are tried in one call. The loss that the inner attack tells is told as it is.

    Knows the honest rows and the server's rule.

    Args:
        attack: one that sends rows of numbers; ALIE at one standard deviation unless given.
        scales: numbers to try. With 1 among them the result is never weaker than `attack`.

    Raises:
        OptionError: no scales; or, in use, an attack that sends malformed payloads.

    Cost: one call of the server's rule on a batch of len(scales) q points.
    """

    attack: Attack = field(default_factory=lambda: ALittleIsEnough(z=1.0))
    scales: tuple[float, ...] = SCALES

    def __post_init__(self) -> None:
        if len(self.scales) == 0 or not np.isfinite(self.scales).all():
            raise OptionError(f"scales must be finite numbers, one at least; got {self.scales}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d)."""
        lies = self.attack(view)
        if not isinstance(lies, np.ndarray):
            raise OptionError(f"{self.attack} sends no rows of numbers; there is nothing to scale")
        g = view.honest_mean
        offset = lies - g[:, None, :]
        scaled = g[:, None, :] + np.multiply.outer(np.array(self.scales), offset)
        return most_harmful(view, scaled, lambda answers: np.linalg.norm(answers - g, axis=-1))

    def remember(self, view: AttackView) -> Any:
        """The inner attack's memory."""
        return remembered(self.attack, view)
