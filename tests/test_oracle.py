"""Every row of the table of bad messages, and what an optimizer may read of the rest."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from saddleproof import minimize, oracle
from saddleproof.aggregators import Mean, Median, TrimmedMean
from saddleproof.aggregators.centered_clipping import CenteredClipping
from saddleproof.errors import OptionError
from saddleproof.fleets import Messages, collect
from saddleproof.fleets.local import LocalFleet
from saddleproof.optimizers.certified import CertifiedPGD
from saddleproof.optimizers.gradient_only import GradientOnlyPGD
from saddleproof.optimizers.plateaus import PlateauPGD
from saddleproof.problems import Example2
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature
from saddleproof.ranks import interval
from saddleproof.testing import Bowl

Q, M, D = 3, 7, 2
ROSTER = tuple(f"w{i}" for i in range(M))
POINTS = np.zeros((Q, D))


def rows(seed: int = 0) -> list[Any]:
    stack = np.random.default_rng(seed).standard_normal((Q, M, D))
    return [stack[:, i].copy() for i in range(M)]


def read(values: Any, b: int = 2, *, rule: Any = None, **more: Any) -> oracle.MessageReading:
    status = more.pop("status", ("ok",) * M)
    messages = Messages(values, status, more.pop("notes", {}))
    rule = Median() if rule is None else rule
    return oracle.read(messages, rule, b, points=POINTS, workers=ROSTER, **more)


def poisoned(value: float, *points: int, rows_: list[Any], who: int) -> list[Any]:
    rows_[who][list(points), 0] = value
    return rows_


def test_what_dead_workers_said_last_is_told_where_too_few_are_left() -> None:
    notes = dict.fromkeys(ROSTER, "OptionError: the loss's gradient of worker 3 writes")
    with pytest.raises(oracle.TooFewWorkers, match=r"w0 \(dead: OptionError: .* worker 3 writes\)"):
        read([None] * M, status=("dead",) * M, notes=notes)


def test_honest_messages_pass_unchanged() -> None:
    stack = np.stack(rows(), axis=1)
    reading = read(stack)
    np.testing.assert_array_equal(reading.stack, stack)
    np.testing.assert_array_equal(reading.gradient, np.median(stack, axis=1))
    assert reading.verdicts == oracle.Verdicts(heard=ROSTER)
    assert reading.b == 2


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (np.zeros((Q, D + 1)), "wrong shape (3, 3), not (3, 2)"),
        (np.ma.masked_less(np.zeros((Q, D)), 1.0), "masked entries"),
        (np.zeros((Q + 1, D)), "wrong shape (4, 2), not (3, 2)"),
        (np.zeros(D), "wrong shape (2,), not (3, 2)"),
        (np.zeros((Q, D), dtype=np.float32), "wrong dtype float32, not float64"),
        (np.zeros((Q, D), dtype=int), "wrong dtype int64, not float64"),
        (np.zeros((Q, D), dtype=complex), "wrong dtype complex128, not float64"),
        (np.full((Q, D), None), "wrong dtype object, not float64"),
        ([[0.0, 0.0]] * Q, "no array but list"),
        (None, "no array but NoneType"),
        (np.full((Q, D), np.nan), "NaN or Inf"),
        (np.full((Q, D), -np.inf), "NaN or Inf"),
    ],
)
def test_what_is_proved_bad_is_dropped_named_and_charged(payload: Any, reason: str) -> None:
    values = rows()
    values[3] = payload
    reading = read(values)
    assert reading.verdicts.charged == {"w3": reason}
    assert reading.b == 1
    assert reading.stack.shape == (Q, M - 1, D)
    rest = np.stack([v for i, v in enumerate(values) if i != 3], axis=1)
    np.testing.assert_array_equal(reading.gradient, np.median(rest, axis=1))


def test_nan_at_a_single_point_removes_the_worker_from_all() -> None:
    reading = read(poisoned(np.nan, 1, rows_=rows(), who=6))
    assert reading.verdicts.charged == {"w6": "NaN or Inf"}
    assert reading.stack.shape == (Q, M - 1, D)
    assert not reading.void.any()


def test_a_second_vote_is_charged() -> None:
    values = rows()
    messages = collect(ROSTER, [*zip(ROSTER, values, strict=True), ("w2", values[2])])
    reading = oracle.read(messages, Median(), 2, points=POINTS, workers=ROSTER)
    assert reading.verdicts.charged == {"w2": "second vote"}
    assert reading.b == 1


@pytest.mark.parametrize("why", ["late", "dead"])
def test_absence_proves_nothing(why: str) -> None:
    values = rows()
    values[0] = None
    reading = read(values, status=(why, *("ok",) * (M - 1)))
    assert reading.verdicts.absent == {"w0": why}
    assert reading.verdicts.charged == {}
    assert reading.b == 2
    assert reading.stack.shape[1] == M - 1


def test_outsiders_cannot_shrink_the_budget() -> None:
    mail = [*zip(ROSTER, rows(), strict=True)] + [(f"eve{i}", None) for i in range(50)]
    messages = collect(ROSTER, mail)
    reading = oracle.read(messages, Median(), 2, points=POINTS, workers=ROSTER)
    assert reading.b == 2
    assert reading.verdicts.heard == ROSTER
    assert len(reading.verdicts.strangers) == 50
    assert reading.verdicts.charged == {}


def test_the_proved_bad_are_never_heard_again() -> None:
    reading = read(rows(), excluded={"w1": "NaN or Inf"})
    assert "w1" not in reading.verdicts.heard
    assert reading.verdicts.charged == {}
    assert reading.b == 1


def test_a_point_at_which_more_than_b_overflow_is_void_and_nobody_pays() -> None:
    values = rows()
    for who in range(3):
        poisoned(np.inf, 2, rows_=values, who=who)
    reading = read(values)
    np.testing.assert_array_equal(reading.void, [False, False, True])
    assert reading.verdicts.charged == {}
    assert reading.verdicts.overflowed == ("w0", "w1", "w2")
    assert reading.b == 2
    assert np.isnan(reading.gradient[2]).all()
    assert reading.inexactness[2] == np.inf
    assert np.isfinite(reading.gradient[:2]).all()
    assert np.isfinite(reading.inexactness[:2]).all()


def test_b_liars_alone_cannot_void_a_point() -> None:
    values = rows()
    for who in range(2):
        poisoned(np.nan, 0, 1, 2, rows_=values, who=who)
    reading = read(values)
    assert not reading.void.any()
    assert set(reading.verdicts.charged) == {"w0", "w1"}
    assert reading.b == 0


def test_what_touches_a_void_point_is_unknown_and_the_rest_is_not() -> None:
    values = rows()
    for who in range(5):
        poisoned(np.nan, 1, rows_=values, who=who)
    reading = read(values)
    both = np.array([[1.0, 0.0, -1.0], [1.0, -1.0, 0.0]])
    combined = reading.combination(both)
    assert np.isfinite(combined.vector[0]).all()
    assert np.isnan(combined.vector[1]).all()
    contrast = reading.contrast(both, np.ones((2, D)))
    assert np.isfinite(contrast.low[0])
    assert (contrast.low[1], contrast.high[1]) == (-np.inf, np.inf)


def test_more_proved_bad_than_allowed_stops_and_names_them_all() -> None:
    values = rows()
    values[0], values[4], values[5] = None, np.zeros(1), "no"
    with pytest.raises(oracle.TooFewWorkers, match=r"only b=2 .* w0 .*w4 .*w5 "):
        read(values)


def test_too_few_rows_for_the_rule_stop_and_name_the_missing() -> None:
    status = ("ok", "ok", "ok", "ok", "late", "dead", "late")
    with pytest.raises(oracle.TooFewWorkers, match=r"4 usable .*b=2 .*Median.*w4 \(late\), w5"):
        read(rows(), status=status)


def test_nobody_left_stops_even_without_byzantine_workers() -> None:
    with pytest.raises(oracle.TooFewWorkers):
        read([None] * M, b=0, status=("dead",) * M)


def test_a_combination_is_formed_inside_each_worker_first() -> None:
    # Common noise of a worker cancels in a difference: the aggregate of differences is exact,
    # the difference of the aggregates is not.
    noise = np.random.default_rng(1).standard_normal((1, M, D))
    stack = np.concatenate([noise, noise + 1.0, noise])
    reading = read(stack, rule=TrimmedMean())
    found = reading.combination(np.array([[-1.0, 1.0, 0.0]]))
    np.testing.assert_allclose(found.vector, 1.0)
    np.testing.assert_allclose(found.inexactness, 0.0, atol=1e-12)


def test_a_contrast_is_one_number_per_worker() -> None:
    stack = np.stack(rows(), axis=1)
    c, direction = np.array([[0.5, 0.0, 2.0]]), np.array([[3.0, -1.0]])
    numbers = (0.5 * stack[0] + 2.0 * stack[2]) @ direction[0]
    found, expected = read(stack).contrast(c, direction), interval(numbers, 2)
    for end in ("low", "mid", "high"):
        assert getattr(found, end)[0] == pytest.approx(getattr(expected, end))


def test_finite_numbers_that_overflow_in_a_contrast_blind_nobody() -> None:
    stack = np.stack(rows(), axis=1)
    stack[0, :2], stack[1, :2] = 1.7e308, -1.7e308
    found = read(stack).contrast(np.array([[5.0, 5.0, 0.0]]), np.full((1, D), 5.0))
    assert np.isfinite([found.low, found.mid, found.high]).all()


def test_intervals_are_coordinate_by_coordinate_and_hold_each_workers_own_error() -> None:
    stack = np.stack(rows(), axis=1)
    c, e = np.array([[0.5, 0.0, 2.0]]), np.array([[0.0, 1.0, -1.0]])
    numbers, errors = 0.5 * stack[0] + 2.0 * stack[2], np.abs(stack[1] - stack[2])  # (m, d)
    found = read(stack).intervals(c, e)
    for k in range(D):
        assert found.low[0, k] == pytest.approx(interval((numbers - errors)[:, k], 2).low)
        assert found.mid[0, k] == pytest.approx(interval(numbers[:, k], 2).mid)
        assert found.high[0, k] == pytest.approx(interval((numbers + errors)[:, k], 2).high)


def test_intervals_that_touch_a_point_that_overflows_say_nothing() -> None:
    values = rows()
    for who in range(M):
        poisoned(np.inf, 1, rows_=values, who=who)
    found = read(values).intervals(np.eye(Q), np.zeros((Q, Q)))
    assert (found.high[1] == np.inf).all()
    assert (found.low[1] == -np.inf).all()
    assert np.isfinite(found.high[[0, 2]]).all()


def test_later_changes_of_a_payload_do_not_reach_the_reading() -> None:
    values = rows()
    reading = read(values)
    before = reading.gradient.copy()
    for value in values:
        value[:] = 9.0
    np.testing.assert_array_equal(reading.combination(np.eye(Q)).vector, before)


def test_a_rule_without_inexactness_reads_as_unknown() -> None:
    class Silent(Mean):
        def estimates(self, stack: Any, b: int) -> Any:
            found = super().estimates(stack, b)
            return type(found)(found.vector, None, found.kept)

    assert (read(rows(), rule=Silent()).inexactness == np.inf).all()


def test_honest_messages_are_copied_once() -> None:
    rows_ = [np.ones((1, 2**18)) for _ in range(M)]
    points = np.zeros((1, 2**18))
    size = M * points.nbytes
    tracemalloc.start()
    try:
        oracle.read(Messages(rows_, ("ok",) * M), Median(), 2, points=points, workers=ROSTER)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * size


# --- questions that workers answer with numbers about their own losses -------------------------

W = np.array([0.4, -0.2, 0.1, 0.3])
BOWL = Bowl(m=M)
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
