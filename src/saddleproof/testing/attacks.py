"""What every attack must do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AnswerView, Attack, AttackView, Coalition
from saddleproof.fleets.base import LATE, OK, Announcement, Messages
from saddleproof.fleets.local import LocalFleet
from saddleproof.questions import Changes, Curvatures, LeastCurvature, Question
from saddleproof.testing.claims import QuarticSaddle, equal, holds

#: Query points of the rounds of the trial run.
ROUNDS = (1, 7, 1, 3, 7)


def check_attack(attack: Attack, problem: Any = None, *, finite: bool = True) -> None:
    """Assert that `attack` works in a `Coalition`, touches no honest row and can be replayed.

    It is tried in a short run whose rounds ask for different numbers of points, with a member
    that is late in one of them, and with losses where the problem has some. A second coalition
    must tell the same lies in the same run; so must the first, when a new run is announced.

    Where the workers of the problem can answer questions about their losses, each question is
    asked as well. An attack without a method `answer` must tell the truth there.

    Args:
        attack: the attack, with its options.
        problem: what the workers compute; a small saddle unless given.
        finite: whether lies about losses must be finite numbers of the question's shape; False for
            an attack that is meant to be proved bad.

    Raises:
        AssertionError: names the claim that does not hold.
    """
    arguments.member("attack", "attack", attack)
    problem = QuarticSaddle() if problem is None else problem
    members = (0, problem.m // 2, problem.m - 1)
    coalition = Coalition(_Tardy(problem, members[1]), attack, members)
    first = _run(coalition, problem)
    _check_rounds(first, problem, members)
    _check_same(first, _run(coalition, problem), "a new run must begin without a memory")
    other = Coalition(_Tardy(problem, members[1]), attack, members)
    _check_same(first, _run(other, problem), "the same run must meet the same lies")
    _check_pure(attack, problem, members)
    for question in _questions(problem):
        _check_answers(attack, problem, members, question, finite=finite)


class _Tardy(LocalFleet):
    """One worker is late in one round."""

    def __init__(self, problem: Any, worker: int) -> None:
        super().__init__(problem)
        self._worker = worker

    def round(self, points: Vector, *, round_id: int, timeout: float | None = None) -> Messages:
        return self._without(super().round(points, round_id=round_id, timeout=timeout), round_id)

    def ask(self, question: Question, *, round_id: int, timeout: float | None = None) -> Messages:
        return self._without(super().ask(question, round_id=round_id, timeout=timeout), round_id)

    def _without(self, full: Messages, round_id: int) -> Messages:
        late = [round_id == 3 and i == self._worker for i in range(len(self.workers))]
        answers = [None if gone else row for gone, row in zip(late, full.answers, strict=True)]
        status = tuple(LATE if gone else OK for gone in late)
        return Messages(answers, status, losses=full.losses)


class _WithValues:
    """An optimizer that asks for losses."""

    needs_values = True


def _points(round_id: int, d: int) -> Vector:
    return np.random.default_rng(round_id).standard_normal((ROUNDS[round_id], d))


def _run(coalition: Coalition, problem: Any) -> list[Messages]:
    from saddleproof.aggregators.median import Median

    with_values = _WithValues() if hasattr(problem, "values") else None
    coalition.announce(Announcement(Median().estimates, len(coalition.members), with_values))
    heard = []
    for round_id in range(len(ROUNDS)):
        points = _points(round_id, len(problem.start))
        sent = points.copy()
        heard.append(coalition.round(points, round_id=round_id))
        holds(np.array_equal(points, sent), "the query points must not be changed")
    return heard


def _check_rounds(heard: list[Messages], problem: Any, members: tuple[int, ...]) -> None:
    for round_id, messages in enumerate(heard):
        points = _points(round_id, len(problem.start))
        truth = problem.gradients(points)
        holds(len(messages.answers) == problem.m, "every worker answers once")
        for i, answer in enumerate(messages.answers):
            if i not in members:
                holds(np.array_equal(answer, truth[:, i]), "honest rows must not be touched")
        for i, loss in enumerate(messages.loss_answers or []):
            if i not in members:
                honest = [problem.values(w)[i] for w in points]
                holds(np.array_equal(loss, honest), "honest losses must not be touched")


def _check_same(one: list[Messages], other: list[Messages], claim: str) -> None:
    for mine, yours in zip(one, other, strict=True):
        pairs = zip(mine.answers, yours.answers, strict=True)
        holds(all(equal(x, y) for x, y in pairs), claim)
        losses = zip(mine.loss_answers or [], yours.loss_answers or [], strict=True)
        holds(all(equal(x, y) for x, y in losses), f"{claim}: losses")


def _check_pure(attack: Attack, problem: Any, members: tuple[int, ...]) -> None:
    """An attack is a function: asked twice it answers the same, and changes nothing."""
    points = _points(1, len(problem.start))
    view = AttackView(
        points=points,
        messages=problem.gradients(points),
        members=members,
        round_id=5,
        b=len(members),
        aggregate=lambda stack: np.median(stack, axis=1),
        optimizer=None,
        problem=problem,
    )
    before = view.messages.copy()
    first, second = list(attack(view)), list(attack(view))
    holds(np.array_equal(view.messages, before), "what the view shows must not be changed")
    holds(
        len(first) == len(second) and all(equal(x, y) for x, y in zip(first, second, strict=True)),
        "an attack must be a pure function of its view",
    )


def _questions(problem: Any) -> list[Question]:
    """One question of each kind that the workers of the problem can answer."""
    if LeastCurvature not in LocalFleet(problem).questions:
        return []
    w = np.asarray(problem.start, dtype=np.float64)
    directions = np.random.default_rng(0).standard_normal((3, len(w)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = np.array([0.1, 1.0])
    return [
        Changes(w, directions, lengths),
        Curvatures(w, directions),
        LeastCurvature(w, steps=4, seed=0),
    ]


def _check_answers(
    attack: Attack, problem: Any, members: tuple[int, ...], question: Question, *, finite: bool
) -> None:
    kind = type(question).__name__
    lies = hasattr(attack, "answer")
    truth = LocalFleet(problem).ask(question, round_id=0).answers
    coalition = Coalition(_Tardy(problem, members[1]), attack, members)
    for round_id in (0, 3):
        heard = coalition.ask(question, round_id=round_id)
        again = coalition.ask(question, round_id=round_id)
        pairs = zip(heard.answers, again.answers, strict=True)
        holds(all(equal(x, y) for x, y in pairs), f"{kind}: the same round must meet the same lies")
        for i, answer in enumerate(heard.answers):
            if heard.status[i] != OK:
                holds(answer is None, f"{kind}: a late worker must stay late")
            elif i not in members:
                holds(equal(answer, truth[i]), f"{kind}: honest answers must not be touched")
            elif not lies:
                holds(
                    equal(answer, truth[i]), f"{kind}: an attack without `answer` tells the truth"
                )
            elif finite:
                holds(
                    _numbers(answer, question), f"{kind}: lies must be finite, of the right shape"
                )
    if lies:
        view = AnswerView(question, np.stack(truth), members, 5, len(members), problem)
        _check_pure_answer(attack, view, kind)


def _check_pure_answer(attack: Any, view: AnswerView, kind: str) -> None:
    """A function from the view to one answer a member, whatever the view is."""
    for members in (view.members, view.members[:1]):
        shown = replace(view, answers=view.answers.copy(), members=members)
        first, second = list(attack.answer(shown)), list(attack.answer(shown))
        holds(
            np.array_equal(shown.answers, view.answers, equal_nan=True),
            f"{kind}: what the view shows must not be changed",
        )
        holds(len(first) == len(members), f"{kind}: every member must answer once")
        holds(
            all(equal(x, y) for x, y in zip(first, second, strict=True)),
            f"{kind}: an attack must be a pure function of its view",
        )


def _numbers(answer: object, question: Question) -> bool:
    return (
        isinstance(answer, np.ndarray)
        and answer.shape == question.shape
        and answer.dtype == question.dtype
        and bool(np.isfinite(answer).all())
    )
