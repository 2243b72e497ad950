"""Delayed gradients: the truth of some rounds ago (SafeguardSGD, Allen-Zhu et al., ICLR 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.errors import OptionError

#: A round as it is remembered: the members' positions in the roster, and their (q, k, d) rows.
Past = tuple[tuple[int, ...], Vector]


@dataclass(frozen=True)
class Delayed:
    """Every member sends what it would honestly have said `delay` rounds ago.

    Each message was once true, and stands among the honest ones of its round. Until `delay` rounds
    have passed, and for a member that was not heard then, it is the truth of today.

    Remembers each member's own rows, `delay` rounds of them. Conventions: rounds count whatever
    the optimizer uses them for; a round that asks for q points gets the old answers in a circle,
    point j the one to point j modulo the number of points then.

    Args:
        delay: rounds, >= 1. The paper's 1000 is more than most runs here have.

    Raises:
        OptionError: a delay below 1.
    """

    delay: int = 10

    def __post_init__(self) -> None:
        check_options(self)
        if self.delay < 1:
            raise OptionError(f"delay must be at least 1 round; got {self.delay}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d)."""
        rows = view.own
        rounds: tuple[Past, ...] = view.history or ()
        if len(rounds) < self.delay:
            return rows
        lies = rows.copy()
        roster, old = rounds[0]
        circle = np.arange(len(view.points)) % len(old)
        for at, worker in enumerate(view.roster):
            if worker in roster:
                lies[:, at] = old[circle, roster.index(worker)]
        return lies

    def remember(self, view: AttackView) -> tuple[Past, ...]:
        """The members' own rows of the last `delay` rounds, this one included, oldest first."""
        rounds: tuple[Past, ...] = view.history or ()
        return (*rounds, (view.roster, view.own))[-self.delay :]
