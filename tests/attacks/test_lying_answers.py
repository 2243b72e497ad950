"""Lies about the questions, told by a coalition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from answer_views import EVERY, MEMBERS, QUESTIONS, D, M

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
from saddleproof.attacks.answers import HUGE, WAYS, Way
from saddleproof.errors import OptionError
from saddleproof.fleets import Announcement, LocalFleet
from saddleproof.oracle.admission import admit
from saddleproof.questions import LeastCurvature, Question
from saddleproof.testing import QuarticSaddle, check_attack


def asked(attack: Any, question: Question, *, round_id: int = 0) -> list[Any]:
    fleet = Coalition(LocalFleet(QuarticSaddle(M, D)), attack, MEMBERS)
    return list(fleet.ask(question, round_id=round_id).answers)


@EVERY
def test_an_attack_on_gradients_tells_the_truth_when_it_is_asked_about_its_losses(
    question: Question,
) -> None:
    question = LeastCurvature(np.zeros(D), seed=0) if len(question.shape) == 1 else question
    truth = LocalFleet(QuarticSaddle(M, D)).ask(question, round_id=0).answers
    for attack in (SaddleAttack(), SignFlip(), Playbook(), LyingAnswers(says="truthful")):
        np.testing.assert_array_equal(asked(attack, question), truth)


def test_the_inner_attack_still_rules_gradients_and_keeps_its_memory() -> None:
    inner = Delayed(2)
    fleets = [
        Coalition(LocalFleet(QuarticSaddle(M, D)), attack, MEMBERS)
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
        fleet = Coalition(LocalFleet(QuarticSaddle(M, D)), attack, MEMBERS)
        fleet.announce(Announcement(Median().estimates, 3, Valued()))
        heard = fleet.round(np.eye(D)[:2], round_id=0)
        assert heard.loss_answers is not None
        said[type(attack.gradients)] = np.array(heard.loss_answers)[:, 1]
    truth = QuarticSaddle(M, D).values(np.eye(D)[1])
    np.testing.assert_array_equal(said[SaddleAttack], truth)
    assert said[Playbook][0] == np.delete(truth, MEMBERS).max()


def test_liars_touch_nobody_elses_answer() -> None:
    for question in QUESTIONS[:2]:
        truth = LocalFleet(QuarticSaddle(M, D)).ask(question, round_id=0).answers
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
    truth = np.stack(LocalFleet(QuarticSaddle(M, D)).ask(question, round_id=0).answers)
    burst = Burst(LyingAnswers(says="huge"), 3, 5, otherwise=LyingAnswers(says="opposite"))
    assert np.stack(asked(burst, question, round_id=4))[0, 0, 0] == HUGE
    assert np.stack(asked(burst, question, round_id=5))[0, 0, 0] == pytest.approx(-truth[0, 1, 0])
    silent = Burst(LyingAnswers(says="huge"), 3, 5)
    np.testing.assert_array_equal(np.stack(asked(silent, question, round_id=2)), truth)


@pytest.mark.parametrize("says", WAYS)
def test_the_server_proves_nan_bad_and_nothing_else(says: Way) -> None:
    for question in (*QUESTIONS[:2], LeastCurvature(np.zeros(D), seed=0)):
        fleet = Coalition(LocalFleet(QuarticSaddle(M, D)), LyingAnswers(says=says), MEMBERS)
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
