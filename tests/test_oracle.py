"""Every row of the table of bad messages, and what an optimizer may read of the rest."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from saddleproof import oracle
from saddleproof.aggregators import Mean, Median, TrimmedMean
from saddleproof.fleets import Messages, collect
from saddleproof.ranks import interval

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
