"""What the server may know of a round that asked for numbers: the admitted workers' answers."""

from __future__ import annotations

from dataclasses import dataclass

from saddleproof.arrays import Vector
from saddleproof.oracle.gradients import Verdicts
from saddleproof.questions import Question


@dataclass(frozen=True)
class AnswerReading:
    """The answers to `Changes`, `Curvatures` or `LeastCurvature`, to be judged by order statistics.

    Attributes:
        question: what was asked.
        stack: (m, *question.shape) admitted answers, in the order of `verdicts.heard`.
        b: the Byzantine budget that is left.
        verdicts: who was heard.
    """

    question: Question
    stack: Vector
    b: int
    verdicts: Verdicts

    @property
    def workers(self) -> tuple[str, ...]:
        """(m,) the names of the rows of `stack`."""
        return self.verdicts.heard
