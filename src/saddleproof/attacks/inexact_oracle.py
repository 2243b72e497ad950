"""The paper's adversary as its theorems know it: any answer within Delta of the truth.

Yin, Chen, Ramchandran, Bartlett 2019, Definition 3: a Delta-inexact gradient oracle answers some
ghat(w) with |ghat(w) - grad F(w)| <= Delta, and the theorems hold whichever. Here the coalition
is the oracle: with all workers for its members, the server reads ghat itself, whatever its rule,

    Coalition(LocalFleet(problem), InexactOracle(delta=0.1), members=range(problem.m)).

w the query point, g = grad F(w), e the escape direction, L the smoothness.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.attacks.saddle import SaddleAttack
from saddleproof.attacks.saddle import Style as SaddleStyle
from saddleproof.attacks.strongest import through
from saddleproof.errors import OptionError

Style = Literal["zero", "cancel", "push", "radial", "stall"]

#: In the words of `SaddleAttack`, which computes these targets without a budget.
_AS_SADDLE: dict[Style, SaddleStyle] = {"zero": "hold", "cancel": "cancel", "push": "push"}

#: |ghat| over epsilon in "stall": enough to be above it after rounding.
_ABOVE = 1 + 1e-9


@dataclass(frozen=True, eq=False)
class InexactOracle:
    """ghat = g + (target - g) min(1, Delta / |target - g|): as near to the target as allowed.

        zero      target 0: the iterate stays (Proposition 1, Example 1)
        cancel    target g - <g, e> e: it stays in the way out alone
        push      target L (w - saddle): a step of 1/L lands on the saddle
        radial    ghat = g + Delta (w - saddle) / |w - saddle|: a minimum is faked
        stall     target epsilon g / |g|, a hair longer: descent goes on in the smallest steps
                  that are not yet an end (the rounds of Observation 1)

    Members agree on the message that brings the server's rule nearest to ghat. All workers: there
    is nothing but ghat to read. Fewer: the answer may differ from ghat by what they cannot reach.

    Args:
        delta: the budget Delta, >= 0, in the unit of the gradients.
        style: one of the five.
        saddle, strength, direction: see `SaddleAttack`; None asks the problem.
        epsilon: of "stall", > 0; None takes the optimizer's.

    Raises:
        OptionError: an option out of its range, or one that nobody knows.

    Cost: with all workers nothing; with fewer, one call of the rule on a batch of a few q points.
    """

    delta: float = 0.1
    style: Style = "zero"
    saddle: ArrayLike | None = None
    strength: float | None = None
    direction: ArrayLike | None = None
    epsilon: float | None = None

    def __post_init__(self) -> None:
        check_options(self)
        if not 0 <= self.delta < np.inf:
            raise OptionError(f"delta must be finite and at least 0; got {self.delta}")
        if self.epsilon is not None and not 0 < self.epsilon < np.inf:
            raise OptionError(f"epsilon must be positive and finite; got {self.epsilon}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d): the same row from each of the k members."""
        answer = self.ghat(view)
        if len(view.members) == view.messages.shape[1]:
            return np.repeat(answer[:, None, :], len(view.members), axis=1)
        return through(view, answer)

    def ghat(self, view: AttackView) -> Vector:
        """(q, d): ghat."""
        everybody = replace(view, members=())  # the truth is the mean of all workers
        g = everybody.honest_mean
        lie = self._target(everybody) - g
        length = np.linalg.norm(lie, axis=1, keepdims=True)
        if self.style != "radial":
            length = np.maximum(length, self.delta)  # no farther than the target
        step = np.divide(lie, length, out=np.zeros_like(lie), where=length > 0)
        answer: Vector = g + self.delta * step
        return answer

    def _target(self, view: AttackView) -> Vector:
        if self.style == "stall":
            g = view.honest_mean
            length = np.linalg.norm(g, axis=1, keepdims=True)
            unit = np.divide(g, length, out=np.zeros_like(g), where=length > 0)
            slow: Vector = _ABOVE * self._epsilon(view) * unit
            return slow
        if self.style == "radial":
            return view.honest_mean + SaddleAttack(self.saddle, strength=1.0).target(view)
        style = _AS_SADDLE[self.style]
        return SaddleAttack(self.saddle, style, self.strength, self.direction).target(view)

    def _epsilon(self, view: AttackView) -> float:
        schedule = getattr(view.optimizer, "schedule", view.optimizer)
        found = getattr(schedule, "epsilon", None) if self.epsilon is None else self.epsilon
        if found is None:
            raise OptionError(
                "InexactOracle needs an epsilon to stall above: this optimizer names none; "
                "pass InexactOracle(epsilon=...)"
            )
        return float(found)
