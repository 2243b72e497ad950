"""What a coalition knows, and how it answers.

The paper's adversary (Section 3) sees everything but the server's random numbers before they are
used: all data, all honest messages of the round, the rule, the optimizer's options, the history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.base import MALFORMED, OK, Announcement, Fleet, Messages


@dataclass(frozen=True)
class AttackView:
    """Everything that an omniscient coalition knows when it answers a round.

    Attributes:
        points: (q, d) query points.
        messages: (q, m, d) what every worker would say if it were honest, members included; only
            the m workers whose answers the server can read this round.
        members: positions of the coalition's workers among those m.
        round_id: number of the round.
        b: the number of Byzantine workers that the server still allows for.
        aggregate: the server's rule, (q, m, d) messages to (q, d) vectors.
        optimizer: the optimizer's options, or None.
        problem: the problem behind the fleet, or None when it has none.
        losses: (q, m) what every worker would say of its loss; None when nobody asked.
        workers: positions of those m workers in the roster; all of them unless given.
        history: what the attack wrote down of the rounds before, see `Attack`; None in the first
            round of a run, and for an attack that writes nothing down.
    """

    points: Vector
    messages: Vector
    members: tuple[int, ...]
    round_id: int
    b: int
    aggregate: Callable[[Vector], Vector]
    optimizer: Any
    problem: Any
    losses: Vector | None = None
    workers: tuple[int, ...] = ()
    history: Any = None

    @property
    def roster(self) -> tuple[int, ...]:
        """Where each member of the coalition stands in the roster, in the order of `members`."""
        return tuple(self.workers[i] if self.workers else i for i in self.members)

    @property
    def own(self) -> Vector:
        """(q, len(members), d): what the members would say if they were honest."""
        rows: Vector = self.messages[:, self.members, :]
        return rows

    @property
    def honest(self) -> Vector:
        """(q, m - len(members), d): the rows of the others."""
        return np.delete(self.messages, self.members, axis=1)

    @property
    def honest_mean(self) -> Vector:
        """(q, d): mean of the others' rows."""
        mean: Vector = self.honest.mean(axis=1)
        return mean


class Attack(Protocol):
    """A way to lie: from all that is known to the coalition's messages.

    An attack may also have a method `losses(view)`, giving (q, len(members)) values, or one
    payload a member, for rounds in which workers send their losses. Without it liars tell their
    true loss.

    An attack that remembers stays a pure function all the same: its method `remember(view)` gives
    what the coalition shall show it as `view.history` in the next round. A coalition forgets when
    a run begins, in a new process too: after a resume liars with a memory start over, and the
    bytes of such a run depend on where it was cut.
    """

    def __call__(self, view: AttackView) -> Vector | Sequence[Any]:
        """(q, len(members), d) messages, or one payload a member when they are malformed."""


class Coalition:
    """A fleet whose `members` lie together; the server cannot tell it from any other fleet.

    Args:
        fleet: the fleet underneath; members' true answers are computed, then replaced.
        attack: how they lie.
        members: positions of the liars in the roster, each in [0, m).

    Raises:
        OptionError: a member is not on the roster.
    """

    def __init__(self, fleet: Fleet, attack: Attack, members: Iterable[int]) -> None:
        self.fleet = fleet
        self.attack = attack
        self.members = tuple(sorted(set(members)))
        self.workers = fleet.workers
        m = len(self.workers)
        if self.members and not 0 <= self.members[0] <= self.members[-1] < m:
            raise OptionError(f"members must be positions in 0..{m - 1}; got {self.members}")
        self._announced: Announcement | None = None
        self._history: Any = None

    @property
    def problem(self) -> Any:
        """The problem underneath, or None."""
        return getattr(self.fleet, "problem", None)

    def announce(self, announcement: Announcement) -> None:
        """Hear the server's rule, pass it on, and forget the run before."""
        self._announced = announcement
        self._history = None
        self.fleet.announce(announcement)

    def round(self, points: Vector, *, round_id: int, timeout: float | None = None) -> Messages:
        """A round of the fleet underneath, with the members' answers replaced by lies."""
        heard = self.fleet.round(points, round_id=round_id, timeout=timeout)
        answers, losses = heard.answers, heard.loss_answers
        readable = [
            i
            for i, status in enumerate(heard.status)
            if status == OK
            and _fits(answers[i], points)
            and (losses is None or _fits(losses[i], points[:, 0]))
        ]
        liars = [i for i in readable if i in self.members]
        if not liars:
            return heard
        # Whoever answered what cannot be read is proved bad: the server lowers b, so do we.
        proved_bad = sum(s in (OK, MALFORMED) for s in heard.status) - len(readable)
        try:
            view = self._view(points, answers, losses, readable, round_id, proved_bad)
            lies = self.attack(view)
        except BreakdownError:
            return heard  # too few workers are left for the rule: the server stops by itself
        self._history = remembered(self.attack, view)
        _replace(answers, liars, lies)
        if losses is not None and hasattr(self.attack, "losses"):
            _replace(losses, liars, self.attack.losses(view))
        return Messages(answers, heard.status, heard.notes, losses, heard.refused)

    def close(self) -> None:
        """Close the fleet underneath."""
        self.fleet.close()

    def _view(
        self,
        points: Vector,
        answers: list[Any],
        losses: list[Any] | None,
        readable: list[int],
        round_id: int,
        proved_bad: int,
    ) -> AttackView:
        told = self._announced
        b = max((len(self.members) if told is None else told.b) - proved_bad, 0)
        return AttackView(
            points=points,
            messages=np.stack([answers[i] for i in readable], axis=1),
            members=tuple(at for at, i in enumerate(readable) if i in self.members),
            round_id=round_id,
            b=b,
            aggregate=_plain_mean if told is None else lambda x: told.aggregate(x, b).vector,
            optimizer=None if told is None else told.optimizer,
            problem=self.problem,
            losses=None if losses is None else np.stack([losses[i] for i in readable], axis=1),
            workers=tuple(readable),
            history=self._history,
        )


def remembered(attack: Attack, view: AttackView) -> Any:
    """What `attack` writes down of a round; None when it has no memory."""
    remember = getattr(attack, "remember", None)
    return None if remember is None else remember(view)


def _replace(answers: list[Any], liars: list[int], lies: Vector | Sequence[Any]) -> None:
    """Put the lies, stacked over axis 1 or one a liar, in the place of the liars' answers.

    A stack is of numbers: it takes on the dtype that was asked for, since another one would be
    proof against its senders. What is listed one a liar is sent as it is.
    """
    if isinstance(lies, np.ndarray):
        lies = list(_as_dtype(lies, answers[liars[0]].dtype).swapaxes(0, 1))
    for i, lie in zip(liars, lies, strict=True):
        answers[i] = lie


def _as_dtype(x: Vector, dtype: np.dtype[Any]) -> Vector:
    """x in a floating dtype; what was finite stays finite."""
    largest = np.finfo(dtype).max
    cast: Vector = np.where(np.isfinite(x), np.clip(x, -largest, largest), x).astype(dtype)
    return cast


def _fits(answer: Any, points: Vector) -> bool:
    """Whether the server can read the answer, at one point at least."""
    return (
        isinstance(answer, np.ndarray)
        and answer.shape == points.shape
        and answer.dtype == points.dtype
        and bool(np.isfinite(answer.reshape(len(points), -1)).all(axis=1).any())
    )


def _plain_mean(messages: Vector) -> Vector:
    mean: Vector = messages.mean(axis=1)
    return mean
