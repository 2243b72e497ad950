"""Liars that steer a judge of branches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from saddleproof.attacks import ALittleIsEnough, AnswerView, Malformed, SignFlip, SteerJudge
from saddleproof.claims.preference import preferred
from saddleproof.errors import OptionError
from saddleproof.questions import Changes, Curvatures
from saddleproof.testing import check_attack


def asked(seed, m=9, k=2, ends=3):
    """A round that compares ends."""
    rng = np.random.default_rng(seed)
    answers = rng.standard_normal((m, 1)) + rng.standard_normal((m, ends)) + rng.random(ends)
    question = Changes(np.zeros(4), rng.standard_normal((ends, 4)), np.ones(1))
    return AnswerView(question, answers[:, :, None], tuple(range(k)), 0, k, None)


def winner(view, told):
    answers = view.answers[:, :, 0].copy()
    answers[list(view.members)] = told[:, :, 0]
    return preferred(answers, view.b).winner


@pytest.mark.parametrize("spare", ["none", "first", "others"])
@pytest.mark.parametrize("votes", ["worst", "reversed", "truthful"])
def test_the_public_suite_passes(spare, votes):
    check_attack(SteerJudge(ALittleIsEnough(), spare=spare, votes=votes))


def test_no_vote_of_many_makes_a_worse_end_win_than_the_worst_vote():
    beaten = 0
    for seed in range(30):
        view = asked(seed)
        mean = view.honest[:, :, 0].mean(axis=0)
        ours = mean[winner(view, SteerJudge().answer(view))]
        rng = np.random.default_rng(seed)
        others = [1e3 * rng.standard_normal((2, 3, 1)) for _ in range(20)]
        others += [
            np.repeat(1e6 * np.array(order, dtype=float)[None, :, None], 2, axis=0)
            for order in itertools.permutations(range(3))
        ]
        beaten += any(mean[winner(view, told)] > ours + 1e-12 for told in others)
    assert beaten == 0


def test_the_worst_vote_is_worse_for_the_honest_than_the_truth_and_than_a_reversed_order():
    views = [asked(seed, ends=6) for seed in range(30)]

    def reached(votes):
        attack = SteerJudge(votes=votes)
        ends = [view.honest[:, :, 0].mean(axis=0) for view in views]
        won = [winner(view, attack.answer(view)) for view in views]
        return np.mean([end[k] - end.min() for end, k in zip(ends, won, strict=True)])

    assert reached("worst") > reached("reversed") > reached("truthful")


@pytest.mark.parametrize(("spare", "spoilt"), [("first", [1, 2]), ("others", [0])])
def test_liars_tell_the_truth_on_the_branches_that_they_spare(make_view, spare, spoilt):
    view = make_view()
    told = SteerJudge(SignFlip(), spare=spare)(view)
    lies = SignFlip()(view)
    spared = [k for k in range(3) if k not in spoilt]
    np.testing.assert_array_equal(told[spoilt], lies[spoilt])
    np.testing.assert_array_equal(told[spared], view.own[spared])


def test_other_questions_get_the_truth():
    view = asked(0)
    others = (
        Curvatures(np.zeros(4), np.zeros((3, 4))),
        Changes(np.zeros(4), np.zeros((3, 4)), np.array([1.0, 2.0])),
    )
    for question in others:
        answers = np.random.default_rng(0).standard_normal((9, *question.shape))
        other = AnswerView(question, answers, view.members, 0, 2, None)
        np.testing.assert_array_equal(SteerJudge().answer(other), other.own)


def test_branches_of_an_attack_that_sends_no_arrays_cannot_be_spared(make_view):
    with pytest.raises(OptionError, match="spare"):
        SteerJudge(Malformed(), spare="first")(make_view())
