"""Each statement of the paper against a simulation that would refute it if it were false."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof import theory
from saddleproof.cli import main
from saddleproof.errors import OptionError
from saddleproof.optimizers.randomness import ball
from saddleproof.schedule import Theorem3, Theorem4, VacuousScheduleWarning

DRAWS = 100_000


def norms(x):
    return np.linalg.norm(x, axis=-1)


def quiet(make, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VacuousScheduleWarning)
        return make(*args, **options)


def within(measured, expected, draws=DRAWS, errors=4.0):
    """Whether a share of `draws` agrees with its probability."""
    return abs(measured - expected) <= errors * math.sqrt(max(expected * (1 - expected), 0) / draws)


class Wavy:
    """w' H w / 2 + a sum_k cos(<c_k, w>): random, with L and rho known from above."""

    def __init__(self, rng, d, waves=3, hessian=None):
        A = rng.standard_normal((d, d))
        self.H = (A + A.T) / 2 if hessian is None else hessian
        self.C = rng.standard_normal((waves, d))
        self.a = 0.1
        lengths = norms(self.C)
        self.L = np.abs(np.linalg.eigvalsh(self.H)).max() + self.a * (lengths**2).sum()
        self.rho = self.a * (lengths**3).sum()

    def value(self, w):
        return ((w @ self.H) * w).sum(-1) / 2 + self.a * np.cos(w @ self.C.T).sum(-1)

    def gradient(self, w):
        return w @ self.H - self.a * np.sin(w @ self.C.T) @ self.C


def errors(rng, g, Delta):
    """What a Delta-inexact oracle may add: along the gradient, against it, anywhere."""
    unit = rng.standard_normal(g.shape)
    unit /= norms(unit)[..., None]
    along = g / norms(g)[..., None]
    return Delta * np.stack([along, -along, unit, 0.3 * unit])


# --- Lemmas 1 and 4, equation (5) -------------------------------------------------------------


@given(seed=st.integers(0, 10**6), d=st.integers(1, 8), log=st.floats(-3, 1))
def test_lemma_1_no_error_of_size_delta_undoes_the_descent(seed, d, log):
    rng = np.random.default_rng(seed)
    F, Delta = Wavy(rng, d), 10**log
    w = 3 * rng.standard_normal((20, d))
    g = F.gradient(w)
    fallen = F.value(w) - F.value(w - (g + errors(rng, g, Delta)) / F.L)
    promised = [theory.descent_decrease(x, Delta, F.L) for x in norms(g)]
    assert (fallen >= np.array(promised) - 1e-9 * (1 + np.abs(F.value(w)))).all()


def test_lemma_1_holds_with_equality_on_the_steepest_bowl():
    rng, L, Delta = np.random.default_rng(0), 2.0, 0.3
    w = rng.standard_normal((50, 4))
    moved = w - (L * w + errors(rng, w, Delta)[:3]) / L
    fallen = L / 2 * ((w**2).sum(-1) - (moved**2).sum(-1))
    promised = [theory.descent_decrease(x, Delta, L) for x in norms(L * w)]
    np.testing.assert_allclose(fallen, np.broadcast_to(promised, fallen.shape))


@given(seed=st.integers(0, 10**6), Delta=st.floats(1e-3, 1))
def test_equation_5_walking_lowers_f_whenever_the_aggregate_is_large(seed, Delta):
    rng = np.random.default_rng(seed)
    F = Wavy(rng, 3)
    w = rng.standard_normal((50, 3))
    seen = F.gradient(w) + errors(rng, F.gradient(w), Delta)
    fallen = F.value(w) - F.value(w - seen / F.L)
    least = theory.walking_decrease(Delta, F.L)
    assert (fallen[norms(seen) > 3 * Delta] >= least * (1 - 1e-6) - 1e-12).all()


def test_lemma_4_an_escape_lowers_f_by_what_the_distance_says():
    rng, seen = np.random.default_rng(1), 0
    for _ in range(100):
        d, Delta, r, R = 4, 10 ** rng.uniform(-4, -2), 1e-2, 0.5
        A = rng.standard_normal((d, d))
        F = Wavy(rng, d, hessian=(A + A.T) / 2 - np.eye(d))
        g0 = F.gradient(np.zeros(d))  # a saddle up to 4 Delta, which an aggregate of 3 Delta allows
        tilt = 4 * Delta * g0 / max(norms(g0), 1e-300) - g0
        start = w = r * ball(rng, 1, d)[0]
        for t in range(1, 60):
            g = F.gradient(w) + tilt
            w = w - (g + errors(rng, g, Delta)[rng.integers(3)]) / F.L
            if norms(w - start) >= R:
                fallen = F.value(np.zeros(d)) - F.value(w) - tilt @ w
                assert fallen >= theory.escape_decrease(r, R, t, Delta, F.L) - 1e-12
                seen += theory.escape_decrease(r, R, t, Delta, F.L) > 0
                break
    assert seen > 20  # the bound said something, many times


@given(Delta=st.floats(0.01, 1), r=st.floats(0, 10), at=st.floats(-4, 4), push=st.floats(-1, 1))
def test_lemma_4_holds_in_the_steepest_bowl(Delta, r, at, push):
    saddle, start, end = at * Delta, at * Delta + r, -push * Delta  # one step in w^2 / 2
    fallen = (saddle**2 - end**2) / 2
    R = abs(end - start)
    if R > 0:
        assert theory.escape_decrease(r, R, 1, Delta, 1.0) <= fallen + 1e-9


def test_lemma_4_holds_with_equality_where_the_error_doubles_the_step():
    Delta = 0.3  # from w = Delta to -Delta in the bowl w^2 / 2
    assert theory.escape_decrease(0.0, 2 * Delta, 1, Delta, 1.0) == pytest.approx(0)


# --- Lemmas 2 and 3: the stuck region ---------------------------------------------------------


def escapes(gradient, starts, R, T, Delta, step):
    """Which starts leave their R-ball in T steps, although the adversary pulls w_1 home to 0."""
    w, left = starts.copy(), np.zeros(len(starts), bool)
    for _ in range(T):
        seen = gradient(w)
        seen[:, 0] = np.clip(w[:, 0] / step, seen[:, 0] - Delta, seen[:, 0] + Delta)
        w = w - step * seen
        left |= norms(w - starts) >= R
    return left


def lemma_2_case(d, Delta=1e-4, gamma=0.5, r=1.0, R=1.0):
    """mu and rho that meet (9) and (10) with equality."""
    mu = 0.1
    for _ in range(100):
        mu = 24 * Delta / gamma * math.log(2 * (R + r) / mu) / math.log(9 / 4)
    rho = Delta / (mu * (R + r)) * (1 - 1e-9)
    mu *= 1 + 1e-6
    T = math.ceil(theory.escape_time(mu, r, R, gamma, 1.0))
    constants = {
        "curvature": gamma,
        "inexactness": Delta,
        "smoothness": 1.0,
        "hessian_lipschitz": rho,
    }
    assert theory.width_conditions(mu, r, R, T, **constants) == ()
    return Delta, gamma, r, R, mu, rho, T


def test_lemma_2_two_starts_a_width_apart_are_not_both_held():
    Delta, gamma, r, R, mu, rho, T = lemma_2_case(3)
    rng = np.random.default_rng(2)
    tensor = rng.standard_normal(3)  # rho/6 sum_k u_k^3 along an orthonormal frame: rho-Lipschitz
    frame = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    H = np.diag([-gamma, 0.9 - rho * 3 * (R + r), gamma / 3])

    def gradient(w):
        return w @ H + rho / 2 * ((w @ frame) ** 2 * np.sign(tensor)) @ frame.T

    def held(starts):
        return ~escapes(gradient, starts, R, T, Delta, 1.0)

    e, s = np.array([1.0, 0, 0]), Delta / gamma
    u = 0.6 * r * ball(rng, 4000, 3) * (1 - e) + rng.uniform(-9 * s, 9 * s, 4000)[:, None] * e
    assert (held(u) & held(u + s * e)).any()  # the adversary is no weakling: closer pairs it holds
    for below in (u, u - mu * e):
        assert not (held(below) & held(below + mu * e)).any()


@pytest.mark.parametrize("d", [1, 2, 10])
def test_lemma_3_bounds_the_stuck_share_of_a_quadratic_saddle(d):
    Delta, gamma, r, R, mu, _, T = lemma_2_case(d, Delta=1e-3 / d)
    H = np.eye(d)
    H[0, 0] = -gamma
    starts = r * ball(np.random.default_rng(3), 20_000, d)
    stuck = 1 - escapes(lambda w: w @ H, starts, R, T, Delta, 1.0).mean()
    slack = 4 * math.sqrt(stuck / 20_000)
    assert 0 < stuck <= theory.stuck_volume_bound(mu, r, d) / 2 + slack
    assert theory.stuck_volume_bound(mu, r, d) <= theory.stuck_bound(mu, r, d) < 1


@pytest.mark.parametrize("d", [1, 3, 20])
def test_the_volume_bound_is_the_share_of_a_thin_slab(d):
    x = ball(np.random.default_rng(4), DRAWS, d)[:, 0]
    mu = 0.02
    assert within((np.abs(x) <= mu).mean(), theory.stuck_volume_bound(mu, 1.0, d), errors=5)


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"T_th": 1}, "(7)"),
        ({"R": 1e-3}, "(8)"),
        ({"inexactness": 2e-4}, "(9)"),
        ({"hessian_lipschitz": 1.0}, "(10)"),
        ({"curvature": 2.0}, "gamma"),
        ({"r": 1e-3}, "mu"),
    ],
)
def test_each_condition_of_lemma_2_is_named_when_it_fails(change, number):
    Delta, gamma, r, R, mu, rho, T = lemma_2_case(3)
    case = {
        "width": mu,
        "r": r,
        "R": R,
        "T_th": T,
        "curvature": gamma,
        "inexactness": Delta,
        "smoothness": 1.0,
        "hessian_lipschitz": rho,
    }
    failed = theory.width_conditions(**case | change)
    assert any(phrase.startswith(number) for phrase in failed)


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


def test_a_round_of_theorem_3_leaves_its_worst_saddle_half_of_the_time():
    d, Delta = 2, 1e-12
    schedule = Theorem3(d, Delta, smoothness=1.0, hessian_lipschitz=1.0, excess=1.0)
    assert schedule.theorem == "Theorem 3"
    H = np.diag([-schedule.curvature, 1.0])
    starts = schedule.r * ball(np.random.default_rng(5), 5000, d)
    left = escapes(lambda w: w @ H, starts, schedule.R, schedule.T_th, Delta, schedule.step)
    assert left.mean() >= 0.5


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


# --- Proposition 1 ----------------------------------------------------------------------------


@given(w=st.floats(-50, 50), Delta=st.floats(1e-3, 1))
def test_proposition_1_whatever_is_returned_some_function_makes_it_bad(w, Delta):
    f = theory.hardest(w, Delta)
    gradient, curvature = theory.second_order_floor(Delta)
    assert abs(f.gradient(w)) > gradient
    assert f.hessian(w) < -curvature


@given(w=st.floats(-5, 5), Delta=st.floats(0.01, 1), s=st.floats(0, 7))
def test_proposition_1_the_family_is_smooth_and_zero_is_an_honest_answer(w, Delta, s):
    f, h = theory.HardFunction(Delta, s), 1e-4
    assert abs(f.gradient(w)) <= Delta
    assert (f.value(w + h) - f.value(w - h)) / (2 * h) == pytest.approx(f.gradient(w), abs=1e-6)
    change = (f.gradient(w + h) - f.gradient(w - h)) / (2 * h)
    assert change == pytest.approx(f.hessian(w), abs=1e-6)
    assert abs(f.gradient(w + 0.3) - f.gradient(w)) <= 0.3 * (1 + 1e-12)  # 1-smooth
    assert abs(f.hessian(w + 0.3) - f.hessian(w)) <= 0.3 * (1 + 1e-12)  # 1-Hessian Lipschitz


# --- Propositions 3 and 4 ---------------------------------------------------------------------


@pytest.mark.parametrize("t", [0.05, 0.2, 0.5, 0.8, 1.1])
@pytest.mark.parametrize("shape", ["ball", "sphere"])
def test_proposition_4_gives_the_share_that_never_leaves_the_ball(shape, t):
    rng, curvature, r, step = np.random.default_rng(6), 0.5, 2.0, 0.5
    Delta = t * curvature * r
    w = ball(rng, DRAWS, 2)
    w = r * (w if shape == "ball" else w / norms(w)[:, None])
    left = np.zeros(DRAWS, bool)
    for _ in range(150):
        seen = -curvature * w[:, 1]
        seen = seen - np.clip(seen, -Delta, Delta)
        w = np.stack([w[:, 0] * (1 - step), w[:, 1] - step * seen], axis=1)
        left |= norms(w) > r * (1 + 1e-12)
    expected = theory.stuck_probability(Delta, curvature, r, shape)
    assert within(1 - left.mean(), expected)


def test_proposition_4_exact_gradient_descent_always_leaves():
    w = ball(np.random.default_rng(7), DRAWS, 2)
    assert (np.abs(w[:, 1]) * 1.25**200 > 1).all()
    assert theory.stuck_probability(0.0, 1.0, 1.0) == 0


def double_well(w):
    return (w**2 - 1) ** 2 / 4


@pytest.mark.parametrize(
    ("Delta", "r"), [(0.05, 0.5), (0.2, 0.5), (0.3, 1.2), (0.37, 1.2), (0.5, 0.4)]
)
def test_proposition_3_the_proofs_adversary_holds_this_share(Delta, r):
    w = np.random.default_rng(8).uniform(-r, r, DRAWS)
    for _ in range(120):
        w = w - 0.15 * np.where(np.abs(w) <= Delta, 0.0, w * w * w - w)
    assert within((double_well(w) >= 9 / 64).mean(), theory.double_well_stuck_probability(Delta, r))


@pytest.mark.parametrize(
    ("Delta", "r"), [(0.05, 0.5), (0.2, 0.5), (0.3, 1.2), (0.37, 1.2), (0.5, 1.4)]
)
def test_proposition_3_the_best_adversary_holds_this_share(Delta, r):
    w, step = np.random.default_rng(9).uniform(-r, r, DRAWS), 0.15
    for _ in range(300):
        g = w * w * w - w
        w = w - step * np.clip(w / step, g - Delta, g + Delta)  # home to 0 as fast as it may
    expected = theory.double_well_stuck_probability(Delta, r, "best")
    assert within((double_well(w) >= 9 / 64).mean(), expected)


@given(Delta=st.floats(0, 0.38))
def test_the_best_reach_solves_its_equation_and_beats_the_proofs(Delta):
    reach = theory.double_well_reach(Delta)
    assert reach - reach**3 == pytest.approx(Delta, abs=1e-9)
    assert Delta <= reach * (1 + 1e-12)
    assert reach <= 1 / math.sqrt(3)


@pytest.mark.parametrize("step", [0.05, 0.5])
def test_proposition_3_the_convex_function_ends_within_its_gap(step):
    Delta, w = 0.3, np.array([-40.0, 0.0, 1.0, 9.0])
    for _ in range(500):
        w = w - step * (2 * (w - 1) - Delta * np.where(w >= 1, 1, -1))  # outward, always
    gaps = (w - 1) ** 2
    assert gaps.max() == pytest.approx(theory.convex_gap(Delta))
    assert (gaps <= theory.convex_gap(Delta) + 1e-12).all()


# --- Theorems 5-8, Table 3, Observation 2 -----------------------------------------------------


def inexactness(rule, alpha, m, n, d, repeats=60):
    """Error of a rule on N(0, I/n) with the coalition far out: the worst for these two rules."""
    rng, b = np.random.default_rng(10), round(alpha * m)
    messages = rng.standard_normal((repeats, m, d)) / math.sqrt(n)
    messages[:, :b] = 1e3
    return norms(np.stack([rule(batch, b=b) for batch in messages])).mean()


GRID = [
    (alpha, m, n, d)
    for alpha in (0.1, 0.2, 0.3) for m in (20, 80) for n in (10, 1000) for d in (1, 8, 64)
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "rule"), [("median", sp.Median()), ("trimmed_mean", sp.TrimmedMean())]
)
def test_table_3_bounds_what_the_worst_messages_reach(name, rule):
    ratios = [inexactness(rule, *case, 20) / theory.table3(name, *case) for case in GRID]
    assert max(ratios) < 2  # one constant for all of alpha, m, n and d


def test_observation_2_two_means_this_far_apart_send_the_same_messages():
    normal = NormalDist()
    for alpha in (0.05, 0.1, 0.2, 0.3, 0.4):
        # (1 - alpha) N(mu, 1/n) + alpha Q is one law for two means when their total variation
        # is alpha / (1 - alpha): half the distance is then an error that nobody avoids.
        half = normal.inv_cdf(0.5 + alpha / (2 * (1 - alpha)))
        p, q = NormalDist(-half), NormalDist(half)
        assert 1 - p.overlap(q) == pytest.approx(alpha / (1 - alpha))
        assert half / math.sqrt(7) >= theory.gradient_floor(alpha, m=10**12, n=7, d=1)


@pytest.mark.parametrize("rule", [sp.Median(), sp.TrimmedMean()])
def test_observation_2_no_rule_here_stays_below_the_floor(rule):
    assert all(inexactness(rule, *case, 20) > theory.gradient_floor(*case, c=0.5) for case in GRID)


REGION = {"smoothness": 1.0, "diameter": 1.0}
BOUNDS = {
    "filtering": (theory.filtering_inexactness, {"sigma": 0.0, "zeta": 1.0, **REGION}),
    "median": (theory.median_inexactness, {"skewness": 1.0, **REGION}),
    "trimmed_mean": (theory.trimmed_mean_inexactness, {"xi": 1.0, **REGION}),
}


@pytest.mark.parametrize("name", BOUNDS)
@given(
    alpha=st.floats(0, 0.25),
    m=st.integers(2, 10**4),
    n=st.integers(2, 10**6),
    d=st.integers(1, 10**5),
)
def test_theorems_5_7_and_8_are_table_3_up_to_a_logarithm(name, alpha, m, n, d):
    bound, options = BOUNDS[name]
    if name == "median":
        options = options | {"deviation": math.sqrt(d)}
    ratio = bound(alpha, m, n, d, **options) / theory.table3(name, alpha, m, n, d)
    log = math.sqrt(math.log(n * m))
    assert min(1, log) * (1 - 1e-9) <= ratio <= max(1, log) * (1 + 1e-9)


def test_theorem_7_asks_for_many_workers():
    options = {"skewness": 1.0, "smoothness": 1.0, "diameter": 1.0}
    assert theory.median_applies(0.1, 10_000, 100, 10, **options)
    assert not theory.median_applies(0.1, 20, 100, 10, **options)
    assert not theory.median_applies(0.49, 10_000, 100, 10, **options)


@pytest.mark.parametrize(
    "call",
    [
        lambda: theory.descent_decrease(-1, 0.1, 1.0),
        lambda: theory.stuck_probability(0.1, 0.0, 1.0),
        lambda: theory.stuck_probability(0.1, 1.0, 1.0, "cube"),
        lambda: theory.double_well_stuck_probability(0.6, 1.0),
        lambda: theory.double_well_stuck_probability(0.1, 1.0, "lazy"),
        lambda: theory.HardFunction(2.0, 0.0),
        lambda: theory.table3("krum", 0.1, 10, 10, 1),
        lambda: theory.table3("filtering", 0.3, 10, 10, 1),
        lambda: theory.trimmed_mean_inexactness(0.1, 1, 1, 1, xi=1, smoothness=1, diameter=1),
        lambda: theory.stuck_bound(math.nan, 1.0, 1),
    ],
)
def test_a_value_outside_its_range_is_refused(call):
    with pytest.raises(OptionError, match="got"):
        call()


# --- the page and the command -----------------------------------------------------------------


def test_every_name_on_the_page_exists_and_every_function_is_on_it():
    page = (Path(__file__).parents[1] / "docs" / "theory.md").read_text()
    named = set(re.findall(r"`theory\.(\w+)", page))
    assert named == set(theory.__all__)
    assert all(getattr(theory, name).__doc__ for name in named)
    assert all(hasattr(sp, name) for name in re.findall(r"`sp\.(\w+)", page))


def test_the_command_says_what_is_vacuous_and_gives_a_practical_schedule():
    said = CliRunner().invoke(
        main, ["theory", "--L", "1", "--rho", "1", "--delta-inexact", "0.0001", "--d", "10"]
    )
    assert said.exit_code == 0, said.output
    for phrase in ("T_th < 1", "gamma > L", "bound (3) > L", "The largest Delta", "Practical"):
        assert phrase in said.output


def test_the_command_says_when_the_theorem_holds():
    said = CliRunner().invoke(
        main, ["theory", "--L", "1", "--rho", "1", "--delta-inexact", "1e-14", "--d", "10"]
    )
    assert "vacuous    no" in said.output


def test_the_command_answers_a_bad_number_in_one_line():
    said = CliRunner().invoke(
        main, ["theory", "--L", "1", "--rho", "-1", "--delta-inexact", "0.1", "--d", "10"]
    )
    assert said.exit_code == 1
    assert said.output.startswith("Error: hessian_lipschitz must be positive")
