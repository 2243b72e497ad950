"""How many numbers a worker is asked to send."""

from __future__ import annotations

from typing import Any

import numpy as np


class Counted:
    """A fleet that counts what every worker is asked to send, beside gradients."""

    def __init__(self, fleet: Any) -> None:
        self.fleet, self.workers = fleet, fleet.workers
        self.questions, self.problem = fleet.questions, fleet.problem
        self._asked: dict[int, int] = {}

    def announce(self, announcement: Any) -> None:
        """Passed on."""
        self.fleet.announce(announcement)

    def round(self, points: Any, *, round_id: int, timeout: float | None = None) -> Any:
        """Passed on."""
        return self.fleet.round(points, round_id=round_id, timeout=timeout)

    def ask(self, question: Any, *, round_id: int, timeout: float | None = None) -> Any:
        """Passed on; counted."""
        self._asked[round_id] = int(np.prod(question.shape))
        return self.fleet.ask(question, round_id=round_id, timeout=timeout)

    def close(self) -> None:
        """Passed on."""
        self.fleet.close()

    def numbers(self, rounds: int) -> int:
        """Numbers in the first rounds: those of the certificate's own rounds are left out."""
        return sum(count for at, count in self._asked.items() if at < rounds)
