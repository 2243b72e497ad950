"""What a coalition knows when it answers.

The paper's adversary (Section 3) sees everything but the server's random numbers before they are
used: all data, all honest messages of the round, the rule, the optimizer's options, the history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.questions import Question


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


@dataclass(frozen=True)
class AnswerView:
    """Everything that an omniscient coalition knows when it answers a question about its losses.

    Attributes:
        question: `Changes`, `Curvatures` or `LeastCurvature`.
        answers: (m, *question.shape) what every worker would say if it were honest, members
            included; only the m workers whose answers the server can read this round.
        members: positions of the coalition's workers among those m.
        round_id: number of the round.
        b: the number of Byzantine workers that the server still allows for.
        problem: the problem behind the fleet, or None when it has none.
    """

    question: Question
    answers: Vector
    members: tuple[int, ...]
    round_id: int
    b: int
    problem: Any

    @property
    def own(self) -> Vector:
        """(len(members), *question.shape): what the members would say if they were honest."""
        rows: Vector = self.answers[list(self.members)]
        return rows

    @property
    def honest(self) -> Vector:
        """(m - len(members), *question.shape): the answers of the others."""
        return np.delete(self.answers, self.members, axis=0)
