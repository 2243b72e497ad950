"""Lies about changes, curvatures and lowest eigenvalues: each way does what its name says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators import Median
from saddleproof.attacks import (
    AnswerView,
    Burst,
    Coalition,
    Delayed,
    LyingAnswers,
    Playbook,
    SaddleAttack,
    SignFlip,
)
from saddleproof.attacks.answers import HUGE, LOUD, WAYS, Way, lies, useless
from saddleproof.errors import OptionError
from saddleproof.fleets import Announcement, LocalFleet
from saddleproof.oracle.admission import admit
from saddleproof.questions import Changes, Curvatures, LeastCurvature, Question
from saddleproof.testing import Bowl, check_attack

D, M, MEMBERS = 6, 11, (0, 4, 9)
RNG = np.random.default_rng(0)
DIRECTIONS = RNG.standard_normal((3, D))
QUESTIONS: tuple[Question, ...] = (
    Changes(np.zeros(D), DIRECTIONS, np.array([0.5, 1.0, 2.0])),
    Curvatures(np.zeros(D), DIRECTIONS),
    LeastCurvature(np.zeros(D)),
)
EVERY = pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: type(q).__name__)
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
    k = 3.0 * Bowl().smoothness
    changes, curvatures, least = (
        lies(a_view(question, shift=-5.0, problem=Bowl(d=D)), "forge", 3.0)
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


# The attacks, in a coalition


def asked(attack: Any, question: Question, *, round_id: int = 0) -> list[Any]:
    fleet = Coalition(LocalFleet(Bowl(M, D)), attack, MEMBERS)
    return list(fleet.ask(question, round_id=round_id).answers)


@EVERY
def test_an_attack_on_gradients_tells_the_truth_when_it_is_asked_about_its_losses(
    question: Question,
) -> None:
    question = LeastCurvature(np.zeros(D), seed=0) if len(question.shape) == 1 else question
    truth = LocalFleet(Bowl(M, D)).ask(question, round_id=0).answers
    for attack in (SaddleAttack(), SignFlip(), Playbook(), LyingAnswers(says="truthful")):
        np.testing.assert_array_equal(asked(attack, question), truth)


def test_the_inner_attack_still_rules_gradients_and_keeps_its_memory() -> None:
    inner = Delayed(2)
    fleets = [
        Coalition(LocalFleet(Bowl(M, D)), attack, MEMBERS)
        for attack in (inner, LyingAnswers(inner, "for"))
    ]
    for round_id in range(5):
        points = np.random.default_rng(round_id).standard_normal((1, D))
        one, other = (fleet.round(points, round_id=round_id).answers for fleet in fleets)
        np.testing.assert_array_equal(np.stack(one), np.stack(other))


class Valued:
    """An optimizer that asks for losses beside gradients."""

    needs_values = True


def test_the_inner_attack_still_rules_what_is_said_of_losses() -> None:
    said = {}
    for attack in (LyingAnswers(Playbook(loss="no"), "for"), LyingAnswers(SaddleAttack(), "for")):
        fleet = Coalition(LocalFleet(Bowl(M, D)), attack, MEMBERS)
        fleet.announce(Announcement(Median().estimates, 3, Valued()))
        heard = fleet.round(np.eye(D)[:2], round_id=0)
        assert heard.loss_answers is not None
        said[type(attack.gradients)] = np.array(heard.loss_answers)[:, 1]
    truth = Bowl(M, D).values(np.eye(D)[1])
    np.testing.assert_array_equal(said[SaddleAttack], truth)
    assert said[Playbook][0] == np.delete(truth, MEMBERS).max()


def test_liars_touch_nobody_elses_answer() -> None:
    for question in QUESTIONS[:2]:
        truth = LocalFleet(Bowl(M, D)).ask(question, round_id=0).answers
        heard = asked(LyingAnswers(says="huge"), question)
        for i, (said, true) in enumerate(zip(heard, truth, strict=True)):
            assert np.array_equal(said, true) == (i not in MEMBERS)


def test_a_playbook_answers_in_its_own_way_and_size() -> None:
    for question in QUESTIONS[:2]:
        one = asked(Playbook(answers="against", size=7.0), question)
        other = asked(LyingAnswers(says="against", size=7.0), question)
        np.testing.assert_array_equal(np.stack(one), np.stack(other))


def test_a_burst_lies_in_its_window_alone() -> None:
    question = QUESTIONS[1]
    truth = np.stack(LocalFleet(Bowl(M, D)).ask(question, round_id=0).answers)
    burst = Burst(LyingAnswers(says="huge"), 3, 5, otherwise=LyingAnswers(says="opposite"))
    assert np.stack(asked(burst, question, round_id=4))[0, 0, 0] == HUGE
    assert np.stack(asked(burst, question, round_id=5))[0, 0, 0] == pytest.approx(-truth[0, 1, 0])
    silent = Burst(LyingAnswers(says="huge"), 3, 5)
    np.testing.assert_array_equal(np.stack(asked(silent, question, round_id=2)), truth)


@pytest.mark.parametrize("says", WAYS)
def test_the_server_proves_nan_bad_and_nothing_else(says: Way) -> None:
    for question in (*QUESTIONS[:2], LeastCurvature(np.zeros(D), seed=0)):
        fleet = Coalition(LocalFleet(Bowl(M, D)), LyingAnswers(says=says), MEMBERS)
        heard = fleet.ask(question, round_id=0)
        reading = admit(heard, question, Median(), 3, workers=fleet.workers)
        bad = set(reading.verdicts.charged)
        assert bad == ({f"worker-{i}" for i in MEMBERS} if says == "nan" else set())


@pytest.mark.parametrize("says", WAYS)
def test_lying_answers_pass_the_suite(says: Way) -> None:
    check_attack(LyingAnswers(says=says), finite=says != "nan")
    check_attack(Burst(LyingAnswers(says=says), 1, 4), finite=says != "nan")


def test_the_suite_sees_lies_that_touch_what_they_are_shown_and_lies_of_another_shape() -> None:
    class Vandal(SaddleAttack):
        def answer(self, view: AnswerView) -> np.ndarray:
            view.answers[:] = 0.0
            return view.own

    class Short(SaddleAttack):
        def answer(self, view: AnswerView) -> np.ndarray:
            return view.own[:, :1]

    class Moody(SaddleAttack):
        def answer(self, view: AnswerView) -> np.ndarray:
            return np.random.default_rng().standard_normal(view.own.shape)

    for attack, says in ((Vandal(), "must not be changed"), (Short(), "right shape"),
                         (Moody(), "same lies")):  # fmt: skip
        with pytest.raises(AssertionError, match=says):
            check_attack(attack)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: LyingAnswers(says="maybe"), "truthful, against"),
        (lambda: LyingAnswers(size=0.0), "positive and finite"),
        (lambda: LyingAnswers(size=np.inf), "positive and finite"),
        (lambda: Playbook(answers="maybe"), "answers must be one of truthful"),
    ],
)
def test_misuse_says_what_is_needed(make: Callable[[], object], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        make()
