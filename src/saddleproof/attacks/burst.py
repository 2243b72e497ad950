"""An attack that sleeps: honest until the moment that suits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from saddleproof.arguments import attack, check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AnswerView, Attack, AttackView, remembered
from saddleproof.attacks.saddle import SaddleAttack
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class Burst:
    """Another attack, in rounds start <= t < stop only; members tell the truth in all others.

    With a period the window comes again: t counts from the start of each period. It is aimed at
    defences that remember (windows that are reset, trust that was earned) and at optimizers whose
    rounds differ: the certificate's, a probe's, an escape's. A rule that resets its sums every T
    rounds has seen nothing yet just behind an edge: Burst(attack, 0, n, period=T) lies in the n
    rounds after each, Burst(attack, T - n, T, period=T) in the n rounds before.

    Knows what the inner attacks know; each has its own memory, and watches while it sleeps.

    Args:
        attack: what happens in the window; the saddle attack unless given.
        start, stop: rounds, 0 <= start <= stop.
        period: rounds after which the window comes again, >= stop; None for one burst.
        otherwise: another attack for all other rounds; the truth unless given.

    Raises:
        OptionError: rounds out of order.
    """

    attack: Attack = field(default_factory=SaddleAttack)
    start: int = 0
    stop: int = 10
    period: int | None = None
    otherwise: Attack | None = None

    def __post_init__(self) -> None:
        check_options(self)
        attack("attack", self.attack)
        if self.otherwise is not None:
            attack("otherwise", self.otherwise)
        if not 0 <= self.start <= self.stop <= (self.stop if self.period is None else self.period):
            raise OptionError(
                "Burst needs 0 <= start <= stop <= period; "
                f"got start={self.start}, stop={self.stop}, period={self.period}"
            )

    def __call__(self, view: AttackView) -> Vector | Sequence[Any]:
        """(q, k, d), or the payloads of the attack whose turn it is."""
        attack, view = self._turn(view)
        return view.own if attack is None else attack(view)

    def losses(self, view: AttackView) -> Any:
        """(q, k): what the attack whose turn it is says of the losses, or the truth."""
        attack, view = self._turn(view)
        if attack is not None and hasattr(attack, "losses"):
            return attack.losses(view)
        told = np.empty((len(view.points), 0)) if view.losses is None else view.losses
        return told[:, view.members]

    def answer(self, view: AnswerView) -> Any:
        """(k, *question.shape): the answers of the attack whose turn it is, or the truth."""
        attack = self.attack if self._lies_in(view.round_id) else self.otherwise
        answer = getattr(attack, "answer", None)
        return view.own if answer is None else answer(view)

    def remember(self, view: AttackView) -> tuple[Any, Any]:
        """The memories of the attack in the window and of the other one."""
        inside, outside = view.history or (None, None)
        return (
            remembered(self.attack, replace(view, history=inside)),
            None
            if self.otherwise is None
            else remembered(self.otherwise, replace(view, history=outside)),
        )

    def _turn(self, view: AttackView) -> tuple[Attack | None, AttackView]:
        inside, outside = view.history or (None, None)
        if self._lies_in(view.round_id):
            return self.attack, replace(view, history=inside)
        return self.otherwise, replace(view, history=outside)

    def _lies_in(self, round_id: int) -> bool:
        t = round_id if self.period is None else round_id % max(self.period, 1)
        return self.start <= t < self.stop
