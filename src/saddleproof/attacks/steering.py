"""Liars that steer a judge of branches: they help one branch, spoil the others, and vote.

A judge (`saddleproof.claims.preference`) compares the ends of several descents by the workers' own
losses. No answer of a liar does more than a loud order of the ends (statement 5 there), so the
strongest vote is one of few: for every end, the order that puts it first and the others by how bad
they are for the honest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from saddleproof.arguments import attack, check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AnswerView, Attack, AttackView, remembered
from saddleproof.attacks.sign_flip import SignFlip
from saddleproof.claims.preference import preferred
from saddleproof.errors import OptionError
from saddleproof.questions import Changes

#: A gap in a loud order, in units of the loudest honest answer.
LOUD = 1e6


@dataclass(frozen=True)
class SteerJudge:
    """Another attack on some of the branches, the truth on the others, and the vote that hurts.

    Knows what the inner attack knows, all honest answers and the judge; remembers what the inner
    attack remembers. Rounds that are no comparison of ends get the truth.

    Args:
        gradients: what the members say on the branches that they spoil; the sign flip unless given.
        spare: "none"; "first", the last winner's branch, on which they tell the truth; or
            "others", where they spoil that one alone. A round with one point is spoilt unless
            the first is spared.
        votes: "worst", of the strongest votes the one whose winner is worst for the honest
            workers' mean; "reversed", the loud order against the honest mean in every pair; or
            "truthful".

    Raises:
        OptionError: an unknown word.
    """

    gradients: Attack = field(default_factory=SignFlip)
    spare: Literal["none", "first", "others"] = "none"
    votes: Literal["worst", "reversed", "truthful"] = "worst"

    def __post_init__(self) -> None:
        check_options(self)
        attack("gradients", self.gradients)

    def __call__(self, view: AttackView) -> Vector | Sequence[Any]:
        """(q, k, d)."""
        lies = self.gradients(view)
        if self.spare == "none":
            return lies
        if not isinstance(lies, np.ndarray):
            raise OptionError(
                f"SteerJudge spares branches of an attack that sends arrays; "
                f"{type(self.gradients).__name__} does not. Take spare='none'"
            )
        told = view.own.copy()
        spoilt = slice(1, None) if self.spare == "first" else slice(0, 1)
        told[spoilt] = lies[spoilt]
        return told

    def answer(self, view: AnswerView) -> Vector:
        """(k, *question.shape)."""
        ends = _ends(view)
        if ends is None or self.votes == "truthful" or not view.members or not len(view.honest):
            return view.own
        votes = [_order(ends, None)]
        if self.votes == "worst":
            votes += [_order(ends, first) for first in range(len(ends))]
        if len(votes) > 1 and 2 * view.b < len(view.answers):
            votes.sort(key=lambda vote: -float(ends[_winner(view, vote)]))
        told: Vector = np.repeat(votes[0][None, :, None], len(view.members), axis=0)
        return told

    def remember(self, view: AttackView) -> Any:
        """The memory of the attack on gradients."""
        return remembered(self.gradients, view)


def _ends(view: AnswerView) -> Vector | None:
    """(p,) the honest mean at every end; None where no ends are compared."""
    if not isinstance(view.question, Changes) or view.question.shape[1] != 1:
        return None
    known = np.clip(view.honest[:, :, 0], -1e100, 1e100)
    mean: Vector = known.mean(axis=0)
    return mean


def _order(ends: Vector, first: int | None) -> Vector:
    """(p,) one loud order of p ends, all of them lower than the start: the worst is the lowest.

    Args:
        ends: the honest mean at every end.
        first: the end that shall come before all others.
    """
    gap = LOUD * max(float(np.abs(ends).max()), 1e-6)
    order = np.argsort(-ends, kind="stable").tolist()  # the worst first
    if first is not None:
        order = [first, *(k for k in order if k != first)]
    place = np.empty(len(ends))
    place[order] = np.arange(len(ends))
    loud: Vector = gap * (place - len(ends))
    return loud


def _winner(view: AnswerView, vote: Vector) -> int:
    """The end that the judge would pick."""
    answers = view.answers[:, :, 0].copy()
    answers[list(view.members)] = vote
    return preferred(answers, view.b).winner
