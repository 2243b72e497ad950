"""What every fleet must do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.errors import FleetError
from saddleproof.fleets.base import DEAD, LATE, MALFORMED, OK, Announcement, Fleet, Messages
from saddleproof.questions import Question, answered_by
from saddleproof.testing.claims import holds, refuses


def check_fleet(fleet: Fleet, points: Vector, questions: Sequence[Question] = ()) -> None:
    """Assert that `fleet` keeps its roster and answers one message a worker. Closes the fleet.

    Args:
        fleet: an open fleet.
        points: (q, d) query points that its workers can answer.
        questions: more that its workers can answer; of a fleet that answers more than gradients.

    Raises:
        AssertionError: names the claim that does not hold.
    """
    arguments.member("fleet", "fleet", fleet)
    roster = fleet.workers
    holds(roster, "a fleet needs workers")
    holds(len(set(roster)) == len(roster), "workers need different names")
    fleet.announce(Announcement(lambda stack, b: stack, b=0))  # noqa: ARG005
    sent = points.copy()
    for round_id, asked in enumerate((points, points[:1])):
        _check_round(fleet, roster, fleet.round(asked, round_id=round_id, timeout=60.0), points)
    holds(np.array_equal(points, sent), "the query points must not be changed")
    for round_id, question in enumerate(questions, start=2):
        _check_question(fleet, roster, question, round_id)
    fleet.close()
    fleet.close()
    refuses(lambda: fleet.round(points, round_id=2), FleetError, "a round after close")
    if questions:
        refuses(lambda: _ask(fleet, questions[0], 2), FleetError, "a question after close")


def _check_question(
    fleet: Fleet, roster: tuple[str, ...], question: Question, round_id: int
) -> None:
    holds(type(question) in answered_by(fleet), "the fleet must say which questions it answers")
    arrays = [part for part in vars(question).values() if isinstance(part, np.ndarray)]
    copies = [part.copy() for part in arrays]
    messages = _ask(fleet, question, round_id)
    for part, copy in zip(arrays, copies, strict=True):
        _check_round(fleet, roster, messages, part)
        holds(np.array_equal(part, copy), "the question must not be changed")
    for answer, status in zip(messages.answers, messages.status, strict=True):
        if status == OK and isinstance(answer, np.ndarray):
            holds(answer.shape == question.shape, "an answer has the shape of its question")
            holds(answer.dtype == question.dtype, "an answer has the dtype of its question")


def _check_round(fleet: Fleet, roster: tuple[str, ...], messages: Messages, asked: Vector) -> None:
    holds(fleet.workers == roster, "the roster must not change")
    holds(len(messages.status) == len(roster), "every worker needs a status")
    holds(set(messages.status) <= {OK, LATE, DEAD, MALFORMED}, "an unknown status")
    for answer, status in zip(messages.answers, messages.status, strict=True):
        if status == OK and isinstance(answer, np.ndarray):
            holds(not np.shares_memory(answer, asked), "answers must not alias the question")


def _ask(fleet: Fleet, question: Question, round_id: int) -> Messages:
    ask = getattr(fleet, "ask")  # noqa: B009 - a fleet that answers gradients alone has none
    messages: Messages = ask(question, round_id=round_id, timeout=60.0)
    return messages
