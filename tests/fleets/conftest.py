"""All four questions, and problems whose workers answer them, for every engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.fleets.base import LATE, OK
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature, Question
from saddleproof.testing import QuarticSaddle


class Well:
    """|w|^4 / 4 - w'A w / 2 of a symmetric A, without a product: workers take differences."""

    d = 4

    def value(self, w: Any, data: Any) -> float:
        return float((w @ w) ** 2 / 4 - w @ data @ w / 2)

    def gradient(self, points: Any, data: Any) -> Any:
        return (points**2).sum(axis=1, keepdims=True) * points - points @ data


class WellWithProducts(Well):
    """The same, with its Hessian-vector products."""

    def product(self, w: Any, v: Any, data: Any) -> Any:
        return (w @ w) * v + 2 * (w @ v) * w - data @ v


def wells(loss: Any, m: int) -> sp.Problem:
    rng = np.random.default_rng(5)
    shards = [np.diag([1.0, 2.0, 3.0, 4.0]) + 0.1 * np.outer(x, x) for x in rng.normal(size=(m, 4))]
    return sp.Problem(loss, shards, start=np.array([0.5, 0.1, -0.2, 0.3]))


PROBLEMS: dict[str, Callable[[int], Any]] = {
    "rows": lambda m: sp.problems.PCADigits(components=10, workers=m, seed=0),
    "differences": lambda m: wells(Well(), m),
    "products": lambda m: wells(WellWithProducts(), m),
}


@pytest.fixture(params=PROBLEMS)
def problem_of(request: pytest.FixtureRequest) -> Callable[[int], Any]:
    """problem_of(m): a problem whose m workers answer all questions."""
    return PROBLEMS[request.param]


@pytest.fixture(scope="session")
def problems_in() -> str:
    """The module of these losses, for engines that pickle them."""
    return __name__


def every_question(problem: Any) -> list[Question]:
    """One of each kind; Lanczos with fewer steps than dimensions and with as many."""
    w = np.asarray(problem.start) + 0.25
    rng = np.random.default_rng(1)
    directions = rng.standard_normal((3, problem.d))
    return [
        Gradients(w + directions),
        Changes(w, directions, np.array([1e-3, -0.5, 2.0])),
        Curvatures(w, directions),
        LeastCurvature(w, steps=3, seed=7),
        LeastCurvature(w, steps=60, delta=0.01, seconds=600.0, seed=2**60),
    ]


@pytest.fixture
def questions_about() -> Callable[[Any], list[Question]]:
    return every_question


@pytest.fixture
def same_bytes() -> Callable[[Any, Any], None]:
    """same_bytes(fleet, problem): the fleet's answers to all questions are the local fleet's."""

    def compare(fleet: Any, problem: Any) -> None:
        local = sp.LocalFleet(problem)
        for round_id, question in enumerate(every_question(problem)):
            far = fleet.ask(question, round_id=round_id, timeout=60.0)
            near = local.ask(question, round_id=round_id)
            assert far.status == ("ok",) * problem.m, (question, far)
            for one, other in zip(far.answers, near.answers, strict=True):
                assert (one.shape, one.dtype) == (question.shape, question.dtype)
                assert one.tobytes() == other.tobytes(), question

    return compare


class Faulty:
    """A fleet in which worker-1 is late every second round, and worker-2 sends NaN in round 2."""

    def __init__(self, problem: Any) -> None:
        self._inner = sp.LocalFleet(problem)
        self.workers, self.close = self._inner.workers, self._inner.close
        self.announce = self._inner.announce

    def round(
        self, points: Any, *, round_id: int, timeout: float | None = None
    ) -> sp.fleets.Messages:
        answers = self._inner.round(points, round_id=round_id).answers
        status = [OK] * len(answers)
        notes = {"mallory": "not on the roster"} if round_id == 3 else {}
        if round_id % 2 == 1:
            answers[1], status[1] = None, LATE
        if round_id == 2:
            answers[2] = np.full_like(points, np.nan)
        return sp.fleets.Messages(answers, tuple(status), notes)


@pytest.fixture
def faulty() -> Faulty:
    return Faulty(QuarticSaddle(m=9))


@pytest.fixture
def run() -> Callable[..., sp.Result]:
    """run(fleet): six rounds of gradient descent over it, without a certificate."""

    def six(fleet: Any, **options: Any) -> sp.Result:
        return sp.minimize(
            fleet,
            sp.GradientDescent(step=0.1, tolerance=1e-12),
            b=2,
            w0=QuarticSaddle().start,
            max_rounds=6,
            certify=False,
            **options,
        )

    return six
