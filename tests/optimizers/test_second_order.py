"""Optimizers that see Hessians: CubicNewton and RobustSecondOrder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof.curvature.stencils import around, hessian
from saddleproof.errors import OptionError
from saddleproof.optimizers.baselines.cubic_newton import CubicNewton, cubic_step
from saddleproof.optimizers.baselines.robust_second_order import ADMITTED, RobustSecondOrder

CURVES = np.array([-1.0, 0.5, 1.0])


def gradient(x):
    """grad of x'Ax/2 + |x|^3/6: rho = 1, minima at |x_1| = 2."""
    return CURVES * x + np.linalg.norm(x, axis=1, keepdims=True) * x / 2


def loss(x):
    return float(CURVES @ x**2 / 2 + np.linalg.norm(x) ** 3 / 6)


def model(g, H, M, s):
    return g @ s + s @ H @ s / 2 + M / 6 * np.linalg.norm(s) ** 3


# --- the cubic model ----------------------------------------------------------------------------


@given(
    seed=st.integers(0, 10**6),
    d=st.integers(1, 6),
    M=st.floats(1e-2, 1e2),
    scale=st.sampled_from([1e-6, 1e-2, 1.0, 1e3]),
)
def test_a_cubic_step_meets_the_conditions_of_a_global_minimum(seed, d, M, scale):
    rng = np.random.default_rng(seed)
    g, H = scale * rng.standard_normal(d), rng.standard_normal((d, d))
    H = H + H.T
    s = cubic_step(g, H, M)
    length = np.linalg.norm(s)
    shifted = H + M * length / 2 * np.eye(d)
    size = 1 + np.abs(shifted).max()
    np.testing.assert_allclose(shifted @ s, -g, atol=1e-7 * size * max(length, 1e-6))
    assert np.linalg.eigvalsh(shifted)[0] >= -1e-9 * size
    assert model(g, H, M, s) <= -M / 12 * length**3 * (1 - 1e-6) + 1e-12


def test_a_vanishing_gradient_still_leaves_a_saddle():
    H = np.diag([2.0, -3.0])
    s = cubic_step(np.zeros(2), H, 1.5)
    assert np.allclose(s, [0.0, 4.0])  # 2 * 3 / 1.5, to the positive side
    assert np.allclose(cubic_step(np.array([0.0, 1e-9]), H, 1.5), [0.0, -4.0])


def test_the_hard_case_fills_the_length_along_the_lowest_eigenvector():
    g, H, M = np.array([1.0, 0.0]), np.diag([2.0, -1.0]), 1.0
    s = cubic_step(g, H, M)
    assert np.linalg.norm(s) == pytest.approx(2.0)  # -2 lambda_min / M
    assert s[0] == pytest.approx(-1 / 3)  # -(H + M R/2)^-1 g
    grid = np.stack(np.meshgrid(*[np.linspace(-4, 4, 81)] * 2), axis=-1).reshape(-1, 2)
    assert model(g, H, M, s) <= min(model(g, H, M, one) for one in grid) + 1e-9


def test_what_is_not_finite_gives_no_step():
    assert np.isnan(cubic_step(np.array([np.inf]), np.eye(1), 1.0)).all()


def test_a_stencil_gives_the_hessian_of_a_smooth_function():
    w = np.array([0.3, -0.2, 0.9])
    length = np.linalg.norm(w)
    exact = np.diag(CURVES) + length / 2 * np.eye(3) + np.outer(w, w) / (2 * length)
    np.testing.assert_allclose(hessian(gradient(around(w)), around(w)), exact, atol=1e-8)


# --- CubicNewton --------------------------------------------------------------------------------


def test_cubic_newton_lowers_the_loss_by_its_model(drive):
    # M >= rho: F(w + s) <= F(w) + model(s) <= F(w) - (M/12)|s|^3.
    run = drive(CubicNewton(cubic=1.0), gradient, [0.01, 1.0, -1.0])
    for _ in range(15):
        before = run.point
        after = run.round().w
        drop = 1 / 12 * np.linalg.norm(after - before) ** 3
        assert loss(before) - loss(after) >= drop - 1e-10


def test_cubic_newton_leaves_an_exact_saddle_without_noise(drive):
    run = drive(CubicNewton(cubic=2.0, tolerance=1e-6), gradient, [0.0, 0.0, 0.0])
    assert run.run(50) < 50
    assert run.status == "stationary"
    assert np.allclose(run.point, [2.0, 0.0, 0.0], atol=1e-5)


def test_a_liars_step_is_one_more_row_for_the_rule():
    problem = sp.problems.Example2(seed=0)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.attacks.Gaussian(scale=1e3), range(6))
    run = sp.minimize(fleet, CubicNewton(cubic=3.0), b=6, w0=np.array([0.7, 0.2]), max_rounds=30)
    assert np.linalg.norm(np.abs(run.w) - [1.0, 0.0]) < 0.1  # one of the two minima


# --- RobustSecondOrder --------------------------------------------------------------------------


def test_a_leap_lowers_the_loss_in_the_mean_of_its_two_sides(drive):
    sides = set()
    for seed in range(10):
        run = drive(RobustSecondOrder(0.2, epsilon=0.01, curvature=0.1), gradient, [1e-3] * 3, seed)
        run.round()
        w = run.point
        end = run.round().w
        lowest = abs(np.linalg.eigvalsh(_hessian(w))[0])
        assert np.linalg.norm(end - w) == pytest.approx(2 * lowest, rel=1e-6)
        drop = loss(w) - (loss(end) + loss(2 * w - end)) / 2
        assert drop >= 2 / 3 * lowest**3 * (1 - 1e-6)
        sides.add(bool(end[0] > 0))
    assert sides == {True, False}


def _hessian(w):
    return hessian(gradient(around(w)), around(w))


def test_a_hessian_at_the_admitted_error_still_leads_down_in_the_mean(drive):
    # H~ reads -h where v'Hv = -(1 - 1/4.5) h: at least (2/9) h^3/rho^2 is left of the decrease.
    h, rho = 0.6, 1.0
    run = drive(RobustSecondOrder(0.2, rho, epsilon=0.01, curvature=0.1), lambda x: -h * x, [0.0])
    run.round()
    s = abs(run.round().w[0])
    taylor = -(1 - 1 / ADMITTED) * h * s**2 / 2 + rho * s**3 / 6
    assert -taylor == pytest.approx(2 / 9 * h**3 / rho**2)


def test_it_ends_at_a_minimum_and_says_what_the_hessian_was(drive):
    run = drive(RobustSecondOrder(0.2, epsilon=1e-3, curvature=0.1), gradient, [0.0] * 3)
    run.run(200)
    assert run.status == "no_escape_found"
    assert np.allclose(np.abs(run.point), [2.0, 0.0, 0.0], atol=2e-3)
    assert run.state.lowest == pytest.approx(1.0, abs=0.01)  # -1 + |x|/2 + |x|/2


def test_curvature_below_the_tolerance_is_left_alone(drive):
    run = drive(RobustSecondOrder(0.2, epsilon=1e-3, curvature=1.5), gradient, [0.0] * 3)
    assert run.run(10) == 2
    assert np.array_equal(run.point, [0.0] * 3)


def test_an_overflow_next_to_the_point_is_a_status(drive):
    def cliff(x):
        return np.where(x > 0, np.nan, 0.0)

    run = drive(RobustSecondOrder(0.2, epsilon=1e-3, curvature=0.1), cliff, [0.0] * 3)
    assert run.run(10) == 2
    assert run.status == "unresolved"


def test_a_rule_that_knows_no_inexactness_needs_a_curvature():
    optimizer = RobustSecondOrder(0.5, epsilon=1.0)
    with pytest.raises(OptionError, match="give curvature"):
        sp.minimize(sp.problems.Example2(seed=0), optimizer, b=8)  # b >= m/3


@pytest.mark.parametrize("style", ["push", "hold", "cancel"])
def test_liars_do_not_hold_it_at_a_saddle(style):
    for seed in range(3):
        problem = sp.problems.Example2(n=2000, seed=seed)
        attack = sp.SaddleAttack(style=style)
        fleet = sp.Coalition(sp.LocalFleet(problem), attack, range(6))
        optimizer = RobustSecondOrder(1 / problem.smoothness, hessian_lipschitz=3.0)
        run = sp.minimize(fleet, optimizer, b=6, w0=problem.start, seed=seed, max_rounds=100)
        assert problem.left_saddle(run.w)
        assert optimizer.status(run.state).name == "no_escape_found"
        assert run.certificate.curvature.low > 0  # it proves nothing itself, the workers do


@pytest.mark.parametrize("options", [{"cubic": 0.0}, {"step": -1.0}, {"tolerance": 0.0}])
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(OptionError, match="positive"):
        CubicNewton(**options)
