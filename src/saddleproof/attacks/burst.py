"""An attack that sleeps: honest until the moment that suits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.attacks.base import Attack, AttackView
from saddleproof.attacks.saddle import SaddleAttack
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class Burst:
    """Another attack, in rounds start <= t < stop only; members tell the truth in all others.

    With a period the window comes again: t counts from the start of each period. It is aimed at
    defences that remember (windows that are reset, trust that was earned) and at optimizers whose
    rounds differ: the certificate's, a probe's, an escape's.

    Knows what the inner attack knows.

    Args:
        attack: what happens in the window; the saddle attack unless given.
        start, stop: rounds, 0 <= start <= stop.
        period: rounds after which the window comes again, >= stop; None for one burst.

    Raises:
        OptionError: rounds out of order.
    """

    attack: Attack = field(default_factory=SaddleAttack)
    start: int = 0
    stop: int = 10
    period: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.stop <= (self.stop if self.period is None else self.period):
            raise OptionError(
                "Burst needs 0 <= start <= stop <= period; "
                f"got start={self.start}, stop={self.stop}, period={self.period}"
            )

    def __call__(self, view: AttackView) -> Vector | Sequence[Any]:
        """(q, k, d), or the inner attack's payloads."""
        if self._awake(view.round_id):
            return self.attack(view)
        own: Vector = view.messages[:, view.members, :]
        return own

    def losses(self, view: AttackView) -> Any:
        """(q, k): what the inner attack says of the losses, or the truth."""
        if self._awake(view.round_id) and hasattr(self.attack, "losses"):
            return self.attack.losses(view)
        told = np.empty((len(view.points), 0)) if view.losses is None else view.losses
        return told[:, view.members]

    def _awake(self, round_id: int) -> bool:
        t = round_id if self.period is None else round_id % max(self.period, 1)
        return self.start <= t < self.stop
