"""How a coalition answers: an attack says what, and a `Coalition` is a fleet that does so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.attacks.views import AnswerView, AttackView
from saddleproof.border import answer, only_reads
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fingerprint import KeepingFleet, conditions_of
from saddleproof.fleets.base import MALFORMED, OK, Announcement, ExcludingFleet, Fleet, Messages
from saddleproof.questions import Gradients, Question, answered_by

_MISCOUNTED = "{} must give one lie for each of {} liars; got {}"

__all__ = ["AnswerView", "Attack", "AttackView", "Coalition", "remembered"]


class Attack(Protocol):
    """A way to lie: from all that is known to the coalition's messages.

    An attack on gradients tells the truth where the server asks another question, unless it has a
    method `answer(view)`, from an `AnswerView` to (len(members), *question.shape) answers, or one
    payload a member.

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
        members: the liars, by their positions in the roster, each in [0, m), or by their names.
            There may be more of them than the b of a run: an experiment may break its assumption.

    Raises:
        OptionError: no fleet, no attack, or a member that is not on the roster or there twice.
    """

    def __init__(self, fleet: Fleet, attack: Attack, members: Iterable[int | str]) -> None:
        arguments.member("fleet", "fleet", fleet)
        arguments.attack("attack", attack)
        self.fleet = fleet
        self.attack = attack
        self.workers = fleet.workers
        self.members = arguments.roster_positions("members", members, self.workers)
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
        """A round of the fleet underneath, with the members' answers replaced by lies.

        Raises:
            OptionError: the attack wrote into the points, or gave other than one row a liar.
        """
        heard = self.fleet.round(points, round_id=round_id, timeout=timeout)
        # Copies: an attack that asks the problem may have it write into the same buffers again.
        answers, losses = _copies(heard.answers), _copies(heard.loss_answers)
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
            with only_reads(type(self.attack).__name__):
                lies = self.attack(view)
        except BreakdownError:
            return heard  # too few workers are left for the rule: the server stops by itself
        self._history = remembered(self.attack, view)
        _replace(answers, liars, lies, type(self.attack).__name__)
        if losses is not None and hasattr(self.attack, "losses"):
            told = self.attack.losses(view)
            _replace(losses, liars, told, f"{type(self.attack).__name__}.losses")
        return Messages(answers, heard.status, heard.notes, losses, heard.refused)

    @property
    def questions(self) -> Sequence[type]:
        """The kinds of question that the fleet underneath answers."""
        return answered_by(self.fleet)

    def ask(self, question: Question, *, round_id: int, timeout: float | None = None) -> Messages:
        """A question to the fleet underneath, with the members' answers replaced by lies."""
        if isinstance(question, Gradients):
            return self.round(question.points, round_id=round_id, timeout=timeout)
        heard: Messages = self.fleet.ask(  # type: ignore[attr-defined]
            question, round_id=round_id, timeout=timeout
        )
        reply = getattr(self.attack, "answer", None)
        answers = heard.answers
        readable = [
            i
            for i, status in enumerate(heard.status)
            if status == OK and _reads(answers[i], question)
        ]
        liars = [i for i in readable if i in self.members]
        if reply is None or not liars:
            return heard
        proved_bad = sum(s in (OK, MALFORMED) for s in heard.status) - len(readable)
        told = self._announced
        lies = reply(
            AnswerView(
                question=question,
                answers=np.stack([answers[i] for i in readable]),
                members=tuple(at for at, i in enumerate(readable) if i in self.members),
                round_id=round_id,
                b=max((len(self.members) if told is None else told.b) - proved_bad, 0),
                problem=self.problem,
            )
        )
        if len(lies) != len(liars):
            whose = f"{type(self.attack).__name__}.answer"
            raise OptionError(_MISCOUNTED.format(whose, len(liars), len(lies)))
        for i, lie in zip(liars, lies, strict=True):
            answers[i] = lie
        return Messages(answers, heard.status, heard.notes, refused=heard.refused)

    def conditions(self) -> dict[str, str]:
        """What distinguishes the fleet underneath; liars may lie as they like."""
        return conditions_of(self.fleet)

    def kept(self) -> dict[str, Any]:
        """The memory of the fleet underneath."""
        return self.fleet.kept() if isinstance(self.fleet, KeepingFleet) else {}

    def restore(self, kept: dict[str, Any]) -> None:
        """Give the fleet underneath its memory back."""
        if isinstance(self.fleet, KeepingFleet):
            self.fleet.restore(kept)

    def exclude(self, excluded: Mapping[str, str]) -> None:
        """Tell the fleet underneath who was proved bad."""
        if isinstance(self.fleet, ExcludingFleet):
            self.fleet.exclude(excluded)

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


def _copies(answers: list[Any] | None) -> Any:
    if answers is None:
        return None
    return [np.array(x) if isinstance(x, np.ndarray) else x for x in answers]


def _replace(
    answers: list[Any], liars: list[int], lies: Vector | Sequence[Any], whose: str
) -> None:
    """Put the lies, stacked over axis 1 or one a liar, in the place of the liars' answers.

    A stack is of numbers: it takes on the dtype that was asked for, since another one would be
    proof against its senders. What is listed one a liar is sent as it is.
    """
    if not hasattr(lies, "__len__"):
        raise OptionError(
            f"{whose} must be an array with the members over axis 1, or one answer a member; got "
            f"{type(lies).__name__}"
        )
    if isinstance(lies, np.ndarray):
        true = answers[liars[0]]
        shape = (len(true), len(liars), *true.shape[1:])
        lies = list(_as_dtype(answer(lies, shape, whose), true.dtype).swapaxes(0, 1))
    if len(lies) != len(liars):
        raise OptionError(_MISCOUNTED.format(whose, len(liars), len(lies)))
    for i, lie in zip(liars, lies, strict=True):
        answers[i] = lie


def _as_dtype(x: Vector, dtype: np.dtype[Any]) -> Vector:
    """x in a floating dtype; what was finite stays finite."""
    largest = np.finfo(dtype).max
    cast: Vector = np.where(np.isfinite(x), np.clip(x, -largest, largest), x).astype(dtype)
    return cast


def _fits(answer: object, points: Vector) -> bool:
    """Whether the server can read the answer, at one point at least."""
    return (
        isinstance(answer, np.ndarray)
        and answer.shape == points.shape
        and answer.dtype == points.dtype
        and bool(np.isfinite(answer.reshape(len(points), -1)).all(axis=1).any())
    )


def _reads(answer: object, question: Question) -> bool:
    """Whether the server can read the answer to a question about a loss."""
    return (
        isinstance(answer, np.ndarray)
        and answer.shape == question.shape
        and answer.dtype == question.dtype
        and not bool(np.isnan(answer).any())
    )


def _plain_mean(messages: Vector) -> Vector:
    mean: Vector = messages.mean(axis=1)
    return mean
