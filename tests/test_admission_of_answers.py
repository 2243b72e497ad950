"""Questions that workers answer with numbers about their own losses: what the oracle admits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from saddleproof import minimize, oracle
from saddleproof.aggregators import Median
from saddleproof.aggregators.centered_clipping import CenteredClipping
from saddleproof.errors import OptionError
from saddleproof.fleets import Messages
from saddleproof.fleets.local import LocalFleet
from saddleproof.optimizers.certified import CertifiedPGD
from saddleproof.optimizers.gradient_only import GradientOnlyPGD
from saddleproof.optimizers.plateaus import PlateauPGD
from saddleproof.problems import Example2
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature
from saddleproof.testing import QuarticSaddle

M = 7
W = np.array([0.4, -0.2, 0.1, 0.3])
BOWL = QuarticSaddle(m=M)
CHANGES = Changes(W, np.eye(4)[:2], np.array([0.5, 1.0, 2.0]))
CURVATURES = Curvatures(W, np.eye(4)[:3])
LEAST = LeastCurvature(W, steps=4, seed=0)
NUMBERS = [CHANGES, CURVATURES, LEAST]


by_kind = pytest.mark.parametrize("question", NUMBERS, ids=lambda q: type(q).__name__)


class Planned(LocalFleet):
    """Workers of the bowl of whom some say something else, or nothing."""

    def __init__(self, says: dict[int, Any] | None = None, status: Any = ("ok",) * M) -> None:
        super().__init__(BOWL)
        self.says, self.status, self.asked = says or {}, status, []

    def ask(self, question: Any, *, round_id: int, timeout: float | None = None) -> Messages:
        self.asked.append((question, round_id, timeout))
        answers = super().ask(question, round_id=round_id).answers
        answers = [self.says.get(i, answer) for i, answer in enumerate(answers)]
        return Messages(answers, self.status, {"eve": "not on the roster"}, refused={"eve": 3})


def asked(question: Any, says: Any = None, b: int = 2, **more: Any) -> Any:
    fleet = Planned(says, more.pop("status", ("ok",) * M))
    return oracle.Oracle(fleet, Median(), b, **more).ask(question)


def truth(question: Any) -> list[np.ndarray]:
    return LocalFleet(BOWL).ask(question, round_id=0).answers


@by_kind
def test_every_question_is_admitted_in_its_own_shape(question: Any) -> None:
    fleet = Planned()
    reading, after = oracle.Oracle(fleet, Median(), 2, timeout=1.5, round=7).ask(question)
    assert isinstance(reading, oracle.AnswerReading)
    assert reading.question is question
    assert reading.stack.shape == (M, *question.shape)
    np.testing.assert_array_equal(reading.stack, truth(question))
    assert reading.workers == fleet.workers
    assert (reading.b, reading.verdicts.charged, reading.verdicts.absent) == (2, {}, {})
    assert reading.verdicts.strangers == {"eve": "not on the roster"}
    assert reading.verdicts.refused == {"eve": 3}
    assert fleet.asked == [(question, 7, 1.5)]
    assert (after.round, after.left, after.excluded) == (8, 2, {})


def test_gradients_are_read_as_ever() -> None:
    points = np.stack([W, 2 * W])
    reading, after = asked(Gradients(points))
    assert isinstance(reading, oracle.MessageReading)
    np.testing.assert_array_equal(reading.stack, BOWL.gradients(points))
    np.testing.assert_array_equal(reading.gradient, np.median(BOWL.gradients(points), axis=1))
    assert after.round == 1


@by_kind
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda x: x[:-1], "wrong shape"),
        (lambda x: x[None], "wrong shape"),
        (lambda x: x.astype(np.float32), "wrong dtype float32, not float64"),
        (lambda x: x.astype(complex), "wrong dtype complex128, not float64"),
        (lambda x: np.full_like(x, np.nan), "NaN"),
        (lambda x: np.where(np.arange(x.size).reshape(x.shape) == x.size - 1, np.nan, x), "NaN"),
        (lambda x: x.tolist(), "no array but list"),
        (lambda _: None, "no array but NoneType"),
    ],
)
def test_an_answer_that_cannot_be_one_proves_its_worker_bad(
    question: Any, spoil: Any, reason: str
) -> None:
    reading, after = asked(question, {3: spoil(truth(question)[3])})
    assert set(reading.verdicts.charged) == {"worker-3"}
    assert reading.verdicts.charged["worker-3"].startswith(reason)
    assert (reading.b, after.left) == (1, 1)
    assert after.excluded == reading.verdicts.charged
    np.testing.assert_array_equal(reading.stack, np.delete(truth(question), 3, axis=0))
    again, last = after.ask(question)  # once is enough, and the worker is not heard again
    assert (again.verdicts.charged, again.b, last.left) == ({}, 1, 1)
    assert "worker-3" not in again.workers


@by_kind
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_answer_is_silence_and_no_lie_but_for_a_loss_that_falls_by_infinity(
    question: Any, value: float
) -> None:
    said = np.full(question.shape, value)
    reading, after = asked(question, {3: said})
    if question is CHANGES and value < 0:
        assert reading.verdicts.charged == {"worker-3": "a loss that falls by infinity"}
        assert (reading.b, len(reading.stack)) == (1, M - 1)
        return
    assert (reading.verdicts.charged, reading.b, after.excluded) == ({}, 2, {})
    np.testing.assert_array_equal(reading.stack[3], said)


@by_kind
def test_a_second_vote_and_an_absence_are_what_they_are_among_gradients(question: Any) -> None:
    status = ("ok", "late", "malformed", "dead", "ok", "ok", "ok")
    reading, after = asked(question, b=2, status=status)
    assert reading.verdicts.charged == {"worker-2": "malformed"}
    assert reading.verdicts.absent == {"worker-1": "late", "worker-3": "dead"}
    assert reading.workers == tuple(f"worker-{i}" for i in (0, 4, 5, 6))
    assert (reading.b, after.left) == (1, 1)


@by_kind
def test_more_proved_bad_than_allowed_or_too_few_numbers_stop(question: Any) -> None:
    with pytest.raises(oracle.TooFewWorkers, match=r"only b=2 .*worker-0.*worker-4.*worker-5"):
        asked(question, dict.fromkeys((0, 4, 5)))
    with pytest.raises(oracle.TooFewWorkers, match=r"4 usable .*b=2 .*Median.*worker-4 \(late\)"):
        asked(question, status=("ok",) * 4 + ("late",) * 3)


@pytest.mark.parametrize("question", [Gradients(W[None]), *NUMBERS], ids=lambda q: type(q).__name__)
def test_only_names_on_the_roster_lower_b(question: Any) -> None:
    strangers = {f"eve{i}": "not on the roster" for i in range(9)}
    reading, after = asked(question, excluded=strangers)
    assert (reading.b, after.left, after.proved_bad) == (2, 2, {})
    reading, after = asked(question, excluded=strangers | {"worker-1": "NaN"})
    assert (reading.b, after.left, after.proved_bad) == (1, 1, {"worker-1": "NaN"})
    assert "worker-1" not in reading.workers


def test_a_round_of_numbers_leaves_the_memory_of_a_rule_alone() -> None:
    before = oracle.Oracle(Planned(), CenteredClipping(), 2).remembering(4)
    after = before.ask(CURVATURES)[1]
    assert after.memory is before.memory is not None
    taught = after.ask(Gradients(W[None]))[1].memory
    assert not np.array_equal(taught.center, before.memory.center)


class GradientsAlone:
    """Example 2 without losses: its fleet answers gradients and nothing else."""

    def __init__(self) -> None:
        self._problem = Example2(seed=0)
        self.m, self.start = self._problem.m, self._problem.start

    def gradients(self, points: np.ndarray) -> np.ndarray:
        return self._problem.gradients(points)


@by_kind
def test_a_fleet_of_gradients_alone_is_asked_nothing_else(question: Any) -> None:
    server = oracle.Oracle(LocalFleet(GradientsAlone()), Median(), 2)
    assert server.questions == (Gradients,)
    cure = f"no {type(question).__name__}: Gradients alone.*GradientOnlyPGD"
    with pytest.raises(OptionError, match=cure):
        server.ask(question)


def test_minimize_takes_the_optimizer_that_the_fleet_can_answer() -> None:
    alone, full = minimize(GradientsAlone(), b=6, seed=0), minimize(Example2(seed=0), b=6, seed=0)
    assert {record.question for record in alone.trace} == {"Gradients"}
    chosen = minimize(GradientsAlone(), GradientOnlyPGD(), b=6, seed=0)
    assert (alone.w.tobytes(), alone.rounds) == (chosen.w.tobytes(), chosen.rounds)
    assert Example2(seed=0).left_saddle(alone.w)
    asked_for = {record.question for record in full.trace}
    assert asked_for == {"Gradients", "Changes", "Curvatures", "LeastCurvature"}


@pytest.mark.parametrize("optimizer", [CertifiedPGD(), PlateauPGD(0.1)])
def test_an_optimizer_that_asks_for_more_is_refused_with_the_cure(optimizer: Any) -> None:
    name = type(optimizer).__name__
    wanted = f"{name} asks for Changes, Curvatures, LeastCurvature, .*value.*GradientOnlyPGD"
    with pytest.raises(OptionError, match=wanted):
        minimize(GradientsAlone(), optimizer, b=6)
