"""The embedded default: every worker of a problem in this process, in one vectorised call."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from saddleproof.arrays import Array
from saddleproof.errors import FleetError
from saddleproof.fleets.base import OK, Announcement, Messages
from saddleproof.fleets.worker import AnswersTogether, questions_of, reply_together, workers_of
from saddleproof.questions import Gradients, Question


class GradientSource(Protocol):
    """What a local fleet needs of a problem."""

    m: int

    def gradients(self, points: Array) -> Array:
        """(q, d) points to (q, m, d): every worker's gradient at every point."""


class LocalFleet:
    """All workers of `problem` in this process; nothing is ever late and nobody lies.

    Args:
        problem: anything with `m` and `gradients(points)`, (q, d) to (q, m, d); a
            `saddleproof.Problem`. With `values(w)`, (d,) to (m,), it can also send losses; with
            `sampled(points, round_id)`, (q, d) to (q, m, d), rounds are minibatches. With
            `values_at` and `products` (`saddleproof.fleets.worker.AnswersTogether`) it answers
            the questions about its losses in one call, as a loss over shards does worker by
            worker. With neither, the fleet answers gradients alone.

    Attributes:
        questions: the kinds of question that the fleet answers.

    The problem stays readable as `fleet.problem`: an omniscient coalition may look at it.
    """

    def __init__(self, problem: GradientSource) -> None:
        self.problem = problem
        self.workers = tuple(f"worker-{i}" for i in range(problem.m))
        self.questions = questions_of(problem)
        self._closed = False
        self._losses = False

    def announce(self, announcement: Announcement) -> None:
        """Hear whether losses are wanted; honest workers have no use for the rest."""
        self._losses = announcement.losses and hasattr(self.problem, "values")

    def round(self, points: Array, *, round_id: int, timeout: float | None = None) -> Messages:
        """Every worker's gradient at each of the (q, d) points; `timeout` is never reached."""
        self._check_open()
        losses = self._values(points) if self._losses else None
        sampled = getattr(self.problem, "sampled", None)
        values = self.problem.gradients(points) if sampled is None else sampled(points, round_id)
        if isinstance(values, np.ndarray):  # as `Worker.answer`: in the dtype that was asked for
            values = values.astype(points.dtype, copy=False)
        return Messages(values, (OK,) * len(self.workers), losses=losses)

    def ask(self, question: Question, *, round_id: int, timeout: float | None = None) -> Messages:
        """Every worker's answer to a question about its own loss, on all its rows."""
        if isinstance(question, Gradients):
            return self.round(question.points, round_id=round_id, timeout=timeout)
        self._check_open()
        if isinstance(self.problem, AnswersTogether):
            answers = list(reply_together(self.problem, question))
        else:
            answers = [worker.reply(question) for worker in workers_of(self.problem)]
        return Messages(answers, (OK,) * len(self.workers))

    def close(self) -> None:
        """Nothing to release; later rounds are refused."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise FleetError("this fleet is closed; make a new one with LocalFleet(problem)")

    @np.errstate(over="ignore", invalid="ignore")  # judging messages is the oracle's business
    def _values(self, points: Array) -> Array:
        """(q, m): every worker's loss at every point; `values(w)` of the problem gives (m,)."""
        values = [getattr(self.problem, "values")(w) for w in points]  # noqa: B009
        return np.asarray(values, dtype=points.dtype).reshape(len(points), -1)
