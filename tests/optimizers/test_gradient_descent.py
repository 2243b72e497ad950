"""Robust gradient descent and its step rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.errors import OptionError
from saddleproof.optimizers.gradient_descent import (
    GradientDescent,
    GradientState,
    advance,
    begin,
)
from saddleproof.storage import snapshot
from saddleproof.testing import check_optimizer

BOWL = np.array([4.0, 1.0])  # L = 4


def bowl(points):
    return points * BOWL


def test_a_given_step_is_kept_to_the_letter(drive):
    run = drive(GradientDescent(step=0.1), bowl, [1.0, 1.0])
    for _ in range(4):
        run.round()
    asked = [points[0] for points in run.asked]
    assert np.allclose(asked, [(1 - 0.1 * BOWL) ** t for t in range(4)])
    assert np.array_equal(run.point, asked[-1])


def test_a_given_step_diverges_when_it_is_too_large(drive):
    run = drive(GradientDescent(step=1.0), bowl, [1.0, 1.0])
    assert run.run(20) == 20
    assert np.linalg.norm(run.point) > 1e3


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_step_rule_finds_its_way_from_any_order_of_magnitude(drive, scale):
    run = drive(GradientDescent(), lambda w: scale * bowl(w), [1.0, 1.0])
    run.run(60)
    assert np.linalg.norm(run.point) < 1e-3
    assert 0.1 < float(run.state.descent.step[0]) * scale * 4 <= 2


def test_a_refused_trial_costs_one_round_and_halves_the_step(drive):
    run = drive(GradientDescent(), bowl, [1.0, 0.0])
    run.round()
    assert np.array_equal(run.state.descent.trial, [[-3.0, 0.0]])  # eta = 1 = 4/L
    run.round()
    assert np.array_equal(run.point, [1.0, 0.0])
    assert np.array_equal(run.state.descent.trial, [[-1.0, 0.0]])  # eta = 1/2


@pytest.mark.parametrize("seed", range(20))
def test_a_step_of_1_over_L_is_never_refused_by_an_adversary_within_the_inexactness(seed):
    rng = np.random.default_rng(seed)
    delta = 0.5
    now = begin(rng.standard_normal((1, 2)), 1 / BOWL.max())
    for _ in range(30):
        if np.isfinite(now.gradient).all():  # whatever the rule made of eta, try 1/L
            eta = 1 / BOWL.max()
            now = replace(now, step=np.array([eta]), trial=now.w - eta * now.gradient)
        lie = rng.standard_normal((1, 2))
        gradient = bowl(now.trial) + delta * lie / np.linalg.norm(lie)
        trial = now.trial
        now = advance(now, gradient, np.array([delta]), fixed=False)
        assert np.array_equal(now.w, trial)


def test_the_step_grows_back_once_a_steep_place_is_left(drive):
    # |w|^3 is steep far out: from 20 the step must shrink, near 1 it may grow again.
    run = drive(GradientDescent(), lambda w: w**3 / (1 + np.abs(w) / 10), [20.0])
    steps = [float(run.round().descent.step[0]) for _ in range(40)]
    assert min(steps) < 0.02
    assert steps[-1] > 0.2


def test_trajectories_side_by_side_do_not_touch_each_other():
    w = np.array([[1.0, 1.0], [-2.0, 3.0]])
    both, one = begin(w, 1.0), begin(w[1:], 1.0)
    for _ in range(6):
        both = advance(both, bowl(both.trial), np.zeros(2), fixed=False)
        one = advance(one, bowl(one.trial), np.zeros(1), fixed=False)
    assert np.array_equal(both.w[1:], one.w)
    assert np.array_equal(both.step[1:], one.step)


def test_a_trial_that_overflows_is_refused():
    now = advance(begin(np.ones((1, 2)), 1.0), np.ones((1, 2)), np.zeros(1), fixed=False)
    after = advance(now, np.full((1, 2), np.nan), np.array([np.inf]), fixed=False)
    assert np.array_equal(after.w, now.w)
    assert after.step[0] == now.step[0] / 2


def test_an_inexactness_that_nobody_knows_takes_no_trial():
    now = advance(
        begin(np.ones((1, 2)), 1.0), bowl(np.ones((1, 2))), np.array([np.inf]), fixed=False
    )
    after = advance(now, bowl(now.trial), np.array([np.inf]), fixed=False)  # eta = 4/L
    assert np.array_equal(after.w, now.w)
    assert after.step[0] == now.step[0] / 2


@pytest.mark.parametrize("line_search", [False, True])
@pytest.mark.parametrize("rule", [sp.aggregators.Krum(), sp.aggregators.GeometricMedian()])
def test_without_a_step_it_does_not_diverge_under_a_rule_without_an_inexactness(rule, line_search):
    for seed in range(5):
        problem = sp.problems.Tensor(seed=seed)
        optimizer = GradientDescent(line_search=line_search)
        options = {"aggregator": rule, "b": 6, "max_rounds": 100, "certify": False, "seed": 0}
        result = sp.minimize(problem, optimizer, **options)
        assert result.status == "budget"
        assert problem.excess(result.w) < 0.5


# --- the line search for the first step -----------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_line_search_finds_the_first_step_at_once(scale):
    class Bowl:
        d = 2

        def value(self, w, _):
            return float(scale * BOWL @ w**2 / 2)

        def gradient(self, points, _):
            return scale * bowl(points)

    problem = sp.Problem(Bowl(), range(5))
    options = {"b": 1, "w0": np.ones(2), "max_rounds": 30, "certify": False}
    result = sp.minimize(problem, GradientDescent(line_search=True), **options)
    assert [record.question for record in result.trace[:3]] == ["Gradients", "Changes", "Gradients"]
    assert problem.value(result.w) < 1e-3 * problem.value(np.ones(2))


def test_a_line_search_that_finds_nothing_leaves_the_step_rule():
    class Backwards:
        d = 1

        def value(self, w, _):
            return float(w[0] ** 2)

        def gradient(self, points, _):
            return -points

    problem = sp.Problem(Backwards(), range(5))
    options = {"b": 1, "w0": np.ones(1), "max_rounds": 2, "certify": False}
    result = sp.minimize(problem, GradientDescent(line_search=True), **options)
    assert np.array_equal(result.w, np.ones(1))
    assert result.state.descent.step[0] == 1.0


def test_only_a_line_search_asks_for_more_than_gradients():
    class GradientsAlone:
        def __init__(self, fleet):
            self.workers, self.announce, self.round = fleet.workers, fleet.announce, fleet.round

    fleet = GradientsAlone(sp.LocalFleet(sp.problems.Example2(seed=0)))
    options = {"b": 6, "w0": np.ones(2), "max_rounds": 5, "certify": False}
    assert sp.minimize(fleet, GradientDescent(), **options).status == "budget"
    with pytest.raises(OptionError, match="Changes"):
        sp.minimize(fleet, GradientDescent(line_search=True), **options)


def test_it_passes_the_suite_with_a_line_search():
    check_optimizer(GradientDescent(line_search=True))


def test_it_never_stops_by_itself_unless_a_tolerance_is_given(drive):
    assert drive(GradientDescent(step=0.2), bowl, [1.0, 1.0]).run(500) == 500
    run = drive(GradientDescent(step=0.2, tolerance=1e-3), bowl, [1.0, 1.0])
    assert run.run(500) < 500
    assert run.status == "stationary"
    assert np.linalg.norm(bowl(run.point)) <= 1e-3


def test_a_snapshot_goes_on_in_the_same_bytes(drive):
    run, twin = (drive(GradientDescent(), bowl, [1.0, 1.0]) for _ in range(2))
    for _ in range(6):
        run.round()
        twin.state = snapshot.loads(snapshot.dumps(twin.round()), GradientState)
    assert snapshot.dumps(run.state) == snapshot.dumps(twin.state)


@pytest.mark.parametrize("options", [{"step": 0.0}, {"step": -1.0}, {"tolerance": 0.0}])
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(OptionError, match="positive"):
        GradientDescent(**options)


def test_a_step_and_a_search_for_one_are_refused():
    with pytest.raises(OptionError, match="not searched for"):
        GradientDescent(step=0.1, line_search=True)


@pytest.mark.parametrize("step", [None, 0.5])
def test_it_is_held_at_the_saddle_by_a_coalition(step):
    problem = sp.problems.Example2(n=2000, seed=1)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), range(6))
    result = sp.minimize(fleet, GradientDescent(step=step), b=6, max_rounds=200, certify=False)
    assert result.status == "budget"
    assert not problem.left_saddle(result.w)
