"""The public doors of a run, and a fleet that counts its rounds, for tests of arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

import saddleproof as sp
from saddleproof.fleets.base import OK, Messages

M = 9
PROBLEM = sp.problems.Example2(workers=M, n=90, seed=0)
ROWS = np.random.default_rng(0).standard_normal((M, 4))


class Counting(sp.LocalFleet):
    """A fleet that counts its rounds."""

    def __init__(self, problem: Any = PROBLEM) -> None:
        super().__init__(problem)
        self.rounds = 0

    def round(self, *given: Any, **named: Any) -> Messages:
        self.rounds += 1
        return super().round(*given, **named)

    def ask(self, *given: Any, **named: Any) -> Messages:
        self.rounds += 1
        return super().ask(*given, **named)


class Pieces:
    """Workers that hand out columns."""

    workers = tuple(map(str, range(M)))

    def open(self, w: object) -> None:
        pass

    def columns(self, start: int, stop: int, *, timeout: float | None = None) -> Messages:
        return Messages(ROWS[None, :, start:stop], (OK,) * M)


def run(fleet: Any, **options: Any) -> Any:
    return sp.minimize(fleet, **({"b": 2, "seed": 0, "max_rounds": 2, "certify": False} | options))


def certify(fleet: Any, **options: Any) -> Any:
    given = {"w": PROBLEM.start, "aggregator": sp.Median(), "b": 2, "hessian": "none"} | options
    return sp.certify(fleet, **given)
