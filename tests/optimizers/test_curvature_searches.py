"""Neon, Neon2 and the accelerated search against their own theory, with exact gradients."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial.chebyshev import chebval

import saddleproof as sp
from saddleproof.errors import OptionError
from saddleproof.optimizers.baselines.accelerated_curvature import AcceleratedCurvature
from saddleproof.optimizers.baselines.neon import Neon
from saddleproof.optimizers.baselines.neon2 import Neon2

D = 100


def spectrum(lowest):
    return np.append(lowest, np.linspace(0.0, 1.0, D - 1))


def search(drive, optimizer, eigenvalues, seed):
    """(rounds of search, unit direction or None, Rayleigh quotient) from the saddle itself."""
    run = drive(optimizer, lambda x: eigenvalues * x, [0.0] * len(eigenvalues), seed=seed)
    run.round()
    t = 0
    while not (run.state.leaps or run.state.search.failed):
        run.round()
        t += 1
    leap = run.state.w
    length = np.linalg.norm(leap)
    if not run.state.leaps:
        return t, None, None
    return t, leap / length, float(eigenvalues @ (leap / length) ** 2)


def neon(curvature):
    return Neon(1.0, curvature=curvature, epsilon=1e-9)


def neon2(curvature):
    return Neon2(1.0, curvature=curvature, epsilon=1e-9)


def accelerated(curvature):
    return AcceleratedCurvature(0.25, curvature=curvature, epsilon=1e-9)


# --- iteration counts and curvature on quadratics -------------------------------------------------


@pytest.mark.parametrize(("gamma", "expected"), [(0.1, 98), (0.02, 471)])
def test_neon_is_the_power_method(drive, gamma, expected):
    found = [search(drive, neon(gamma), spectrum(-gamma), seed) for seed in range(5)]
    counts = [t for t, _, _ in found]
    # |u| = 1000 |u_0| from a component of about 1/sqrt(d): log(1000 sqrt(d)) / log(1 + gamma).
    assert np.log(1000 * np.sqrt(D)) / np.log1p(gamma) == pytest.approx(expected, rel=0.05)
    assert np.median(counts) == pytest.approx(expected, rel=0.15)
    assert max(counts) <= neon(gamma).patience(D) + 1
    assert all(rayleigh <= -gamma + 1e-6 for _, _, rayleigh in found)


@pytest.mark.parametrize("gamma", [0.1, 0.02])
def test_neon2_finds_half_of_the_curvature_within_its_patience(drive, gamma):
    found = [search(drive, neon2(gamma), spectrum(-gamma), seed) for seed in range(20)]
    assert sum(v is not None for _, v, _ in found) >= 19  # p = .05
    assert max(t for t, _, _ in found) <= neon2(gamma).patience(D)
    assert all(rayleigh <= -gamma / 2 for _, v, rayleigh in found if v is not None)


def test_neon2_needs_the_square_root_of_neons_rounds(drive):
    def rounds(make, gamma):
        return np.median([search(drive, make(gamma), spectrum(-gamma), s)[0] for s in range(3)])

    slow, fast = (rounds(make, 0.01) / rounds(make, 0.1) for make in (neon, neon2))
    assert slow == pytest.approx(10, rel=0.2)
    assert fast == pytest.approx(np.sqrt(10), rel=0.25)


@pytest.mark.parametrize("gamma", [0.1, 0.02])
def test_the_accelerated_search_finds_a_quarter_of_the_curvature(drive, gamma):
    found = [search(drive, accelerated(gamma), spectrum(-gamma), seed) for seed in range(20)]
    assert all(rayleigh <= -gamma / 4 for _, _, rayleigh in found)
    assert all(abs(rayleigh + gamma) < 1e-3 * gamma for _, _, rayleigh in found)
    assert {t for t, _, _ in found} == {accelerated(gamma).patience(D) + 1}


@pytest.mark.parametrize("make", [neon, neon2, accelerated])
def test_a_bowl_has_no_negative_curvature_to_find(drive, make):
    for seed in range(10):
        t, v, _ = search(drive, make(0.1), spectrum(0.0), seed)
        assert v is None
        assert t >= make(0.1).patience(D) - 1


def test_half_of_the_curvature_is_no_false_positive_for_neon2(drive):
    found = [search(drive, neon2(0.1), spectrum(-0.05), seed) for seed in range(20)]
    assert all(v is None for _, v, _ in found)


# --- the recurrences ----------------------------------------------------------------------------


def test_the_recurrence_of_neon2_is_chebyshevs(drive):
    optimizer, eigenvalues = neon2(0.1), spectrum(-0.1)
    run = drive(optimizer, lambda x: eigenvalues * x, [0.0] * D)
    run.round()
    xi = run.state.search.y
    M = 1 - 0.75 * 0.1 - eigenvalues  # eigenvalues of the linear map M, L = 1
    for t in range(1, 25):
        before = run.state.search
        after = run.round().search
        assert before.t == t
        s = (after.y - before.last) / 2  # y_(t+1) - M(y_t) with M(y_t) = (y_(t+1) + y_(t-1))/2
        expected = chebval(M, np.eye(t + 1)[t]) * xi
        np.testing.assert_allclose(s, expected, atol=1e-12 * np.abs(expected).max())


def test_the_accelerated_pair_keeps_one_scale(drive):
    optimizer, eigenvalues = accelerated(0.1), spectrum(-0.1)
    run = drive(optimizer, lambda x: eigenvalues * x, [0.0] * D)
    run.round()
    x = y = run.state.search.y
    for _ in range(20):
        after = run.round().search
        ahead = y - 0.25 * eigenvalues * y
        theta = 0.25 / np.sqrt(10)  # L = 1, kappa = 10
        x, y = ahead, ahead + (1 - theta) * (ahead - x)
        # Up to its length the pair is that of the recurrence without any rescaling.
        scale = np.linalg.norm(after.last) / np.linalg.norm(x)
        assert np.linalg.norm(after.last) == pytest.approx(optimizer.radius)
        np.testing.assert_allclose(after.last, scale * x, atol=1e-9 * optimizer.radius)
        np.testing.assert_allclose(after.y, scale * y, atol=1e-9 * optimizer.radius)


def test_with_c_equal_to_32_the_patience_is_that_of_equation_7():
    # "Faster gradient-free methods for escaping saddle points", L = 1/(4 step).
    L, gamma, delta = 2.0, 0.05, 0.1
    one = AcceleratedCurvature(1 / (4 * L), curvature=gamma, delta=delta, c=32.0)
    assert one.patience(D) == np.ceil(
        32 * np.sqrt(L / gamma) * np.log(L * np.sqrt(D) / (delta * gamma))
    )


# --- leaps --------------------------------------------------------------------------------------

CURVES = np.array([-1.0, 0.5, 1.0, 2.0])


def cubic(x):
    """grad of x'Ax/2 + |x|^3/6, rho = 1, lambda_min(0) = -1."""
    return CURVES * x + np.linalg.norm(x, axis=1, keepdims=True) * x / 2


def loss(x):
    return float(CURVES @ x**2 / 2 + np.linalg.norm(x) ** 3 / 6)


def leap_from(drive, optimizer, w, seed=0):
    run = drive(optimizer, cubic, list(w), seed=seed)
    while not run.state.leaps:
        run.round()
    return run.point


@pytest.mark.parametrize(
    ("make", "drop"),
    [
        (lambda: Neon(0.25, curvature=0.8, epsilon=0.2), 0.85**3 / 3),  # a > .85 for |w| < .15
        (lambda: AcceleratedCurvature(1 / 16, curvature=0.8, epsilon=0.2), 0.8**3 / 384),
    ],
)
def test_a_leap_down_the_gradient_lowers_the_loss_by_taylor(drive, make, drop):
    for seed in range(10):
        # So far down one side that a leap to the other would break the bound.
        w = 0.1 * CURVES * (CURVES < 0) * (-1) ** seed
        assert loss(w) - loss(leap_from(drive, make(), w, seed)) >= drop


def test_a_leap_of_neon2_lowers_the_loss_in_the_mean_of_its_two_sides(drive):
    delta = 0.8
    optimizer = Neon2(0.25, curvature=delta, epsilon=0.01)
    sides = set()
    for seed in range(10):
        w = 0.002 * np.random.default_rng(seed).standard_normal(4)
        end = leap_from(drive, optimizer, w, seed)
        assert np.linalg.norm(end - w) == pytest.approx(delta)
        sides.add(bool(end[0] > w[0]))
        assert loss(w) - (loss(end) + loss(2 * w - end)) / 2 >= delta**3 / 12
    assert sides == {True, False}


@pytest.mark.parametrize("make", [neon, neon2, accelerated])
def test_the_whole_run_ends_at_a_minimum(drive, make):
    # -w_1^2/2 + w_1^4/4 + w_2^2/2 within |w| <= 1.2: L = 3.3.
    def quartic(x):
        return np.stack([x[:, 0] ** 3 - x[:, 0], x[:, 1]], axis=1) / 3.3

    options = {"curvature": 0.1, "epsilon": 1e-4, "hessian_lipschitz": 6 / 3.3}
    optimizer = type(make(0.1))(make(0.1).step, **options)
    run = drive(optimizer, quartic, [0.0, 0.1])
    run.run(3000)
    assert run.status == "no_escape_found"
    assert np.allclose(np.abs(run.point), [1.0, 0.0], atol=1e-2)
    # Exact gradients: what the search was asked for is what its failure speaks against.
    assert optimizer.evidence(run.state).curvature_bound >= 0.1


# --- under attack -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Neon, Neon2, AcceleratedCurvature])
def test_liars_blind_a_search_on_aggregates_but_not_the_certificate(kind):
    problem = sp.problems.Example2(n=2000, seed=0)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), range(6))
    optimizer = kind(0.2, curvature=0.25, hessian_lipschitz=3.0)
    run = sp.minimize(fleet, optimizer, b=6, w0=problem.start, seed=0, max_rounds=300)
    assert not problem.left_saddle(run.w)
    assert optimizer.status(run.state).name == "no_escape_found"
    assert optimizer.evidence(run.state).curvature_bound > 10 * problem.gamma
    assert run.status == "saddle"  # the workers' own answers prove it


@pytest.mark.parametrize("kind", [Neon, Neon2, AcceleratedCurvature])
def test_liars_cannot_touch_differences_of_workers_that_share_a_hessian(kind):
    problem = sp.problems.Example2(n=2000, seed=0)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), range(6))
    options = {"curvature": 0.25, "hessian_lipschitz": 3.0, "differences": "workers"}
    directions = []

    def watch(progress):
        directions.append(progress.state.leaps)

    optimizer = kind(0.2, **options)
    sp.minimize(fleet, optimizer, b=6, w0=problem.start, seed=0, max_rounds=150, callback=watch)
    assert directions[-1] > 0


@pytest.mark.parametrize(
    "options",
    [{"step": 0.0}, {"curvature": -1.0}, {"delta": 1.0}, {"differences": "messages"}],
)
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(OptionError):
        Neon2(**{"step": 1.0, **options})
