"""Optimizers that test values of the loss: ValuePGD and AcceleratedPGD, with exact oracles."""

from __future__ import annotations

import numpy as np
import pytest

from saddleproof.errors import OptionError
from saddleproof.optimizers.baselines.accelerated_pgd import AcceleratedPGD
from saddleproof.optimizers.baselines.value_pgd import ValuePGD

A = np.array([-1.0, 1.0, 1.5, 2.0])


def gradient(x):
    """grad of x'Ax/2 + |x|^3/6: lambda_min(0) = -1, rho = 1, and L = 4 for |x| <= 4."""
    return A * x + np.linalg.norm(x, axis=1, keepdims=True) * x / 2


def value(x):
    return (A * x**2).sum(axis=1) / 2 + np.linalg.norm(x, axis=1) ** 3 / 6


def bowl(x):
    return x


def half_square(x):
    return (x**2).sum(axis=1) / 2


ORIGIN = [0.0] * 4


# --- ValuePGD -----------------------------------------------------------------------------------


def test_the_papers_constants_leave_the_origin(drive):
    optimizer = ValuePGD.paper(4, 0.1, 4.0, 1.0, excess=1.0, c=1.0)
    run = drive(optimizer, gradient, ORIGIN, value=value)
    run.run(4000)
    assert run.status == "no_escape_found"
    assert np.linalg.norm(gradient(run.point[None])) <= 0.1
    assert np.linalg.norm(run.point) == pytest.approx(2.0, abs=0.1)  # the minima: -x + |x| x/2 = 0


def test_a_step_without_perturbation_lowers_the_loss_as_the_descent_lemma_says(drive):
    optimizer = ValuePGD(step=0.25, epsilon=1e-3, horizon=50)
    run = drive(optimizer, gradient, [0.3, 1.0, -1.0, 0.5], value=value)
    steps = 0
    for _ in range(200):
        before = run.state
        after = run.round()
        if after.failed:
            break
        if after.anchor is before.anchor:
            drop = value(before.w[None])[0] - value(after.w[None])[0]
            slope = np.linalg.norm(gradient(before.w[None]))
            assert drop >= optimizer.step / 2 * slope**2 - 1e-12
            steps += 1
    assert steps > 50


def test_a_minimum_is_returned_as_it_was_before_the_perturbation(drive):
    optimizer = ValuePGD(step=0.5, epsilon=1e-3, horizon=30)
    run = drive(optimizer, bowl, [0.0, 0.0], value=half_square)
    assert run.run(1000) == 1 + 1 + 30  # x~, the perturbed point, t_thres steps
    assert run.status == "no_escape_found"
    assert np.array_equal(run.point, [0.0, 0.0])


def test_the_perturbation_is_drawn_from_the_ball(drive):
    lengths = []
    for seed in range(200):
        run = drive(ValuePGD(0.5, 1e-3, radius=2.0), bowl, [0.0] * 3, seed=seed, value=half_square)
        run.round()
        lengths.append(np.linalg.norm(run.state.w))
    uniform = np.sort(np.array(lengths) / 2.0) ** 3
    assert np.abs(uniform - np.arange(200) / 200).max() < 1.95 / np.sqrt(200)  # K-S at .001


def test_the_loss_is_compared_after_exactly_the_horizon(drive):
    # A loss that falls once, `delay` rounds after the perturbation: in time, or one step late.
    for delay, status in ((10, "running"), (11, "no_escape_found")):
        seen = []

        def late(points, seen=seen, delay=delay):
            seen.append(len(seen))
            return np.full(len(points), 0.0 if len(seen) - 2 < delay else -1.0)

        optimizer = ValuePGD(0.5, 1e-3, decrease=0.5, horizon=10)
        run = drive(optimizer, np.zeros_like, [0.0], value=late)
        run.run(12)
        assert run.status == status


# --- AcceleratedPGD -----------------------------------------------------------------------------


def energies(run, optimizer, rounds):
    """(E_t, E_(t+1), the state and the query points of step t) of steps without perturbation."""
    found = []
    for _ in range(rounds):
        before = run.state
        points = optimizer.ask(before)
        after = run.round()
        if after.failed:
            break
        if after.anchor is before.anchor:
            E = [value(s.w[None])[0] + s.v @ s.v / (2 * optimizer.step) for s in (before, after)]
            found.append((*E, before, after, points))
    return found


FAST = AcceleratedPGD(1 / 16, curvature=0.5, epsilon=1e-3, horizon=40)


def test_the_hamiltonian_never_rises(drive):
    run = drive(FAST, gradient, [0.01, 1.0, -1.0, 0.5], value=value)
    steps = energies(run, FAST, 400)
    assert len(steps) > 100
    assert all(after <= before + 1e-12 for before, after, *_ in steps)


def test_a_step_of_momentum_lowers_the_hamiltonian_as_proven(drive):
    # Lemma 3 of "Faster gradient-free methods for escaping saddle points" with exact gradients.
    run = drive(FAST, gradient, [0.01, 1.0, -1.0, 0.5], value=value)
    steps = energies(run, FAST, 400)
    for before, after, state, ahead, points in steps:
        if state.exploiting or ahead.exploiting or not ahead.v.any():
            continue
        g = gradient(points[1:2])[0]
        least = FAST.theta / (2 * FAST.step) * state.v @ state.v + FAST.step / 4 * g @ g
        assert before - after >= least - 1e-12


def test_exploited_curvature_lowers_the_hamiltonian_as_proven(drive):
    # Lemma 4 of the same text. Started on the concave ridge with momentum across it, the test for
    # exploitation must fire.
    run = drive(FAST, gradient, [1e-4, 0.3, 0.0, 0.0], value=value)
    fired, s, gamma = 0, FAST.s, FAST.gamma
    least = min(s**2 / (2 * FAST.step), gamma * s**2 / 2 - s**3)  # rho = 1
    for before, after, state, ahead, _ in energies(run, FAST, 400):
        if ahead.exploiting:
            start = before
        elif state.exploiting:
            assert start - after >= least
            fired += 1
        elif state.v.any() and not ahead.v.any():
            assert before - after >= least
            fired += 1
    assert fired > 0


def test_momentum_leaves_the_saddle_and_ends_at_a_minimum(drive):
    run = drive(FAST, gradient, ORIGIN, value=value)
    run.run(2000)
    assert run.status == "no_escape_found"
    assert np.linalg.norm(run.point) == pytest.approx(2.0, abs=1e-2)


@pytest.mark.parametrize("L", [1.0, 4.0, 20.0])
def test_a_fall_back_from_the_perturbation_itself_is_no_escape(drive, L):
    # xi raises F by up to L r^2/2, up to ten times `decrease` here, and descent takes it back.
    optimizer = AcceleratedPGD(1 / (4 * L), epsilon=1e-3, radius=0.01, decrease=1e-4)
    run = drive(optimizer, lambda x: L * x, [0.0] * 3, value=lambda x: L / 2 * (x**2).sum(axis=1))
    assert run.run(1000) == 1 + optimizer.horizon + 1  # the perturbation, Tau steps, the test
    assert run.status == "no_escape_found"
    assert np.array_equal(run.point, [0.0] * 3)


def test_the_constants_of_equation_5():
    eps, L, rho, c, delta = 1e-2, 4.0, 2.0, 1.5, 0.1
    one = AcceleratedPGD.paper(3, eps, L, rho, excess=5.0, c=c, delta=delta)
    kappa = L / np.sqrt(rho * eps)
    chi = np.log(3 * L * 5.0 / (rho * eps * delta))
    assert one.theta == pytest.approx(1 / (4 * np.sqrt(kappa)))
    assert one.gamma == pytest.approx(one.theta**2 * 4 * L)
    assert one.s == pytest.approx(one.gamma / (4 * rho))
    assert one.horizon == np.ceil(np.sqrt(kappa) * chi * c)
    assert one.radius == pytest.approx(eps / (4 * L) / (chi**5 * c**8))
    assert one.decrease == pytest.approx(np.sqrt(eps**3 / rho) / (chi**5 * c**7))


def test_momentum_beats_descent_on_an_ill_conditioned_bowl(drive):
    spectrum = np.array([1.0, 2e-3])

    def rounds(optimizer):
        run = drive(
            optimizer,
            lambda x: spectrum * x,
            [0.0, 1.0],
            value=lambda x: (spectrum * x**2) @ [1, 1],
        )
        for t in range(20000):
            if np.linalg.norm(spectrum * run.state.w) <= 1e-4:
                return t
            run.round()
        return 20000

    accelerated = AcceleratedPGD(0.25, curvature=2e-3, epsilon=1e-6)
    assert 3 * rounds(accelerated) < rounds(ValuePGD(1.0, epsilon=1e-6))


def test_at_rest_nothing_is_exploited(drive):
    run = drive(FAST, gradient, [0.5, 0.5, 0.5, 0.5], value=value)
    run.round()
    assert not run.state.exploiting
    assert run.state.v.any()


@pytest.mark.parametrize("make", [ValuePGD, AcceleratedPGD])
@pytest.mark.parametrize("options", [{"radius": 0.0}, {"decrease": -1.0}, {"horizon": 0}])
def test_options_that_cannot_work_are_refused(make, options):
    with pytest.raises(OptionError, match="positive"):
        make(0.1, **options)
