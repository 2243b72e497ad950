"""Noise that no test follows, and noise that must drift: SimplifiedPGD and GaussPSGD."""

from __future__ import annotations

import numpy as np
import pytest

from saddleproof.errors import OptionError
from saddleproof.optimizers.baselines.gauss_psgd import GaussPSGD
from saddleproof.optimizers.baselines.simplified_pgd import SimplifiedPGD


def quartic(x):
    """grad of -w_1^2/2 + w_1^4/4 + w_2^2/2: a saddle at 0, minima at (+-1, 0)."""
    return np.stack([x[:, 0] ** 3 - x[:, 0], x[:, 1]], axis=1)


def loss(w):
    return -(w[0] ** 2) / 2 + w[0] ** 4 / 4 + w[1] ** 2 / 2


def moves(run, rounds):
    """(x_t, x_(t+1)) of every round."""
    found = []
    for _ in range(rounds):
        before = run.state.w
        found.append((before, run.round().w))
    return found


# --- SimplifiedPGD ------------------------------------------------------------------------------


def test_noise_at_every_step_has_the_length_that_was_asked_for(drive):
    d, r, eta = 5, 0.3, 0.1
    run = drive(SimplifiedPGD(eta, radius=r), np.zeros_like, [0.0] * d)
    noise = np.array([after - before for before, after in moves(run, 2000)]) / eta
    assert (noise**2).sum(axis=1).mean() == pytest.approx(r**2, rel=0.1)
    assert np.abs(np.cov(noise.T) - r**2 / d * np.eye(d)).max() < 0.2 * r**2 / d
    assert np.abs(noise.mean(axis=0)).max() < 5 * r / np.sqrt(2000 * d)


def test_the_second_variant_perturbs_small_gradients_only_and_then_rests(drive):
    optimizer = SimplifiedPGD(0.1, radius=1e-3, rest=7, epsilon=0.5)
    run = drive(optimizer, lambda x: x, [2.0, 0.0])
    jumps = [
        t
        for t, (before, after) in enumerate(moves(run, 60))
        if not np.allclose(after, before - 0.1 * before, atol=1e-12)
    ]
    first = int(np.ceil(np.log(0.5 / 2.0) / np.log(0.9)))
    assert jumps == list(range(first, 60, 8))


def test_its_jump_is_step_times_a_point_of_the_ball(drive):
    run = drive(SimplifiedPGD(0.1, radius=3.0, rest=1, epsilon=1.0), np.zeros_like, [0.0] * 4)
    jumps = [np.linalg.norm(after - before) for before, after in moves(run, 400)]
    jumps = np.sort([jump for jump in jumps if jump > 0]) / 0.3
    assert len(jumps) == 200
    assert np.abs(jumps**4 - np.arange(200) / 200).max() < 1.95 / np.sqrt(200)


@pytest.mark.parametrize("rest", [None, 40])
def test_both_variants_leave_a_saddle_and_never_end_by_themselves(drive, rest):
    run = drive(SimplifiedPGD(0.3, radius=0.01, rest=rest, epsilon=1e-3), quartic, [0.0, 0.0])
    assert run.run(150) == 150
    assert np.allclose(np.abs(run.point), [1.0, 0.0], atol=0.05)


def test_improve_or_localise(drive):
    # Between jumps |x_(t + tau) - x_t|^2 <= 2 eta tau (F(x_t) - F(x_(t + tau))), for eta <= 1/L.
    eta, rest = 0.3, 30
    run = drive(SimplifiedPGD(eta, radius=0.05, rest=rest, epsilon=1e-2), quartic, [0.0, 0.4])
    start, tau = run.state.w, 0
    for before, after in moves(run, 200):
        tau += 1
        if not np.allclose(after, before - eta * quartic(before[None])[0], atol=1e-14):
            start, tau = after, 0
            continue
        room = 2 * eta * tau * (loss(start) - loss(after))
        assert np.linalg.norm(after - start) ** 2 <= room + 1e-12


def test_the_constants_of_the_proof_keep_a_failed_round_within_S():
    eps, L, rho = 1e-2, 1.0, 1.0
    one = SimplifiedPGD.paper(10, eps, L, rho, excess=1.0)
    iota = np.log(10 / (eps * 0.05))
    F_drop = np.sqrt(eps**3 / rho) / (50 * iota**3)
    # sqrt(2 eta Tau F_drop) <= S = sqrt(epsilon/rho)/(4 iota): why Tau and F_drop fit together.
    assert np.sqrt(2 * one.step * one.rest * F_drop) <= np.sqrt(eps / rho) / (4 * iota)
    assert one.radius == pytest.approx(eps / (400 * iota**3))


def test_a_whole_tau_leaves_one_step_more_between_perturbations():
    # Algorithm 4 perturbs at t > t_perturb + Tau. The logarithm is raised to 1, so Tau = 10.
    one = SimplifiedPGD.paper(1, 1e-2, 1.0, 1.0, excess=1e-6)
    assert one.rest == 10 + 1
    assert one.radius == pytest.approx(1e-2 / 400)


@pytest.mark.parametrize(("c", "large_enough"), [(1.0, False), (8.0, True)])
def test_the_proof_asks_for_more_than_c_equal_to_one(c, large_enough):
    # The condition on iota of Theorem 18, at the values that `paper` names.
    d, eps, delta = 10, 1e-2, 0.05
    one = SimplifiedPGD.paper(d, eps, 1.0, 1.0, excess=1.0, c=c, delta=delta)
    iota = (eps / (400 * one.radius)) ** (1 / 3)
    T = 400 * iota**4 / eps**2
    assert (T * np.sqrt(d / eps) * iota**2 * 2 ** (8 - iota) <= delta) == large_enough


# --- GaussPSGD ----------------------------------------------------------------------------------

CALM = GaussPSGD(0.1, noise=1e-3, epsilon=0.1, distance=0.5, horizon=9, rounds=3)


def test_a_failed_escape_takes_Q_rounds_and_returns_x_t_itself(drive):
    run = drive(CALM, lambda x: x, [0.05, 0.0])
    assert run.run(1000) == 3 * (9 + 1)
    assert run.status == "no_escape_found"
    assert np.array_equal(run.point, [0.05, 0.0])


def test_every_round_starts_from_x_t_without_any_jump(drive):
    run = drive(CALM, lambda x: x, [0.05, 0.0])
    run.run(1000)
    starts = [points[0] for points in run.asked[:: 9 + 1]]
    assert all(np.array_equal(start, [0.05, 0.0]) for start in starts)


def test_drift_is_measured_from_x_t_and_descent_goes_on_from_there(drive):
    run = drive(GaussPSGD(0.3, 1e-3, epsilon=0.1, distance=0.3), quartic, [0.0, 0.0])
    run.round()
    while run.state.drift is not None:
        drift = np.linalg.norm(run.state.drift.w)
        run.round()
    assert drift >= 0.3
    assert np.linalg.norm(run.point) >= 0.3
    run.run(2000)
    assert run.status == "no_escape_found"
    assert np.allclose(np.abs(run.point), [1.0, 0.0], atol=0.11)  # |grad F| <= .1, F'' = 2


def test_the_servers_noise_is_r_per_coordinate(drive):
    run = drive(GaussPSGD(0.1, noise=0.2, epsilon=1e-9), np.ones_like, [0.0] * 3)
    noise = np.array([(before - after) / 0.1 - 1 for before, after in moves(run, 1000)])
    assert noise.std(axis=0) == pytest.approx(np.full(3, 0.2), rel=0.1)


def test_the_threshold_exceeds_three_times_the_noise_of_every_step(drive):
    d, sigma, r, T = 10, 0.5, 0.1, 500
    rng = np.random.default_rng(0)
    errors = sigma / np.sqrt(d) * rng.standard_normal((T, d)) + r * rng.standard_normal((T, d))
    chi = GaussPSGD.threshold(d, sigma, r, T) / 3
    assert chi >= np.linalg.norm(errors, axis=1).max()
    assert chi == pytest.approx(np.sqrt(2 * np.log(4 * T / 0.05) * 0.35))


def test_sixteen_rounds_miss_one_saddle_in_twenty_at_most():
    assert np.ceil(26 / 5 * np.log(1 / 0.05)) == GaussPSGD(0.1).rounds


@pytest.mark.parametrize("options", [{"noise": 0.0}, {"rounds": 0}, {"distance": -1.0}])
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(OptionError, match="positive"):
        GaussPSGD(0.1, **options)
