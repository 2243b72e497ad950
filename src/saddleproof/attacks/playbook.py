"""A coalition with a plan for each kind of round: what `saddleproof redteam` searches over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.answers import Way, lies
from saddleproof.attacks.base import AnswerView, AttackView
from saddleproof.attacks.playbook_messages import MESSAGES, PointsOfRole
from saddleproof.attacks.roles import roles
from saddleproof.errors import OptionError

Loss = Literal["honest", "no", "yes"]


@dataclass(frozen=True)
class Playbook:
    """One message where the run stands, others where it probes, escapes and tests.

    The coalition reads off the points what each of them is for (`saddleproof.attacks.roles`) and
    sends the message of that role (`saddleproof.attacks.playbook_messages` lists them): for
    instance, it holds the descent, votes no at every test of a decrease, and tells the truth
    elsewhere. An optimizer that asks for one point a round gets the message of `descent`.

    Where the server asks for changes and curvatures in the place of gradients, no message applies:
    the coalition lies in the way of `answers` (`saddleproof.attacks.answers` lists the ways).

    Knows everything that there is to know; remembers nothing.

    Args:
        descent, probe, escape, test: names of messages.
        size: the number of the messages that take one, > 0: lengths in units of the honest spread,
            curvatures in units of the smoothness. 1 hides among the honest rows, 1e6 is loud. The
            ways to answer take the same number.
        loss: what members say of their losses, where workers are asked: the truth, the largest
            honest loss but at the first point ("no" to every decrease), or the smallest ("yes").
        answers: a way to lie about changes and curvatures.

    Raises:
        OptionError: an unknown message or way, or a size that is not positive.

    Cost: where a message sends the strongest message, that of `strongest.through`.
    """

    descent: str = "push"
    probe: str = "honest"
    escape: str = "honest"
    test: str = "vote_no"
    size: float = 1e6
    loss: Loss = "honest"
    answers: Way = "truthful"

    def __post_init__(self) -> None:
        check_options(self)
        for role in ROLES:
            if (message := getattr(self, role)) not in MESSAGES:
                raise OptionError(f"{role} must be one of {', '.join(MESSAGES)}; got {message!r}")
        if not 0 < self.size < np.inf:
            raise OptionError(f"size must be positive and finite; got {self.size}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d)."""
        told = np.empty_like(view.own)
        found = roles(view.points)
        with np.errstate(over="ignore", invalid="ignore"):
            for role in ROLES:
                rows = np.flatnonzero(found == role)
                if len(rows):
                    points = PointsOfRole(_at(view, rows), view.points[0], view.own[0], self.size)
                    told[rows] = MESSAGES[getattr(self, role)](points)
        return told

    def answer(self, view: AnswerView) -> Vector:
        """(k, *question.shape)."""
        return lies(view, self.answers, self.size)

    def losses(self, view: AttackView) -> Vector:
        """(q, k)."""
        every = cast(Vector, view.losses)
        told: Vector = every[:, view.members].copy()
        honest = np.delete(every, view.members, axis=1)
        if self.loss == "no":
            told[1:] = honest[1:].max(axis=1, keepdims=True)
        elif self.loss == "yes":
            told[1:] = honest[1:].min(axis=1, keepdims=True)
        return told


#: The options that name a message.
ROLES = ("descent", "probe", "escape", "test")


def _at(view: AttackView, rows: NDArray[np.intp]) -> AttackView:
    """The view of some of the query points."""
    losses = None if view.losses is None else view.losses[rows]
    return replace(view, points=view.points[rows], messages=view.messages[rows], losses=losses)
