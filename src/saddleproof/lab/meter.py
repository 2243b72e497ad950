"""How many numbers the workers of a run send."""

from __future__ import annotations

from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.fleets.base import Fleet, Messages
from saddleproof.questions import Question


class Meter:
    """A fleet that counts the numbers in the answers of another, round by round.

    Args:
        fleet: who answers; everything but rounds and questions is handed on as it is.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._numbers: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fleet, name)

    def round(self, points: Vector, *, round_id: int, timeout: float | None = None) -> Messages:
        """A round of gradients."""
        heard = self.fleet.round(points, round_id=round_id, timeout=timeout)
        return self._counted(heard, round_id)

    def ask(self, question: Question, *, round_id: int, timeout: float | None = None) -> Messages:
        """A round of any question."""
        heard: Messages = self.fleet.ask(  # type: ignore[attr-defined]
            question, round_id=round_id, timeout=timeout
        )
        return self._counted(heard, round_id)

    def numbers(self, rounds: int) -> int:
        """The numbers that came in the first rounds of a run."""
        return sum(count for round_id, count in self._numbers.items() if round_id < rounds)

    def _counted(self, heard: Messages, round_id: int) -> Messages:
        answers = [*heard.answers, *(heard.loss_answers or ())]
        self._numbers[round_id] = sum(np.size(answer) for answer in answers if answer is not None)
        return heard
