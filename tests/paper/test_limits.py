"""What nobody can promise, Propositions 1, 3 and 4, and what each rule can: Theorems 5 to 8."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof import theory
from saddleproof.errors import OptionError
from saddleproof.optimizers.randomness import ball

DRAWS = 100_000


def norms(x):
    return np.linalg.norm(x, axis=-1)


def within(measured, expected, draws=DRAWS, errors=4.0):
    """Whether a share of `draws` agrees with its probability."""
    return abs(measured - expected) <= errors * math.sqrt(max(expected * (1 - expected), 0) / draws)


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
