"""The decrease test with the curvature given."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import saddleproof as sp
from saddleproof import snapshot
from saddleproof.errors import OptionError
from saddleproof.optimizers.gradient_only.simple import (
    NODES,
    RADII,
    WEIGHTS,
    SimpleCertifiedPGD,
    SimpleState,
    frames,
)
from saddleproof.optimizers.evidence import resolved_curvature


def attacked(problem, optimizer, *, seed=0, style="push", rounds=300):
    attack = sp.SaddleAttack(problem.saddle, style=style)
    fleet = sp.Coalition(sp.LocalFleet(problem), attack, range(6))
    states = []
    result = sp.minimize(
        fleet,
        optimizer,
        b=6,
        seed=seed,
        max_rounds=rounds,
        certify=False,
        callback=lambda progress: states.append(progress.state),
    )
    return result, states


@pytest.mark.parametrize("n", [500, 32000])
@pytest.mark.parametrize("seed", range(3))
def test_it_leaves_the_saddle_at_every_noise_level(n, seed):
    problem = sp.problems.Example2(n=n, seed=seed)
    optimizer = SimpleCertifiedPGD(problem.curvature, step=1 / problem.smoothness)
    result, _ = attacked(problem, optimizer, seed=seed)
    assert result.status == "no_escape_found"
    assert problem.left_saddle(result.w)
    assert result.rounds <= 60


def test_starts_far_beyond_the_wall_do_not_stall_the_end():
    # At the minimum the workers disagree so much that starts lie ten times too far out.
    problem = sp.problems.PCADigits(components=20, workers=20, seed=0)
    result, _ = attacked(problem, SimpleCertifiedPGD(problem.curvature))
    assert result.status == "no_escape_found"
    assert problem.left_saddle(result.w)
    assert result.rounds <= 65


@pytest.mark.parametrize("scale", [0.25, 64.0])
def test_the_first_step_may_be_off_by_orders_of_magnitude(scale):
    problem = sp.problems.Example2(n=2000, seed=0)
    result, _ = attacked(
        problem, SimpleCertifiedPGD(problem.curvature, step=scale / problem.smoothness)
    )
    assert problem.left_saddle(result.w)


def test_quadrature_is_exact_for_the_quartic():
    # F = w^4/4 - w^2/2 between -1 and 1/2: gradients at three nodes give the difference exactly.
    a, b = -1.0, 0.5
    x = a + NODES * (b - a)
    change = WEIGHTS @ (x**3 - x) * (b - a)
    assert change == pytest.approx((b**4 / 4 - b**2 / 2) - (a**4 / 4 - a**2 / 2))


@pytest.mark.parametrize("d", [1, 2, 4, 6, 50])
def test_starts_are_orthonormal_as_far_as_the_dimension_allows(d):
    u = frames(np.random.default_rng(0), 6, d)
    assert u.shape == (6, d)
    for first in range(0, 6, d):
        block = u[first : first + d]
        assert np.allclose(block @ block.T, np.eye(len(block)))


def test_a_start_looks_every_way_alike():
    u = np.array([frames(np.random.default_rng(k), 6, 2)[0] for k in range(2000)])
    assert np.abs(u.mean(axis=0)).max() < 0.06
    assert np.allclose(np.cov(u.T), np.eye(2) / 2, atol=0.05)


def test_the_batch_has_six_starts_of_three_lengths_around_the_point():
    problem = sp.problems.Example2(n=2000, seed=0)
    optimizer = SimpleCertifiedPGD(problem.curvature, step=1 / problem.smoothness)
    _, states = attacked(problem, optimizer, rounds=1)
    now = states[0].escape
    s = now.inexactness / problem.curvature
    asked = optimizer.ask(states[0])
    assert np.array_equal(asked[0], now.anchor)
    lengths = np.linalg.norm(asked[1:] - now.anchor, axis=1)
    assert np.allclose(lengths, np.array(RADII) * math.sqrt(2) * s)


def test_tests_come_at_half_three_quarters_and_all_of_the_time(drive):
    gamma, eta = 0.25, 0.5
    # ||g(w+) - g(w)|| = ||g(w)|| / 2: the step rule neither refuses nor grows.
    run = drive(SimpleCertifiedPGD(gamma, step=eta), lambda w: w, [0.0, 0.0])
    run.run(1000)
    tests = [k for k, points in enumerate(run.asked) if len(points) == 1 + 3 * 6]
    T = 1.2 * math.log(24) / math.log(1 + eta * gamma)
    # Round 0 is descent, round 1 asks for the starts; each earlier test took a round of its own.
    assert tests == [2 + k + math.ceil(share * T) for k, share in enumerate((0.5, 0.75, 1.0))]


def test_a_failed_escape_ends_where_it_began_with_evidence(drive):
    run = drive(SimpleCertifiedPGD(0.25, step=0.5), lambda w: w, [0.0, 0.0])
    assert run.optimizer.evidence(run.state) is None
    run.run(1000)
    assert run.status == "no_escape_found"
    assert np.array_equal(run.point, [0.0, 0.0])
    evidence = run.optimizer.evidence(run.state)
    assert evidence.escapes_failed == 6
    assert evidence.curvature_bound == 0.25
    assert evidence.confidence == 0.95


def test_with_the_full_bound_no_escape_raises_the_loss():
    problem = sp.problems.Example2(n=500, seed=3)
    optimizer = SimpleCertifiedPGD(problem.curvature, step=1 / problem.smoothness, kappa=1.0)
    for seed in range(2):
        for style in ("push", "hold", "cancel"):
            _, states = attacked(problem, optimizer, seed=seed, style=style, rounds=80)
            for before, after in pairwise(states):
                if after.escaped > before.escaped:
                    landed = problem.value(after.descent.trial[0])
                    assert landed < problem.value(before.escape.anchor)


def test_exact_gradients_have_no_slab_and_still_escape(drive):
    def quartic(points):
        return np.stack([points[:, 0] ** 3 - points[:, 0], points[:, 1]], axis=1)

    run = drive(SimpleCertifiedPGD(0.5), quartic, [0.0, 0.0])
    run.run(1000)
    assert run.state.escaped >= 1


def test_a_cap_bounds_every_start():
    problem = sp.problems.Example2(n=500, seed=0)
    optimizer = SimpleCertifiedPGD(problem.curvature, max_radius=0.1)
    _, states = attacked(problem, optimizer, rounds=1)
    assert states[0].escape.radii.max() == 0.1


def test_starts_that_overflow_are_passed_over(drive):
    def quartic(points):
        return np.stack([points[:, 0] ** 3 - points[:, 0], points[:, 1]], axis=1)

    run = drive(SimpleCertifiedPGD(0.5, step=0.3), quartic, [0.0, 0.0])
    now = run.round().escape
    far = np.where(np.arange(6)[:, None] < 2, 1e200, now.descent.trial)
    run.state = replace(run.state, escape=replace(now, descent=replace(now.descent, trial=far)))
    run.run(100)
    # All workers overflow at two points of the batch: nobody is charged, four starts go on.
    assert run.state.escaped == 1
    assert np.linalg.norm(run.point) < 2


def test_the_escape_budget_is_a_status():
    problem = sp.problems.Example2(n=2000, seed=0)
    result, _ = attacked(problem, SimpleCertifiedPGD(problem.curvature, max_escapes=1))
    assert (result.status, result.state.escaped) == ("budget", 1)


def test_a_snapshot_in_mid_escape_goes_on_in_the_same_bytes():
    problem = sp.problems.Example2(n=2000, seed=0)
    optimizer = SimpleCertifiedPGD(problem.curvature, step=1 / problem.smoothness)
    _, states = attacked(problem, optimizer, rounds=20)
    for state in states:
        assert snapshot.dumps(snapshot.loads(snapshot.dumps(state), SimpleState)) == (
            snapshot.dumps(state)
        )


def test_evidence_of_equal_radii_is_the_closed_form():
    assert resolved_curvature(0.1, 4, [0.5] * 3, 0.05) == pytest.approx(
        resolved_curvature(0.1, 4, [0.5, 0.5, 0.5 + 1e-9], 0.05), rel=1e-6
    )


def test_a_failed_escape_that_claims_gamma_is_rare_at_a_saddle_of_that_curvature():
    # Quadratic saddle, adversary that cancels within Delta along the escape direction: a start
    # is stuck iff it falls into the slab.
    d, delta, inexactness = 20, 0.05, 0.1
    radii = np.array([0.5, 0.5, 1.0])
    gamma = resolved_curvature(inexactness, d, list(radii), delta)
    rng = np.random.default_rng(0)
    u = rng.standard_normal((20000, 3, d))
    component = np.abs(u[:, :, 0] / np.linalg.norm(u, axis=2)) * radii
    stuck = (component < inexactness / gamma).all(axis=1).mean()
    assert stuck == pytest.approx(delta, abs=0.01)


@pytest.mark.parametrize(
    "options", [{"curvature": 0.0}, {"kappa": 0.0}, {"kappa": 1.5}, {"delta": 1.0}, {"step": -1.0}]
)
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(OptionError):
        SimpleCertifiedPGD(**({"curvature": 0.1} | options))
