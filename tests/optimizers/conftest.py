"""Workers that all answer the same function, so that the aggregate is that function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from saddleproof import oracle
from saddleproof.aggregators.median import Median
from saddleproof.arrays import Vector
from saddleproof.fleets.base import Messages
from saddleproof.optimizers.base import Optimizer

Gradient = Callable[[Vector], Vector]


class ConstantPull:
    """One optimizer over exact workers, one round at a time; every query is kept."""

    def __init__(
        self,
        optimizer: Optimizer,
        gradient: Gradient,
        w0: list[float],
        seed: int = 0,
        value: Gradient | None = None,
    ):
        self.optimizer, self.gradient, self.value = optimizer, gradient, value
        self.state = optimizer.init(np.array(w0), seed=seed, max_rounds=None)
        self.asked: list[Vector] = []

    def round(self) -> object:
        """One parallel iteration; the new state."""
        points = self.optimizer.ask(self.state)
        self.asked.append(points)
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.repeat(self.gradient(points)[:, None, :], 3, axis=1)
        names = ("a", "b", "c")
        losses = None if self.value is None else np.tile(self.value(points)[:, None], 3)
        messages = Messages(values, ("ok",) * 3, losses=losses)
        reading = oracle.read(messages, Median(), 0, points=points, workers=names)
        self.state = self.optimizer.tell(self.state, reading)
        return self.state

    def run(self, rounds: int) -> int:
        """Rounds until the optimizer ends, or the budget does; how many there were."""
        for done in range(rounds):
            if self.optimizer.status(self.state).done:
                return done
            self.round()
        return rounds

    @property
    def status(self) -> str:
        return self.optimizer.status(self.state).name

    @property
    def point(self) -> Vector:
        return self.optimizer.point(self.state)


@pytest.fixture
def drive() -> type[ConstantPull]:
    return ConstantPull
