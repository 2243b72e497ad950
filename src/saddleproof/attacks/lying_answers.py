"""An attack on gradients that also lies when the server asks about the workers' losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saddleproof.arguments import attack, check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.answers import Way, lies
from saddleproof.attacks.base import AnswerView, Attack, AttackView, remembered
from saddleproof.attacks.saddle import SaddleAttack
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class LyingAnswers:
    """Another attack in gradient rounds, and lies about changes and curvatures in all others.

    The ways to answer `Changes`, `Curvatures` and `LeastCurvature` are those of
    `saddleproof.attacks.answers`: "truthful", "against" and "for" every jump, "forge" a minimum,
    "quiet" inside the honest range, "loud" to deny every bound, "waste" the candidates, the honest
    "median", the "opposite" of the honest mean, "huge" and "nan".

    Knows what the inner attack knows, and all honest answers; remembers what the inner attack
    remembers.

    Args:
        gradients: what the members say in gradient rounds, and of their losses beside gradients;
            the saddle attack unless given.
        says: a way to lie.
        size: the number of the ways that take one, > 0. In "against", "for" and "waste" it counts
            in units of the loudest honest answer: 1 is as loud as that worker.

    Raises:
        OptionError: an unknown way, or a size that is not positive and finite.
    """

    gradients: Attack = field(default_factory=SaddleAttack)
    says: Way = "against"
    size: float = 1.0

    def __post_init__(self) -> None:
        check_options(self)
        attack("gradients", self.gradients)
        if not 0 < self.size < np.inf:
            raise OptionError(f"size must be positive and finite; got {self.size}")

    def __call__(self, view: AttackView) -> Vector | Sequence[Any]:
        """(q, k, d), or the payloads of the attack on gradients."""
        return self.gradients(view)

    def answer(self, view: AnswerView) -> Vector:
        """(k, *question.shape)."""
        return lies(view, self.says, self.size)

    def losses(self, view: AttackView) -> Any:
        """(q, k): what the attack on gradients says of the losses, or the truth."""
        if hasattr(self.gradients, "losses"):
            return self.gradients.losses(view)
        told = np.empty((len(view.points), 0)) if view.losses is None else view.losses
        return told[:, view.members]

    def remember(self, view: AttackView) -> Any:
        """The memory of the attack on gradients."""
        return remembered(self.gradients, view)
