"""Unit costs of a server's rounds, measured on one thread, all in turn; for `scale_model`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import saddleproof as sp
from engines.costs import Units
from saddleproof.fleets.base import OK, Messages
from saddleproof.oracle import Oracle
from saddleproof.proposals import proposals
from saddleproof.questions import (
    QUESTIONS,
    Curvatures,
    Gradients,
    LeastCurvature,
    Question,
)
from saddleproof.ranks import mean_bounds, median_bounds

#: A size: m, d, and q of Gradients or p of a round of proposals.
Size = tuple[int, int, int]
#: m to two d: a(m) is the slope between them. Messages of fewer than 2^17 numbers take another way.
UNITS = {
    10: (20000, 10**5),
    100: (2000, 20000),
    1000: (200, 2000),
    10**4: (40, 200),
    10**5: (20, 60),
}
#: The curves, and the sizes at which the model is tried.
BY_M: list[Size] = [(m, 20000, 1) for m in (10, 30, 100, 300)]
BY_D: list[Size] = [(20, d, 1) for d in (10**4, 30000, 10**5, 300000)]
BY_Q: list[Size] = [(20, 30000, q) for q in (1, 2, 4, 8)]
TRIED: list[Size] = [(50, 40000, 1), (300, 8000, 1), (20, 200000, 1)]
TRIED_PROPOSALS: list[Size] = [(40, 50000, 18), (200, 10000, 66), (500, 2000, 156)]


class Canned:
    """A fleet whose answers are there before they are asked for."""

    questions = QUESTIONS

    def __init__(self, m: int, question: Question) -> None:
        self.workers = tuple(f"worker-{i}" for i in range(m))
        rng, shape = np.random.default_rng(0), question.shape
        if isinstance(question, Gradients):
            answers: Any = rng.standard_normal((shape[0], m, shape[1]))
        else:
            answers = list(rng.standard_normal((m, *shape)))
        self.messages = Messages(answers, (OK,) * m)

    def announce(self, announcement: object) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Nothing to end."""

    def round(self, points: Any, *, round_id: int, timeout: float | None = None) -> Messages:
        """The answers."""
        return self.messages

    def ask(self, question: Any, *, round_id: int, timeout: float | None = None) -> Messages:
        """The answers."""
        return self.messages


def round_of(m: int, question: Question) -> Callable[[], Any]:
    """One round at the server: the answers are admitted and can be read."""
    oracle = Oracle(Canned(m, question), sp.Median(), 3 * m // 10)
    return lambda: oracle.ask(question)[0]


def gradients(size: Size) -> Callable[[], Any]:
    """A round of q gradients; the median is computed when it is asked for."""
    one = round_of(size[0], Gradients(np.zeros((size[2], size[1]))))
    return lambda: one().inexactness


def proposing(size: Size) -> Callable[[], Any]:
    """A round of LeastCurvature, and p of the directions kept."""
    m, d, p = size
    one = round_of(m, LeastCurvature(np.zeros(d)))
    return lambda: proposals(one().stack, p)


def in_turn(
    things: dict[tuple[str, Size], Callable[[], Any]], repeats: int
) -> dict[tuple[str, Size], float]:
    """Median processor seconds of a call; each is repeated within a turn to take 10 ms or more."""
    times: dict[tuple[str, Size], list[float]] = {name: [] for name in things}
    calls = {name: 1 + int(0.01 / max(clocked(one), 1e-6)) for name, one in things.items()}
    for _ in range(repeats):
        for name, one in things.items():
            began = time.process_time()
            for _ in range(calls[name]):
                one()
            times[name].append((time.process_time() - began) / calls[name])
    return {name: float(np.median(took)) for name, took in times.items()}


def clocked(one: Callable[[], Any]) -> float:
    """Processor seconds of a second call; the first one compiles."""
    one()
    began = time.process_time()
    one()
    return time.process_time() - began


def measured(repeats: int, shrink: int) -> dict[tuple[str, Size], float]:
    """Everything that is timed; d is divided by `shrink`."""
    things: dict[tuple[str, Size], Callable[[], Any]] = {}
    rng = np.random.default_rng(1)
    ends = [(m, d, 1) for m, both in UNITS.items() for d in both]
    for m, d, q in [*ends, *BY_M, *BY_D, *BY_Q, *TRIED]:
        things["gradients", (m, d, q)] = gradients((m, max(d // shrink, 2), q))
    for m, d, p in TRIED_PROPOSALS:
        things["proposals", (m, d, p)] = proposing((m, max(d // shrink, 2), p))
    d = 50000 // shrink
    things["worker", (1000, 1, 1)] = round_of(1000, Curvatures(np.zeros(1), np.zeros((1, 1))))
    things["answer", (40, d, 0)] = round_of(40, LeastCurvature(np.zeros(d)))
    stack = rng.standard_normal((40, 3 + d))
    things["kept", (40, d, 1)] = lambda: proposals(stack, 1)
    things["kept", (40, d, 40)] = lambda: proposals(stack, 40)
    few = rng.standard_normal((200, 3 + 16))
    things["kept", (200, 16, 1)] = lambda: proposals(few, 1)
    things["kept", (200, 16, 200)] = lambda: proposals(few, 200)
    for m in (100, 10**4):
        values = rng.standard_normal((10**5 // m, m))
        b = 3 * m // 10
        things["ranked", (m, 10**5 // m, 1)] = lambda values=values, b=b: (
            mean_bounds(values, b), median_bounds(values, b)
        )  # fmt: skip
    return in_turn(things, repeats)


def units_of(times: dict[tuple[str, Size], float], shrink: int) -> Units:
    """The unit costs."""
    worker = times["worker", (1000, 1, 1)] / 1000
    d = 50000 // shrink
    one, all_of = times["kept", (40, d, 1)], times["kept", (40, d, 40)]
    pair = (times["kept", (200, 16, 200)] - times["kept", (200, 16, 1)]) / (200 * 199 / 2)
    gradient = {}
    for m, (few, many) in UNITS.items():
        grew = times["gradients", (m, many, 1)] - times["gradients", (m, few, 1)]
        gradient[m] = resolved(grew, m * (many - few) / shrink)
    return Units(
        worker, gradient,
        resolved(times["answer", (40, d, 0)] - 40 * worker, 40 * d),
        one / (40 * d),
        pair,
        resolved(all_of - one - pair * 40 * 39 / 2, d * 40 * 39 / 2),
        {m: t / 10**5 for (name, (m, _, _)), t in times.items() if name == "ranked"},
    )  # fmt: skip


def resolved(seconds: float, numbers: float) -> float:
    """Seconds a number; NaN where the clock did not see them, which makes all that follows NaN."""
    return seconds / numbers if seconds > 0 else float("nan")
