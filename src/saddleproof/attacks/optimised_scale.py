"""Any attack at its best scale (the line search of ByzFL's "optimized" attacks)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.arguments import attack, check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.a_little_is_enough import ALittleIsEnough
from saddleproof.attacks.base import Attack, AttackView, remembered
from saddleproof.attacks.line_search import most_harmful, strongest_factor
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class OptimisedScale:
    """The lies of another attack, moved from the honest mean g by the factor that hurts most.

    For each query point, lies(x) = g + x (lies - g), and the coalition sends lies(x*) with

        x* = argmax over x of |answer of the server to lies(x) - g|.

    The search (`saddleproof.attacks.line_search`) tries factors of both signs in units of the
    honest spread, densely where distances to honest rows turn, and then divides the steps in which
    the rule changes its mind. Guerraoui et al., ByzFL (2025), do this for ALIE and IPM, by 20
    evaluations one after another, upward from 0. The loss that the inner attack tells is told as
    it is.

    Knows the honest rows and the server's rule.

    Args:
        attack: one that sends rows of numbers; ALIE at one standard deviation unless given.
        scales: numbers to try, and no others; None searches. The search tries 1 too, so its result
            is never weaker than `attack`.

    Raises:
        OptionError: no scales; or, in use, an attack that sends malformed payloads.

    Cost: the server's rule at 240 to 310 q points, some hundred of them in one call; with scales
    given, at len(scales) q points.
    """

    attack: Attack = field(default_factory=lambda: ALittleIsEnough(z=1.0))
    scales: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_options(self)
        attack("attack", self.attack)
        given = self.scales
        if given is not None and (len(given) == 0 or not np.isfinite(given).all()):
            raise OptionError(f"scales must be finite numbers, one at least; got {self.scales}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d)."""
        lies = self.attack(view)
        if not isinstance(lies, np.ndarray):
            raise OptionError(f"{self.attack} sends no rows of numbers; there is nothing to scale")
        g = view.honest_mean
        offset = lies - g[:, None, :]

        def harm(answers: Vector, at: NDArray[np.intp]) -> Vector:
            found: Vector = np.linalg.norm(answers - g[at], axis=-1)
            return found

        if self.scales is not None:
            scaled = g[:, None, :] + np.multiply.outer(np.array(self.scales), offset)
            return most_harmful(view, scaled, harm)
        return g[:, None, :] + strongest_factor(view, offset, harm)[:, None, None] * offset

    def remember(self, view: AttackView) -> Any:
        """The inner attack's memory."""
        return remembered(self.attack, view)
