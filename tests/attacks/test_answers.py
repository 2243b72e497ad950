"""Lies about changes, curvatures and lowest eigenvalues: each way does what its name says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from answer_views import DIRECTIONS, EVERY, MEMBERS, QUESTIONS, D, M
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.attacks import (
    AnswerView,
)
from saddleproof.attacks.answers import HUGE, LOUD, WAYS, Way, lies, useless
from saddleproof.questions import Curvatures, LeastCurvature, Question
from saddleproof.testing import QuarticSaddle

#: The ways whose lies are not copied from honest workers.
OWN = [way for way in WAYS if way not in ("truthful", "quiet", "median", "nan")]


def a_view(question: Question, seed: int = 0, *, shift: float = 0.0, **other: Any) -> AnswerView:
    """Random answers that could be true: ordered ends, unit directions."""
    rng = np.random.default_rng(seed)
    answers = shift + rng.standard_normal((M, *question.shape))
    if isinstance(question, Curvatures):
        answers.sort(axis=1)
    if isinstance(question, LeastCurvature):
        answers[:, :3].sort(axis=1)
        answers[:, 3:] /= np.linalg.norm(answers[:, 3:], axis=1, keepdims=True)
    known: dict[str, Any] = {"members": MEMBERS, "round_id": seed, "b": 3, "problem": None}
    return AnswerView(question, answers, **(known | other))


@EVERY
def test_the_truthful_say_what_they_would_say_if_they_were_honest(question: Question) -> None:
    view = a_view(question)
    np.testing.assert_array_equal(lies(view, "truthful", 5.0), view.answers[list(MEMBERS)])


@pytest.mark.parametrize("size", [1.0, 1e6])
def test_against_denies_every_decrease_as_loudly_as_the_loudest_honest_worker(size: float) -> None:
    changes, curvatures, least = (a_view(question) for question in QUESTIONS)
    loudest = np.abs(changes.honest).max(axis=0)
    for told in lies(changes, "against", size):
        np.testing.assert_allclose(told, size * loudest)
    assert (lies(curvatures, "against", size) > 0).all()
    told = lies(least, "against", size)
    np.testing.assert_allclose(told[:, 0], size * np.abs(least.honest[:, 1]).max())
    assert (told[:, :3] > 0).all(), "a convex Hessian of one's own"


@pytest.mark.parametrize("size", [1.0, 1e6])
def test_for_makes_every_end_a_decrease_and_every_direction_negative(size: float) -> None:
    changes, curvatures, least = (a_view(question) for question in QUESTIONS)
    np.testing.assert_allclose(lies(changes, "for", size), -lies(changes, "against", size))
    assert (lies(curvatures, "for", size) < 0).all()
    assert (lies(least, "for", size)[:, :2] < 0).all()


def test_votes_are_no_ties_where_all_honest_answers_are_zero() -> None:
    view = a_view(QUESTIONS[0])
    flat = AnswerView(view.question, np.zeros_like(view.answers), MEMBERS, 0, 3, None)
    assert (lies(flat, "against", 1.0) > 0).all()
    assert (lies(flat, "for", 1.0) < 0).all()


def test_forged_answers_are_those_of_one_convex_loss() -> None:
    """F(w + t v) - F(w) = k |t v|^2 / 2, v'Hv = k |v|^2 and lambda_min = k, k = size L."""
    k = 3.0 * QuarticSaddle().smoothness
    changes, curvatures, least = (
        lies(a_view(question, shift=-5.0, problem=QuarticSaddle(d=D)), "forge", 3.0)
        for question in QUESTIONS
    )
    length = (DIRECTIONS**2).sum(axis=1)
    np.testing.assert_allclose(changes[0], k * length[:, None] * [0.125, 0.5, 2.0])
    np.testing.assert_allclose(curvatures[1], k * np.stack([length, length]))
    np.testing.assert_allclose(least[2, :3], k)


@given(st.integers(0, 2**32), st.floats(-3, 3))
def test_the_quiet_copy_the_honest_worker_that_contradicts_the_mean_most(
    seed: int, shift: float
) -> None:
    changes, curvatures, least = (a_view(question, seed, shift=shift) for question in QUESTIONS)
    told, honest = lies(changes, "quiet", 1.0)[0], changes.honest
    down = honest.mean(axis=0) < 0
    np.testing.assert_array_equal(told[down], honest.max(axis=0)[down])
    np.testing.assert_array_equal(told[~down], honest.min(axis=0)[~down])
    for p, told in enumerate(lies(curvatures, "quiet", 1.0)[0].T):
        rows = [row.tolist() for row in curvatures.honest[:, :, p]]
        assert told.tolist() in rows, "both ends are those of one honest worker"
    row = lies(least, "quiet", 1.0)[0].tolist()
    assert row in least.honest.tolist()
    lowest = least.honest[:, 0]
    assert row[0] == (lowest.max() if lowest.mean() < 0 else lowest.min())


def test_loud_lies_deny_both_ends_of_every_mean() -> None:
    changes, curvatures, least = (lies(a_view(q), "loud", 1.0) for q in QUESTIONS)
    for told in (changes, curvatures):
        assert (told[0] == LOUD).all()
        assert (told[1] == -LOUD).all()
    assert (least[:, 0] == -LOUD).all()


def test_wasters_praise_the_useless_and_blame_the_useful() -> None:
    changes, curvatures = (a_view(question, 1) for question in QUESTIONS[:2])
    for view in (changes, curvatures):
        told, mean = lies(view, "waste", 10.0)[0], view.honest.mean(axis=0)
        same = np.sign(mean[0]) == np.sign(mean[-1])  # ends of a curvature that agree
        assert (np.sign(told) == -np.sign(mean))[..., same].all()
    least = a_view(QUESTIONS[2], shift=5.0)
    told = lies(least, "waste", 10.0)
    assert (told[:, 0] == -10 * np.abs(least.honest[:, 1]).max()).all()
    np.testing.assert_array_equal(told[0], told[1])


def test_useless_directions_are_orthogonal_to_all_honest_ones_while_there_is_room() -> None:
    proposed = np.random.default_rng(0).standard_normal((4, 9))
    v = useless(proposed, 3)
    np.testing.assert_allclose(proposed @ v, 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(v), 1)
    crowded = np.random.default_rng(0).standard_normal((40, 9)) * [1, 1, 1, 1, 0.01, 1, 1, 1, 1]
    assert abs(useless(crowded, 3)[4]) > 0.99
    assert np.abs(useless(np.ones((3, 1)), 0)).tolist() == [1.0]


@given(st.integers(0, 2**32))
def test_the_median_is_an_honest_answer_in_every_entry(seed: int) -> None:
    for question in QUESTIONS[:2]:
        view = a_view(question, seed)
        told = lies(view, "median", 1.0)[0]
        np.testing.assert_array_equal(told, np.sort(view.honest, axis=0)[(M - 4) // 2])
    view = a_view(QUESTIONS[2], seed)
    told = lies(view, "median", 1.0)[0]
    np.testing.assert_array_equal(told[:3], np.sort(view.honest[:, :3], axis=0)[(M - 4) // 2])


def test_the_opposite_is_minus_the_honest_mean() -> None:
    changes, curvatures, least = (a_view(question) for question in QUESTIONS)
    np.testing.assert_allclose(lies(changes, "opposite", 1.0)[0], -changes.honest.mean(axis=0))
    low, high = curvatures.honest.mean(axis=0)
    np.testing.assert_allclose(lies(curvatures, "opposite", 1.0)[0], [-high, -low])
    told = lies(least, "opposite", 1.0)[0]
    np.testing.assert_allclose(told[:2], -least.honest[:, 1].mean())
    mean = least.honest[:, 3:].mean(axis=0)
    np.testing.assert_allclose(told[3:], -mean / np.linalg.norm(mean))


@EVERY
def test_huge_lies_are_finite_and_nan_is_nan(question: Question) -> None:
    view = a_view(question)
    numbers = slice(0, 3) if isinstance(question, LeastCurvature) else slice(None)
    assert (lies(view, "huge", 1.0)[:, numbers] == HUGE).all()
    assert np.isnan(lies(view, "nan", 1.0)).all()


@EVERY
@pytest.mark.parametrize("says", WAYS)
def test_lies_can_be_read_and_have_ordered_ends_and_unit_directions(
    question: Question, says: Way
) -> None:
    for size in (1e-3, 1.0, 1e300):
        for seed in range(5):
            view = a_view(question, seed)
            before = view.answers.copy()
            told = lies(view, says, size)
            np.testing.assert_array_equal(view.answers, before)
            np.testing.assert_array_equal(told, lies(view, says, size))
            assert told.shape == (3, *question.shape)
            if says == "nan":
                continue
            assert np.isfinite(told).all()
            if isinstance(question, Curvatures):
                assert (told[:, 0] <= told[:, 1]).all()
            if isinstance(question, LeastCurvature):
                assert (np.diff(told[:, :3]) >= 0).all()
                np.testing.assert_allclose(np.linalg.norm(told[:, 3:], axis=1), 1)


@EVERY
@pytest.mark.parametrize("says", OWN)
def test_honest_workers_that_know_nothing_do_not_make_lies_infinite(
    question: Question, says: Way
) -> None:
    view = a_view(question)
    if isinstance(question, LeastCurvature):
        view.answers[1] = [-np.inf, np.inf, np.inf, *np.zeros(D)]
        view.answers[2:4] = view.answers[1]
    elif isinstance(question, Curvatures):
        view.answers[1:4, 0], view.answers[1:4, 1] = -np.inf, np.inf
    else:
        view.answers[1:4] = np.inf
    assert np.isfinite(lies(view, says, 1.0)).all()


@EVERY
@pytest.mark.parametrize("says", WAYS)
def test_where_all_workers_lie_there_is_nobody_to_imitate(question: Question, says: Way) -> None:
    view = a_view(question, members=tuple(range(M)))
    np.testing.assert_array_equal(lies(view, says, 1.0), view.answers)
