"""Small perturbations: enough for exact gradients, not against a coalition."""

from __future__ import annotations

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.errors import OptionError
from saddleproof.optimizers.pgd import PGD, PGDState
from saddleproof.storage import snapshot


def quartic(points):
    """grad of -w_1^2/2 + w_1^4/4 + w_2^2/2: a saddle at 0, minima at (+-1, 0)."""
    return np.stack([points[:, 0] ** 3 - points[:, 0], points[:, 1]], axis=1)


@pytest.mark.parametrize("step", [None, 0.3])
def test_exact_gradients_are_enough_to_leave_a_saddle(drive, step):
    run = drive(PGD(step=step), quartic, [0.0, 0.0])
    run.run(600)
    assert np.allclose(np.abs(run.point), [1.0, 0.0], atol=1e-2)


def test_the_perturbation_has_the_length_that_was_asked_for(drive):
    run = drive(PGD(radius=0.02, step=0.1), quartic, [0.0, 0.0])
    run.round()
    assert np.linalg.norm(run.state.trial.origin) == pytest.approx(0.02)


def test_a_failed_perturbation_returns_the_unperturbed_point(drive):
    run = drive(PGD(horizon=30, step=0.5), lambda w: w, [0.0, 0.0])
    rounds = run.run(600)
    assert run.status == "no_escape_found"
    assert rounds == 1 + 1 + 30  # the point, its perturbed start, 30 steps
    assert np.array_equal(run.point, [0.0, 0.0])


def test_having_walked_the_distance_it_goes_on_without_a_verdict(drive):
    run = drive(PGD(radius=0.01, distance=0.1, step=0.5), quartic, [0.0, 0.0])
    run.round()
    while run.state.trial is not None:
        run.round()
    assert run.status == "running"
    assert np.linalg.norm(run.point) >= 0.09


def test_evidence_of_a_small_perturbation_resolves_little():
    problem = sp.problems.Example2(n=2000, seed=1)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), range(6))
    optimizer = PGD(step=1 / problem.smoothness)
    result = sp.minimize(fleet, optimizer, b=6, seed=1, max_rounds=300, certify=False)
    assert result.status == "no_escape_found"
    assert not problem.left_saddle(result.w)
    # It cannot tell a saddle from a minimum, and its evidence says so.
    assert optimizer.evidence(result.state).curvature_bound > 10 * problem.gamma


def test_a_snapshot_in_mid_trial_goes_on_in_the_same_bytes(drive):
    run, twin = (drive(PGD(), quartic, [0.0, 0.0], seed=3) for _ in range(2))
    for _ in range(20):
        run.round()
        twin.state = snapshot.loads(snapshot.dumps(twin.round()), PGDState)
    assert snapshot.dumps(run.state) == snapshot.dumps(twin.state)


def test_a_distance_below_the_radius_is_refused():
    with pytest.raises(OptionError, match="exceed radius"):
        PGD(radius=0.1, distance=0.1)
