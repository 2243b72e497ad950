"""Theorems 3 and 4 and Proposition 2: the constants do what the proofs say."""

from __future__ import annotations

import math
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof import theory
from saddleproof.schedule import Theorem3, Theorem4, VacuousScheduleWarning


def quiet(make, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VacuousScheduleWarning)
        return make(*args, **options)


# --- Theorems 3 and 4: the constants do what the proofs say ------------------------------------

CONSTANTS = {
    "d": st.integers(1, 10**6),
    "L": st.floats(1e-3, 1e3),
    "rho": st.floats(1e-3, 1e3),
    "log": st.floats(-16, 0),
}


@given(**CONSTANTS)
def test_theorem_3_meets_the_conditions_of_its_lemmas(d, L, rho, log):
    Delta = 10**log
    promise = quiet(theory.theorem3_guarantee, d, Delta, L, rho, excess=1.0)
    r, R, mu = promise.schedule.r, promise.schedule.R, theory.theorem3_width(d, Delta, rho)
    gamma = promise.proved_curvature
    x, y = theory.scales(d, Delta)
    assert gamma == pytest.approx(promise.schedule.curvature)
    printed_T = L / (384 * (math.sqrt(rho) + L) * (x + y))
    constants = {"curvature": gamma, "inexactness": Delta, "smoothness": L}
    failed = theory.width_conditions(mu, r, R, printed_T, hessian_lipschitz=rho, **constants)
    assert all(phrase.startswith("gamma") for phrase in failed)  # gamma <= L, or it is vacuous
    assert bool(failed) == (gamma > L)
    assert theory.stuck_bound(mu, r, d) == pytest.approx(0.5)
    least = theory.theorem3_escape_decrease(d, Delta, L, rho)
    assert theory.escape_decrease(r, R, printed_T, Delta, L) >= least * (1 - 1e-9)
    assert least / printed_T >= theory.walking_decrease(Delta, L)  # (22)
    assert promise.curvature >= min(gamma, L)  # (27)


@given(**CONSTANTS, delta=st.floats(0.001, 0.5))
def test_theorem_3_takes_enough_rounds_for_its_probability(d, L, rho, log, delta):
    schedule = quiet(Theorem3, d, 10**log, L, rho, 1.0, delta)
    if not any(phrase.startswith("Q") for phrase in schedule.vacuous):
        saddles = theory.most_escapes(d, 10**log, L, rho, 1.0)
        assert theory.failure_bound(saddles, schedule.Q) <= delta


def test_observation_1_reads_off_the_exponents_in_delta():
    low, high = (quiet(theory.theorem3_guarantee, 2, x, 1.0, 1.0, 1.0) for x in (1e-60, 1e-50))

    def slope(name):
        return (math.log10(getattr(high, name)) - math.log10(getattr(low, name))) / 10

    assert slope("gradient_norm") == pytest.approx(1)
    assert slope("curvature") == pytest.approx(2 / 5, abs=0.02)  # up to a logarithm
    assert slope("proved_curvature") == pytest.approx(2 / 5, abs=0.02)
    assert slope("iterations") == pytest.approx(-2, abs=0.02)


@given(d=st.integers(1, 1000), L=st.floats(0.1, 10), rho=st.floats(0.1, 10), x=st.floats(1e-9, 0.9))
def test_theorem_4_follows_from_its_lemmas_without_the_rho_in_its_logarithm(d, L, rho, x):
    epsilon, excess, delta = x * min(1 / rho, 4 / (L**2 * rho)), 100.0, 0.05
    promise = quiet(theory.theorem4_guarantee, d, epsilon, L, rho, excess, delta)
    r, R, gamma = promise.schedule.r, promise.schedule.R, promise.proved_curvature
    mu = theory.theorem4_width(d, epsilon, rho, excess, delta)
    T = L / (12 * rho * (R + r))
    assert theory.escape_time(mu, r, R, gamma, L) == pytest.approx(T)
    fallen = (
        theory.escape_decrease(r, R, T, 0.0, L) - epsilon * r
    )  # (53): at w~ the norm is epsilon
    assert fallen >= rho * R**3 * (1 - 1e-9)  # (55)
    assert (
        theory.failure_bound(excess / (rho * R**3), 1, theory.stuck_bound(mu, r, d))
        == (pytest.approx(delta))
        or theory.stuck_bound(mu, r, d) > 1
    )
    log = math.log(8 * math.sqrt(d) * excess / (delta * epsilon**2))
    assert gamma <= 60 * math.sqrt(rho * epsilon) * log
    if rho >= 1:
        assert promise.curvature >= gamma * (1 - 1e-9)


def test_the_printed_logarithm_of_theorem_4_falls_below_its_proof_for_small_rho():
    promise = quiet(theory.theorem4_guarantee, 10, 1e-3, 1.0, 1e-6, 1.0)
    assert promise.curvature < promise.proved_curvature


def test_a_vacuous_guarantee_warns_and_says_why():
    with pytest.warns(VacuousScheduleWarning, match="T_th < 1"):
        assert theory.theorem3_guarantee(10, 0.01, 1.0, 1.0, 1.0).schedule.vacuous


def test_guarantees_carry_the_schedules_they_are_for():
    three = quiet(theory.theorem3_guarantee, 3, 1e-3, 1.0, 1.0, 1.0, 0.1)
    assert three.schedule == quiet(Theorem3, 3, 1e-3, 1.0, 1.0, 1.0, 0.1)
    four = quiet(theory.theorem4_guarantee, 3, 1e-3, 1.0, 1.0, 1.0, 0.1)
    assert four.schedule == quiet(Theorem4, 3, 1e-3, 1.0, 1.0, 1.0, 0.1)


# --- Proposition 2: the iterates stay near ----------------------------------------------------


def test_proposition_2_a_stalled_walk_down_a_long_slope_stays_in_the_ball():
    Delta, L, rho, excess = 1e-3, 1.0, 1.0, 1.0
    slope = 4 * Delta  # the adversary leaves just over 3 Delta of it
    w, fallen = 0.0, 0.0
    while fallen < excess:
        w += 3.001 * Delta / L
        fallen += slope * 3.001 * Delta / L
    radius = theory.iterate_radius(1, Delta, L, rho, excess)
    assert radius / 50 < w <= radius


def test_proposition_2_the_radius_grows_like_one_over_delta():
    low, high = (theory.iterate_radius(5, x, 1.0, 1.0, 1.0) for x in (1e-30, 1e-28))
    assert low / high == pytest.approx(100, rel=1e-3)
