"""DRACO: what codes recover, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof.codes import Code, Cyclic, Repetition
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.base import LATE, Messages
from saddleproof.fleets.worker import workers_of

CASES = [(Repetition(1), 9), (Repetition(2), 10), (Cyclic(1), 9), (Cyclic(2), 10), (Cyclic(3), 15)]
POINTS = np.random.default_rng(5).standard_normal((3, 2))


def identity(value: Any) -> str:
    return repr(value)


@pytest.mark.parametrize(("code", "m"), CASES, ids=identity)
def test_rows_and_columns_sum_to_one_and_a_worker_holds_few_parts(code: Code, m: int) -> None:
    W = code.matrix(m)
    np.testing.assert_allclose(W.sum(axis=0), 1.0)
    np.testing.assert_allclose(W.sum(axis=1), 1.0)
    held = (W != 0).sum(axis=1)
    assert (held == 2 * code.s + 1 + (isinstance(code, Cyclic) and m % 2 == 0)).all()


@pytest.mark.parametrize("m", [1, 2, 5])
def test_a_code_for_no_liars_is_no_code(m: int) -> None:
    for code in (Cyclic(0), Repetition(0)):
        np.testing.assert_array_equal(code.matrix(m), np.eye(m))
        messages = np.arange(2.0 * m).reshape(m, 2)
        weights = code.weights(messages, np.arange(m), m)
        np.testing.assert_allclose(weights @ messages, messages.mean(axis=0))


@pytest.mark.parametrize("m", [5, 9, 10, 15])
def test_cyclic_messages_have_no_part_at_the_code_frequencies(m: int) -> None:
    code = Cyclic(2)
    spectrum = np.fft.fft(code.matrix(m), axis=0)
    silent = np.zeros(m, dtype=bool)
    silent[code.frequencies(m)] = True
    assert np.abs(spectrum[silent]).max() < 1e-12
    assert np.linalg.matrix_rank(code.matrix(m)) == m - silent.sum()


lies = st.sampled_from(["own", "equal", "sizes", "neighbours", "one column"])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(CASES), lies)
def test_the_mean_of_the_pieces_comes_back_whatever_s_workers_send(
    seed: int, case: tuple[Code, int], kind: str
) -> None:
    code, m = case
    rng = np.random.default_rng(seed)
    pieces = rng.standard_normal((m, 4))
    honest = code.matrix(m) @ pieces
    if isinstance(code, Repetition):  # a product does not promise equal bits for equal rows
        honest = np.repeat(honest[:: 2 * code.s + 1], 2 * code.s + 1, axis=0)
    liars = rng.choice(m, code.s, replace=False)
    if kind == "neighbours":
        liars = (int(rng.integers(m)) + np.arange(code.s)) % m
    lie = rng.standard_normal((code.s, 4))
    if kind == "equal":
        lie[:] = lie[0]
    if kind == "sizes":
        lie *= 10.0 ** rng.uniform(-12, 30, (code.s, 1))
    if kind == "one column":
        lie[:, 1:] = 0.0
    messages = honest.copy()
    messages[liars] += lie
    weights = code.weights(messages, np.arange(m), m)
    np.testing.assert_allclose(weights @ messages, pieces.mean(axis=0), atol=1e-9)
    if kind != "sizes":
        np.testing.assert_array_equal(weights[liars], 0.0)


@pytest.mark.parametrize(("m", "s", "error"), [(15, 2, 1e-12), (60, 4, 1e-9)])
def test_lies_near_the_rounding_errors_cost_what_the_docstring_says(
    m: int, s: int, error: float
) -> None:
    rng = np.random.default_rng(0)
    code = Cyclic(s)
    for _ in range(40):
        pieces = rng.standard_normal((m, 4))
        messages = code.matrix(m) @ pieces
        liars = (int(rng.integers(m)) + np.arange(s)) % m
        messages[liars] += rng.standard_normal((s, 4)) * 10.0 ** rng.uniform(-16, 3, (s, 1))
        weights = code.weights(messages, np.arange(m), m)
        assert np.abs(weights @ messages - pieces.mean(axis=0)).max() < error


@pytest.mark.parametrize(("code", "m"), CASES, ids=identity)
def test_more_liars_than_s_who_do_not_agree_are_refused(code: Code, m: int) -> None:
    rng = np.random.default_rng(0)
    messages = np.repeat(rng.standard_normal((1, 4)), m, axis=0)  # equal pieces
    messages[: code.s + 1] += rng.standard_normal((code.s + 1, 4))
    with pytest.raises(BreakdownError, match=f"s={code.s} lie"):
        code.weights(messages, np.arange(m), m)


def test_s_plus_one_who_agree_in_one_group_win_it_and_nothing_shows() -> None:
    x = np.array([[1.0], [9.0], [9.0], [5.0], [5.0], [5.0]])
    assert sp.aggregators.Draco(Repetition(1))(x, b=1) == 7.0


def test_an_absent_worker_is_an_erasure() -> None:
    rng = np.random.default_rng(0)
    code, m = Cyclic(2), 9
    pieces = rng.standard_normal((m, 3))
    messages = code.matrix(m) @ pieces
    messages[7] = 1e3
    at = np.delete(np.arange(m), [0, 4])  # two absent and one liar: 2 + 2 <= 2s
    np.testing.assert_allclose(
        code.weights(messages[at], at, m) @ messages[at], pieces.mean(axis=0)
    )
    at = np.delete(np.arange(m), [0, 2, 4])
    with pytest.raises(BreakdownError, match="3 are absent"):
        code.weights(messages[at], at, m)
    votes = np.ones((9, 1))
    at = np.delete(np.arange(9), [0, 1])
    with pytest.raises(BreakdownError, match="1 heard"):
        Repetition(1).weights(votes[at], at, 9)


@pytest.mark.parametrize(
    "attack", [sp.attacks.SignFlip(100.0), sp.attacks.NonFinite("nan"), sp.attacks.Gaussian(seed=1)]
)
@pytest.mark.parametrize("members", [[4], [0]])
def test_a_run_under_any_attack_equals_the_free_run_bit_by_bit(
    attack: Any, members: list[int]
) -> None:
    problem = sp.problems.Example2(workers=9, seed=0)
    coded = sp.problems.Coded(problem, Repetition(1))
    fleet = sp.Coalition(sp.LocalFleet(coded), attack, members=members)
    options = {
        "aggregator": sp.aggregators.Draco(Repetition(1)),
        "b": 1,
        "max_rounds": 30,
        "certify": False,
    }
    descent = sp.GradientDescent(step=0.1)
    free, attacked = sp.minimize(coded, descent, **options), sp.minimize(fleet, descent, **options)
    assert free.w.tobytes() == attacked.w.tobytes()
    assert [r.gradient_norm for r in free.trace] == [r.gradient_norm for r in attacked.trace]
    assert attacked.trace[0].left_out or attacked.excluded


def test_with_the_cyclic_code_it_equals_it_up_to_rounding_and_names_the_liars() -> None:
    problem = sp.problems.PCADigits(components=10, workers=11, seed=0)
    coded = sp.problems.Coded(problem, Cyclic(2))
    fleet = sp.Coalition(sp.LocalFleet(coded), sp.SaddleAttack(problem.saddle), members=[3, 4])
    options = {
        "aggregator": sp.aggregators.Draco(Cyclic(2)),
        "b": 2,
        "max_rounds": 30,
        "certify": False,
    }
    descent = sp.GradientDescent(step=0.1)
    free, attacked = sp.minimize(coded, descent, **options), sp.minimize(fleet, descent, **options)
    np.testing.assert_allclose(attacked.w, free.w, atol=1e-10)
    assert attacked.trace[0].left_out == ("worker-3", "worker-4")


def test_s_plus_one_liars_stop_the_run_with_a_reason() -> None:
    problem = sp.problems.Example2(workers=9, seed=0)
    fleet = sp.Coalition(
        sp.LocalFleet(sp.problems.Coded(problem, Cyclic(1))),
        sp.attacks.SignFlip(3.0),
        members=[1, 6],
    )
    result = sp.minimize(
        fleet, sp.GradientDescent(), aggregator=sp.aggregators.Draco(Cyclic(1)), b=1
    )
    assert result.status == "too_few_workers"
    assert "more than s=1 lie" in result.message


class Late(sp.LocalFleet):
    """Worker 5 is late in every round."""

    def round(self, points: Any, *, round_id: int, timeout: Any = None) -> Messages:
        heard = super().round(points, round_id=round_id, timeout=timeout)
        return replace(heard, status=(*heard.status[:5], LATE, *heard.status[6:]))


def test_a_late_worker_changes_nothing() -> None:
    problem = sp.problems.Example2(workers=9, seed=0)
    coded = sp.problems.Coded(problem, Repetition(1))
    options = {"aggregator": sp.aggregators.Draco(), "b": 1, "max_rounds": 10, "certify": False}
    on_time = sp.minimize(coded, sp.GradientDescent(step=0.1), **options)
    late = sp.minimize(Late(coded), sp.GradientDescent(step=0.1), **options)
    assert on_time.w.tobytes() == late.w.tobytes()


class Square:
    """|w - mean|^2 / 2 of a worker's rows."""

    d = 2

    def value(self, w: np.ndarray, data: np.ndarray) -> float:
        return float(((w - data) ** 2).sum() / 2 / len(data))

    def gradient(self, points: np.ndarray, data: np.ndarray) -> np.ndarray:
        return points - data.mean(axis=0)


@pytest.mark.parametrize("code", [Repetition(1), Cyclic(1)], ids=identity)
def test_workers_elsewhere_send_the_same_bits_from_their_own_parts(code: Code) -> None:
    rng = np.random.default_rng(0)
    problem = sp.Problem(Square(), list(rng.standard_normal((9, 4, 2))), start=np.zeros(2))
    coded = sp.problems.Coded(problem, code)
    here = coded.gradients(POINTS)
    there = [worker.answer(POINTS, losses=True) for worker in workers_of(coded)]
    for i, (gradient, losses) in enumerate(there):
        np.testing.assert_array_equal(gradient, here[:, i])
        np.testing.assert_allclose(losses, [coded.values(w)[i] for w in POINTS])
    np.testing.assert_allclose(here.mean(axis=1), problem.gradients(POINTS).mean(axis=1))
    assert coded.value(POINTS[0]) == problem.value(POINTS[0])
    assert coded.start is problem.start


@pytest.mark.parametrize(
    ("code", "m", "says"), [(Repetition(1), 10, "groups of 3"), (Cyclic(2), 4, "more than 5")]
)
def test_a_number_of_workers_without_a_code_is_refused(code: Code, m: int, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        code.matrix(m)


def test_more_expected_liars_than_the_code_corrects_are_refused() -> None:
    with pytest.raises(BreakdownError):
        sp.aggregators.Draco(Repetition(1))(np.ones((6, 1)), b=2)
    with pytest.raises(OptionError):
        Cyclic(-1)
