"""Lemmas 1 to 4 and equation (5) against a simulation that would refute them if they were false."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof import theory
from saddleproof.optimizers.randomness import ball
from saddleproof.schedule import Theorem3


def norms(x):
    return np.linalg.norm(x, axis=-1)


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
    mu, draws = 0.02, 100_000
    x = ball(np.random.default_rng(4), draws, d)[:, 0]
    bound = theory.stuck_volume_bound(mu, 1.0, d)
    deviation = math.sqrt(bound * (1 - bound) / draws)
    assert abs((np.abs(x) <= mu).mean() - bound) <= 5 * deviation


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


# --- one round of Theorem 3 -------------------------------------------------------------------


def test_a_round_of_theorem_3_leaves_its_worst_saddle_half_of_the_time():
    d, Delta = 2, 1e-12
    schedule = Theorem3(d, Delta, smoothness=1.0, hessian_lipschitz=1.0, excess=1.0)
    assert schedule.theorem == "Theorem 3"
    H = np.diag([-schedule.curvature, 1.0])
    starts = schedule.r * ball(np.random.default_rng(5), 5000, d)
    left = escapes(lambda w: w @ H, starts, schedule.R, schedule.T_th, Delta, schedule.step)
    assert left.mean() >= 0.5
