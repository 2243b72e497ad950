"""The embedded default: every worker of a problem in this process, in one vectorised call."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Array
from saddleproof.border import Lent, answer
from saddleproof.errors import FleetError
from saddleproof.fleets.base import OK, Announcement, Messages
from saddleproof.fleets.worker import (
    AnswersTogether,
    names_of,
    questions_of,
    reply_together,
    workers_of,
)
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
        arguments.member("problem", "problem", problem)
        self.problem = problem
        self.workers = names_of(problem)
        self.questions = questions_of(problem)
        self._closed = False
        self._losses = False

    def announce(self, announcement: Announcement) -> None:
        """Hear whether losses are wanted; honest workers have no use for the rest."""
        self._losses = announcement.losses and hasattr(self.problem, "values")

    def round(self, points: Array, *, round_id: int, timeout: float | None = None) -> Messages:
        """Every worker's gradient at each of the (q, d) points; `timeout` is never reached.

        Raises:
            OptionError: the problem answers with another shape, with something else than real
                numbers, or writes into the points.
        """
        self._check_open()
        losses = self._values(points) if self._losses else None
        sampled, lent = getattr(self.problem, "sampled", None), Lent(points)
        whose = f"the problem's {'gradients' if sampled is None else 'sampled'}"
        if sampled is None:
            found = lent.to(self.problem.gradients, whose=whose)
        else:
            found = lent.to(sampled, round_id, whose=whose)
        m = len(self.workers)
        values = answer(found, (len(points), m, points.shape[1]), whose)
        # As `Worker.answer`: in the dtype that was asked for.
        return Messages(values.astype(points.dtype, copy=False), (OK,) * m, losses=losses)

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
        values, whose = np.empty((len(points), len(self.workers))), "the problem's values"
        for row, w in zip(values, points, strict=True):
            found = Lent(w).to(getattr(self.problem, "values"), whose=whose)  # noqa: B009
            row[:] = answer(found, row.shape, whose)
        return values.astype(points.dtype, copy=False)
