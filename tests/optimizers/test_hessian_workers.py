"""HessianPGD through workers: it claims what is proved about the honest mean, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof import oracle
from saddleproof.arrays import Vector
from saddleproof.curvature.stencils import Measurement, points_of, steps_of, worker_hessians
from saddleproof.fleets.base import Messages
from saddleproof.optimizers.hessian.facts import measured_facts
from saddleproof.optimizers.hessian.hessian_pgd import HessianPGD
from saddleproof.optimizers.hessian.round import line_batch, line_changes

M, B = 20, 6
NAMES = tuple(map(str, range(M)))


def attacked(problem: Any, attack: Any) -> sp.Coalition:
    return sp.Coalition(sp.LocalFleet(problem), attack, members=range(B))


def honest_lowest(problem: Any, w: Vector) -> float:
    """lambda_min of the Hessian of the honest workers' mean."""
    axes = np.repeat(np.eye(problem.d)[None], problem.m, axis=0)
    mean = problem.products(w, axes)[B:].mean(axis=0)
    return float(np.linalg.eigvalsh((mean + mean.T) / 2)[0])


# --- bounds ---------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32 - 1), d=st.integers(1, 6), size=st.floats(-3, 6))
@settings(max_examples=60, deadline=None)
def test_the_bracket_holds_the_honest_mean_whatever_liars_say_of_skewed_hessians(
    seed: int, d: int, size: float
) -> None:
    rng = np.random.default_rng(seed)
    true = rng.exponential(size=(M, d, d))
    true = true + true.swapaxes(1, 2)
    w = rng.standard_normal(d)
    points = points_of(w, steps_of(w, 2.0**-52))
    stack = np.einsum("mkl,ql->qmk", true, points)
    stack[:, :B] = ((points - w) @ (10.0**size * rng.choice([-1.0, 1.0], (d, d))))[:, None]
    measurement = Measurement.begin(w)
    facts = measured_facts(_best(measurement.told(stack, NAMES, B)))
    lowest = np.linalg.eigvalsh(true[B:].mean(axis=0))[0]
    assert facts.low(B)[0] <= lowest <= facts.high(B)[0]


def _best(measurement: Measurement) -> Any:
    assert measurement.best is not None
    return measurement.best


@pytest.mark.parametrize("d", [1, 3])
def test_workers_that_compute_in_float32_and_send_float64_make_no_bound_false(d: int) -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        true = rng.standard_normal((M, d, d))
        true = true + true.swapaxes(1, 2)
        tilts, w = rng.standard_normal((M, d)), 100 * rng.standard_normal(d)
        measurement = Measurement.begin(w)
        while not measurement.ended:
            points = measurement.points.astype(np.float32)
            short = np.einsum("mkl,ql->qmk", true.astype(np.float32), points)
            stack = (short + tilts.astype(np.float32)).astype(np.float64)
            measurement = measurement.told(stack, NAMES, B)
        found = _best(measurement)
        off = np.linalg.norm(found.matrices - true, ord=2, axis=(1, 2))
        assert (off <= found.errors).all()
        facts, lowest = measured_facts(found), np.linalg.eigvalsh(true[B:].mean(axis=0))[0]
        assert facts.low(B)[0] <= lowest <= facts.high(B)[0]


def test_a_well_beside_a_parameter_at_a_million_is_seen() -> None:
    w = np.array([0.0, 1e6])
    points = points_of(w, steps_of(w, 2.0**-52))
    stack = np.stack([points[:, 0] ** 3 - points[:, 0], points[:, 1] - 1e6], axis=1)[:, None]
    matrices, errors = worker_hessians(stack, points)
    np.testing.assert_allclose(matrices[0], np.diag([-1.0, 1.0]), atol=1e-3)
    assert errors[0] < 1e-2


def test_a_worker_that_is_proved_bad_later_takes_its_numbers_along() -> None:
    w = np.zeros(2)
    measurement = Measurement.begin(w)
    stack = np.repeat((measurement.points * [1.0, 2.0])[:, None], 3, axis=1)
    stack[1] += 1.0  # quotients disagree: another round is wanted
    first = measurement.told(stack, ("a", "b", "c"), 1)
    assert not first.ended
    second = first.told(stack[:, :2], ("a", "b"), 0)
    assert _best(second).workers == ("a", "b")
    assert len(_best(second).matrices) == 2


@given(frequency=st.floats(0.1, 3.0), phase=st.floats(0, 6.0))
@settings(max_examples=30, deadline=None)
def test_a_line_bounds_the_change_of_a_workers_own_loss(frequency: float, phase: float) -> None:
    """F_i(w) = sin(frequency w + phase) / frequency, along +-1."""
    w = np.array([0.3])
    batch = line_batch(w, np.ones(1), np.zeros(1))
    stack = np.repeat(np.cos(frequency * batch.points + phase)[:, None], 3, axis=1)
    reading = oracle.read(
        Messages(stack, ("ok",) * 3), sp.Median(), 0, points=batch.points, workers=("a", "b", "c")
    )
    changes = line_changes(reading, batch)
    ends = batch.blocks["ends"].reshape(2, -1)
    true = (np.sin(frequency * ends + phase) - np.sin(frequency * 0.3 + phase)) / frequency
    near = np.abs(ends - 0.3) * frequency < 2  # farther out the nodes miss whole waves
    assert (changes[near] >= true[near][:, None] - 1e-12).all()


# --- runs -----------------------------------------------------------------------------------------

PROBLEMS = [sp.problems.Example2, sp.problems.RotatedQuartic, sp.problems.Tensor]


@pytest.mark.parametrize("make", PROBLEMS)
@pytest.mark.parametrize("style", ["push", "hold", "cancel"])
@pytest.mark.parametrize("hessian", [pytest.param("full", marks=pytest.mark.slow), "krylov"])
def test_it_leaves_saddles_through_workers_without_rho(make: Any, style: Any, hessian: str) -> None:
    problem = make(seed=0)
    fleet = attacked(problem, sp.SaddleAttack(problem.saddle, style=style))
    result = sp.minimize(
        fleet, HessianPGD(hessian=hessian), b=B, max_rounds=200, seed=1, certify=False
    )
    assert problem.left_saddle(result.w)
    found, truth = result.state.found, honest_lowest(problem, result.w)
    assert found.low <= truth <= found.high
    if result.status == "second_order":
        assert truth >= -found.tolerance


@dataclass(frozen=True)
class Vote:
    """Liars that claim whatever step is tested to go steeply down, or up."""

    scale: float

    def __call__(self, view: Any) -> Vector:
        away = view.points - view.points[0]
        return np.repeat(self.scale * away[:, None], len(view.members), axis=1)


ATTACKS = [
    Vote(-1e6),
    Vote(1e6),
    sp.attacks.SignFlip(),
    sp.attacks.Gaussian(),
    sp.SaddleAttack(style="cancel"),
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("hessian", [pytest.param("full", marks=pytest.mark.slow), "krylov"])
def test_every_step_out_of_a_small_gradient_does_what_its_event_says(
    attack: Any, hessian: str
) -> None:
    jumps = 0
    for seed in range(4):
        problem = sp.problems.UnequalHessians(seed=seed)
        seen: list[Any] = []
        sp.minimize(
            attacked(problem, attack), HessianPGD(hessian=hessian), b=B, max_rounds=60, seed=seed,
            callback=seen.append, certify=False,
        )  # fmt: skip
        for before, after in pairwise(seen):
            if after.state.escaped == before.state.escaped:
                continue
            jumps += 1
            step, event = after.w - before.w, after.record.event
            here, ahead, behind = (problem.values(before.w + k * step)[B:] for k in (0, 1, -1))
            change = (ahead + behind) / 2 - here if "drawn" in event else ahead - here
            if "the honest mean" in event:
                assert change.mean() < 0
            else:
                assert "more than half of the honest workers" in event
                assert 2 * (change < 0).sum() > len(change)
    assert jumps


@pytest.mark.slow
def test_a_hidden_slope_is_left_by_a_fair_coin() -> None:
    # The liars' votes on the slope outweigh the curvature on either side alone.
    for seed in range(6):
        problem = sp.problems.UnequalHessians(seed=seed)
        fleet = attacked(problem, sp.SaddleAttack(problem.saddle, style="push"))
        result = sp.minimize(fleet, HessianPGD(), b=B, seed=seed, max_rounds=60, certify=False)
        assert problem.left_saddle(result.w)


def test_with_rho_it_takes_the_step_that_is_proved(drive: Any) -> None:
    """F = -w^2/2 + |w|^3/6: rho = 1, and at 0 the step 1/rho lowers F by 1/3."""
    run = drive(HessianPGD(rho=1.0), lambda w: -w + np.abs(w) * w / 2, [0.0])
    while run.state.escaped == 0:
        run.round()
    assert abs(run.point[0]) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("options", [{}, {"rho": 3.0}, {"hessian": "krylov"}])
def test_a_start_in_float32_stays_in_float32(options: dict[str, Any]) -> None:
    problem = sp.problems.Example2(seed=0)
    start = problem.start.astype(np.float32)
    result = sp.minimize(
        problem, HessianPGD(**options), b=B, w0=start, seed=0, max_rounds=60, certify=False
    )
    assert problem.left_saddle(result.w)
    assert result.w.dtype == np.float32
    found = result.state.found
    assert found.low <= honest_lowest(problem, result.w.astype(float)) <= found.high


def test_a_minimum_is_proved_and_not_left() -> None:
    problem = sp.problems.Tensor(seed=2)
    options = {"b": B, "w0": problem.minimum, "seed": 0, "certify": False}
    result = sp.minimize(problem, HessianPGD(), **options)
    assert result.status == "second_order"
    assert np.linalg.norm(result.w - problem.minimum) < 0.2
    assert result.state.found.low <= honest_lowest(problem, result.w)


def test_a_saddle_between_skewed_workers_is_never_called_a_minimum() -> None:
    """Most workers see a bowl, and the mean is a saddle: where a median would be a false proof."""

    class Bowl:
        d = 1

        def value(self, w: Vector, curvature: float) -> float:
            return float(curvature * w[0] ** 2 / 2)

        def gradient(self, points: Vector, curvature: float) -> Vector:
            return curvature * points

    for seed in range(20):
        draw = np.random.default_rng(seed).exponential(size=50)
        curvatures = draw[5:].mean() - 0.05 - draw
        curvatures[:5] = curvatures[5:].max()
        problem = sp.Problem(Bowl(), list(curvatures))
        options = {"b": 5, "w0": np.zeros(1), "seed": 0, "certify": False, "max_rounds": 20}
        result = sp.minimize(problem, HessianPGD(max_escapes=1), **options)
        assert result.status != "second_order"
        if result.state.found is not None:
            assert result.state.found.low <= -0.05


# --- beyond small d -------------------------------------------------------------------------------


def test_a_krylov_search_never_claims_a_second_order_point() -> None:
    problem = sp.problems.Tensor(seed=0)
    options = {"b": B, "w0": problem.minimum, "seed": 0, "certify": False}
    result = sp.minimize(problem, HessianPGD(hessian="krylov"), **options)
    assert result.status == "no_escape_found"
    assert "Krylov" in result.message
    assert "no proof" in result.message


def test_large_d_asks_for_a_krylov_space_by_itself() -> None:
    problem = sp.problems.RotatedQuartic(seed=0, d=300)
    fleet = attacked(problem, sp.SaddleAttack(problem.saddle))
    result = sp.minimize(fleet, HessianPGD(), b=B, seed=0, max_rounds=100, certify=False)
    assert problem.left_saddle(result.w)
    assert max(record.queries for record in result.trace) < 200
