"""What is known in closed form about the members beside the suite."""

from __future__ import annotations

import math

import numpy as np
import pytest

import saddleproof as sp
from saddleproof import theory
from saddleproof.optimizers.table import OPTIMIZERS
from saddleproof.problems import (
    Logistic,
    LowerBound,
    MatrixFactorization,
    RobustRegression,
    TwoLayer,
)
from saddleproof.questions import Gradients
from saddleproof.schedule import Schedule

DELTA = 0.1


@pytest.mark.parametrize(("column", "bend"), [("third", 0.4), ("zero", 0.8)])
def test_a_factorization_with_a_wrong_column_bends_down_by_the_gap_of_the_eigenvalues(column, bend):
    problem = MatrixFactorization(seed=0, n=200_000 // 20, column=column)
    lowest = np.linalg.eigvalsh(problem.hessian(problem.saddle))[0]
    assert lowest == pytest.approx(-bend, abs=0.05)
    left = 0.4**2 + 5 * 0.1**2  # what two columns of rank leave of |Sigma|^2
    assert problem.value(problem.minimum) == pytest.approx(left / 4, abs=0.01)


def test_only_the_column_of_zeros_leaves_liars_nothing_to_hide_behind():
    for column, hidden in (("third", True), ("zero", False)):
        problem = MatrixFactorization(seed=0, column=column)
        told = problem.gradients(problem.saddle[None])[0] @ problem.escape_direction
        assert (np.abs(told).max() > 1e-3) == hidden


def test_a_network_without_weights_bends_by_what_its_inputs_say_of_the_labels():
    problem = TwoLayer(seed=0)
    steepest = np.linalg.norm((problem.x * problem.y[..., None]).mean(axis=(0, 1)))
    lowest = np.linalg.eigvalsh(problem.hessian(problem.saddle))[:4]
    np.testing.assert_allclose(lowest, problem.decay - steepest)  # one for each hidden unit
    assert not problem.gradients(problem.saddle[None]).any()


def test_robust_regression_finds_its_planted_vector_although_a_tenth_is_spoilt():
    problem = RobustRegression(seed=0)
    assert np.linalg.norm(problem.minimum - problem.planted) < 0.05
    assert problem.saddle is None
    assert (problem.excess(problem.start), problem.excess(problem.minimum)) == (1, 0)


def test_logistic_regression_separates_the_tumours_from_zero():
    problem = Logistic(seed=0)
    assert problem.value(problem.start) == pytest.approx(math.log(2))
    right = (problem.yx.reshape(-1, 30) @ problem.minimum > 0).mean()
    assert right > 0.95


def test_the_lower_bound_is_the_papers_function():
    problem = LowerBound(seed=1, inexactness=DELTA)
    f = theory.HardFunction(DELTA, problem.phase)
    for w in np.linspace(-3, 3, 7):
        point = np.array([w])
        assert problem.value(point) == pytest.approx(f.value(w))
        assert problem.gradient(point)[0] == pytest.approx(f.gradient(w))
        assert problem.hessian(point)[0, 0] == pytest.approx(f.hessian(w))


def answer(optimizer, seed):
    """What an optimizer returns when a Delta-inexact oracle says 0 to everything."""
    problem = LowerBound(seed=seed, inexactness=DELTA)
    oracle = sp.attacks.InexactOracle(delta=DELTA)
    fleet = sp.Coalition(sp.LocalFleet(problem), oracle, members=range(problem.m))
    told = sp.minimize(
        fleet, optimizer, b=6, w0=np.array([0.3]), seed=0, max_rounds=20, certify=False
    )
    return told.w


TOLD = {"curvature": 0.1, "hessian_lipschitz": 1.0}
IMPOSSIBLE = {
    "accelerated_curvature": {"step": 0.5, **TOLD},
    "byzantine_pgd": {"schedule": Schedule(0.5, 0.3, 0.2, 0.4, 3, 5)},
    "cubic_newton": {"cubic": 1.0},
    "gauss_psgd": {"step": 0.5},
    "gradient_descent": {"step": 0.5},
    "gradient_only_pgd": {},
    "hessian_pgd": {},
    "neon": {"step": 0.5, **TOLD},
    "neon2": {"step": 0.5, **TOLD},
    "pgd": {"step": 0.5},
    "projected_sgd": {"step": 0.5, "diameter": 1.0},
    "robust_second_order": {"step": 0.5, "hessian_lipschitz": 1.0},
    "simplified_pgd": {"step": 0.5, "radius": 0.01},
}


def test_the_list_of_those_that_look_at_gradients_alone_is_complete():
    alone = {name for name, made in OPTIMIZERS.items() if made.questions == (Gradients,)}
    losses = {name for name, made in OPTIMIZERS.items() if made.needs_values}
    assert set(IMPOSSIBLE) == alone - losses, "each needs its options in IMPOSSIBLE, above"


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_no_optimizer_does_what_proposition_1_says_that_none_can(name):
    optimizer = OPTIMIZERS[name](**IMPOSSIBLE[name])
    one, other = answer(optimizer, 1), answer(optimizer, 2)
    np.testing.assert_array_equal(one, other)  # the phase is nowhere in what it was told
    worst = theory.hardest(float(one[0]), DELTA)
    gradient, curvature = theory.second_order_floor(DELTA)
    assert abs(worst.gradient(float(one[0]))) > gradient
    assert worst.hessian(float(one[0])) < -curvature


def test_six_liars_of_twenty_are_such_an_oracle_for_who_looks_at_aggregates_only():
    problem = LowerBound(seed=0)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(style="hold"), members=range(6))
    seen = sp.minimize(fleet, sp.GradientDescent(step=1.0), b=6, w0=problem.start, max_rounds=5)
    assert max(record.gradient_norm for record in seen.trace) < 1e-12
    np.testing.assert_allclose(seen.w, problem.start, atol=1e-12)


def held(optimizer):
    problem = LowerBound(seed=0)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(style="hold"), members=range(6))
    ended = sp.minimize(fleet, optimizer, b=6, w0=problem.start, seed=0, max_rounds=30)
    return problem.left_saddle(ended.w), ended


def test_the_default_for_gradients_alone_is_held_there_too_and_claims_nothing():
    left, ended = held(sp.GradientOnlyPGD())
    assert not left
    assert (ended.status, ended.success) == ("unresolved", False)
    assert ended.certificate.level == "saddle"  # the certificate may ask more than the optimizer


@pytest.mark.parametrize("optimizer", [sp.optimizers.HessianPGD(), sp.CertifiedPGD()])
def test_curvature_inside_each_worker_is_outside_the_proposition_and_leaves(optimizer):
    left, ended = held(optimizer)
    assert left
    assert ended.certificate.certified
    assert (ended.status, ended.success) == ("second_order", True)
