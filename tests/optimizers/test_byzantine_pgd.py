"""Algorithm 1 to the letter: one test for each point at which an implementation may stray."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.errors import OptionError
from saddleproof.optimizers.algorithm1 import ByzantinePGD, ByzantineState
from saddleproof.optimizers.base import RUNNING
from saddleproof.optimizers.randomness import RandomKey
from saddleproof.schedule import HeuristicSchedule, Schedule
from saddleproof.storage import snapshot

FLAT = Schedule(step=0.5, epsilon=0.1, r=1.0, R=100.0, Q=3, T_th=4)


def saddle(points):
    """grad of (-w_1^2 + w_2^2)/2."""
    return points * np.array([-1.0, 1.0])


def still(points):
    return np.zeros_like(points)


def test_main_loop_steps_while_the_gradient_is_above_epsilon(drive):
    run = drive(ByzantinePGD(FLAT), lambda w: w, [1.0, 0.0])
    run.round()
    assert np.array_equal(run.asked[0], [[1.0, 0.0]])
    assert np.array_equal(run.point, [0.5, 0.0])


def test_epsilon_itself_starts_an_escape(drive):
    run = drive(ByzantinePGD(replace(FLAT, epsilon=1.0)), lambda w: w, [1.0, 0.0])
    run.round()
    assert run.state.escape is not None
    assert np.array_equal(run.point, [1.0, 0.0])


def test_a_round_asks_for_T_th_plus_one_gradients(drive):
    run = drive(ByzantinePGD(FLAT), still, [1.0, 2.0])
    assert run.run(1000) == 1 + FLAT.Q * (FLAT.T_th + 1)


def test_rounds_of_an_escape_follow_one_another_one_point_each(drive):
    run = drive(ByzantinePGD(FLAT), still, [1.0, 2.0])
    run.run(1000)
    starts = [points[0] for points in run.asked[1 :: FLAT.T_th + 1]]
    assert all(len(points) == 1 for points in run.asked)
    assert len(starts) == len({tuple(start) for start in starts}) == FLAT.Q


def test_failure_returns_w_tilde_and_never_w_prime(drive):
    run = drive(ByzantinePGD(FLAT), still, [1.0, 2.0])
    run.run(1000)
    assert run.status == "no_escape_found"
    assert np.array_equal(run.point, [1.0, 2.0])
    assert not np.array_equal(run.state.escape.w, [1.0, 2.0])


def test_each_round_starts_from_w_tilde(drive):
    run = drive(ByzantinePGD(replace(FLAT, Q=200, T_th=1)), saddle, [0.0, 0.0])
    run.run(1000)
    origins = np.array([points[0] for points in run.asked[1::2]])
    assert np.linalg.norm(origins, axis=1).max() <= FLAT.r


def test_escape_steps_by_the_gradient_at_w_prime(drive):
    run = drive(ByzantinePGD(FLAT), saddle, [0.0, 0.0])
    for _ in range(3):
        run.round()
    first, second = run.asked[1][0], run.asked[2][0]
    assert np.allclose(second, first - FLAT.step * saddle(first))


def test_distance_is_measured_from_the_perturbed_start(drive):
    # r = 1 > R: measured from w~, the first test would succeed for most draws.
    run = drive(ByzantinePGD(replace(FLAT, R=0.2)), still, [0.0, 0.0])
    run.run(1000)
    assert run.state.escape.failed
    assert run.state.escaped == 0


def test_the_gradient_is_asked_before_the_distance_is_tested(drive):
    schedule = Schedule(step=1.0, epsilon=0.1, r=0.01, R=0.5, Q=1, T_th=50)
    run = drive(ByzantinePGD(schedule), saddle, [0.0, 0.0])
    while run.state.escaped == 0:
        run.round()
    origin, last, before = run.asked[1][0], run.asked[-1][0], run.asked[-2][0]
    # The round that ends the escape asked at the far point, not before it was reached.
    assert np.linalg.norm(last - origin) >= schedule.R > np.linalg.norm(before - origin)


def test_displacement_of_exactly_R_is_an_escape(drive):
    schedule = Schedule(step=1.0, epsilon=0.1, r=1e-9, R=0.25, Q=1, T_th=5)

    def push(points):
        return np.where(points == 0, 0.0, np.array([[-0.25]]))

    run = drive(ByzantinePGD(schedule), push, [0.0])
    state = run.round()
    escape = replace(state.escape, origin=np.array([0.5]), w=np.array([0.5]))
    run.state = replace(state, escape=escape)
    run.round()
    run.round()
    assert run.state.escaped == 1


def test_success_steps_from_w_prime_with_that_gradient_and_tests_no_epsilon(drive):
    schedule = Schedule(step=1.0, epsilon=10.0, r=0.01, R=0.5, Q=1, T_th=50)
    run = drive(ByzantinePGD(schedule), saddle, [0.0, 0.0])
    while run.state.escaped == 0:
        run.round()
    far = run.asked[-1][0]
    # epsilon = 10 holds everywhere: a second test of it would have begun an escape at w'.
    assert run.state.escape is None
    assert np.allclose(run.point, far - schedule.step * saddle(far))


def test_the_last_of_T_th_plus_one_gradients_can_still_succeed(drive):
    schedule = Schedule(step=1.0, epsilon=0.1, r=1e-6, R=1.0, Q=1, T_th=4)
    run = drive(ByzantinePGD(schedule), lambda w: np.full_like(w, -0.25) * (w != 0), [0.0])
    assert run.run(6) == 6  # one in the main loop, T_th + 1 in the escape
    assert run.state.escaped == 1


def test_perturbation_is_uniform_in_the_ball():
    d, count = 3, 4000
    schedule = Schedule(step=1.0, epsilon=0.1, r=2.0, R=9.0, Q=1, T_th=1)
    radii = []
    for seed in range(count):
        state = ByzantineState(np.zeros(d), RandomKey.open(seed))
        told = ByzantinePGD(schedule).tell(state, _Still(d))
        radii.append(np.linalg.norm(told.escape.origin))
    uniform = np.sort(np.array(radii) / schedule.r) ** d  # U^(1/d) to the d
    gap = np.abs(uniform - np.arange(count) / count).max()
    assert gap < 1.95 / np.sqrt(count)  # Kolmogorov-Smirnov at .001


class _Still:
    def __init__(self, d):
        self.gradient, self.inexactness = np.zeros((1, d)), np.zeros(1)


def test_default_randomness_is_fresh_entropy():
    one, two = (ByzantinePGD(FLAT).init(np.zeros(2)) for _ in range(2))
    assert one.random.key != two.random.key


def test_escape_budget_ends_false_escapes(drive):
    schedule = Schedule(step=0.5, epsilon=0.1, r=1.0, R=0.01, Q=2, T_th=5)
    run = drive(ByzantinePGD(schedule, max_escapes=3), lambda w: w, [0.0, 0.0])
    run.run(1000)
    assert (run.status, run.state.escaped) == ("budget", 3)


def test_second_order_is_claimed_only_under_a_theorem_that_holds(drive):
    for theorem, name in (("Theorem 3", "second_order"), ("", "no_escape_found")):
        run = drive(ByzantinePGD(replace(FLAT, theorem=theorem)), still, [0.0])
        assert run.optimizer.status(run.state) is RUNNING
        run.run(100)
        assert run.status == name


def test_evidence_counts_the_failed_rounds_and_names_R(drive):
    run = drive(ByzantinePGD(replace(FLAT, curvature=0.3)), still, [0.0])
    assert run.optimizer.evidence(run.state) is None
    run.run(100)
    evidence = run.optimizer.evidence(run.state)
    assert evidence.escapes_failed == FLAT.Q
    assert evidence.curvature_bound == 0.3  # Delta_hat = 0: as far as T_th was planned for
    assert any("R = 100" in text for text in evidence.assumptions)


def test_a_planned_schedule_is_made_from_what_is_read(drive):
    seen = []

    def plan(d, inexactness):
        seen.append((d, inexactness))
        return FLAT

    drive(ByzantinePGD(plan), saddle, [0.0, 2.0]).round()
    # These workers agree to the last digit: what is left is the round-off of the gradient.
    assert seen == [(2, 2 * np.finfo(float).eps)]


def test_a_run_that_diverges_ends_in_a_status():
    # r = 4 sqrt(d) s is far beyond the wall here: the perturbed start is thrown to infinity.
    problem = sp.problems.PCADigits(components=20, workers=20, seed=0)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), range(6))
    constants = {"curvature": 0.1 * problem.curvature, "step": 1 / problem.smoothness}
    plan = partial(HeuristicSchedule, **constants)
    result = sp.minimize(fleet, ByzantinePGD(plan), b=6, seed=0, max_rounds=100)
    assert result.status == "diverged"


def test_a_snapshot_in_mid_escape_goes_on_in_the_same_bytes(drive):
    run, twin = (drive(ByzantinePGD(FLAT), saddle, [0.0, 0.0], seed=7) for _ in range(2))
    for _ in range(8):
        run.round()
        twin.state = snapshot.loads(snapshot.dumps(twin.round()), ByzantineState)
    assert snapshot.dumps(run.state) == snapshot.dumps(twin.state)


def test_a_budget_of_no_escapes_is_refused():
    with pytest.raises(OptionError, match="max_escapes"):
        ByzantinePGD(FLAT, max_escapes=0)


def test_distance_schedule_leaves_the_saddle_when_R_is_below_the_distance_to_the_minimum():
    (stuck, far), (left, near) = (_attacked(n, seed=0) for n in (500, 32000))
    assert far > 1.0 > near  # R at the saddle; the minima lie at distance 1
    assert left
    assert not stuck


def _attacked(n, seed):
    problem = sp.problems.Example2(n=n, seed=seed)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), range(6))
    plans = []

    def plan(d, inexactness):
        plans.append(HeuristicSchedule(d, inexactness, problem.curvature, 1 / problem.smoothness))
        return plans[-1]

    result = sp.minimize(fleet, ByzantinePGD(plan), b=6, seed=seed, max_rounds=300, certify=False)
    assert result.status == "no_escape_found"
    return problem.left_saddle(result.w), plans[0].R
