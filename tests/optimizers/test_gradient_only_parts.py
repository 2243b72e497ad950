"""The parts of GradientOnlyPGD: line integrals, the survey, and the trajectory in every batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof import oracle
from saddleproof.fleets.base import Messages
from saddleproof.optimizers.gradient_only.point_blocks import PointBlocks
from saddleproof.optimizers.gradient_only.segments import (
    COARSE,
    NODES,
    WEIGHTS,
    decrease,
    interior,
)
from saddleproof.optimizers.gradient_only.trajectory import Trajectory, advance


def test_the_quadrature_is_exact_to_degree_seven_and_no_further() -> None:
    for degree in range(9):
        error = abs(WEIGHTS @ NODES**degree - 1 / (degree + 1))
        assert (error < 1e-14) == (degree <= 7)
    for degree in range(4):
        assert COARSE @ NODES**degree == pytest.approx(1 / (degree + 1), abs=1e-14)


@given(frequency=st.floats(0.1, 6.0), phase=st.floats(0, 6.0))
def test_the_allowance_covers_the_quadrature_error(frequency: float, phase: float) -> None:
    """f(x) = sin(frequency x + phase) on [0, 1]; every worker says the same."""
    start, end = np.zeros(1), np.ones((1, 1))
    points = np.concatenate([start[None], interior(start, end), end])
    slopes = frequency * np.cos(frequency * points + phase)
    fall = line_integral(np.repeat(slopes[:, None, :], 5, axis=1), points, 1)
    truth = np.sin(frequency + phase) - np.sin(phase)
    assert abs(fall.raw.mid[0] - truth) <= fall.allowance[0] + 1e-12


@given(seed=st.integers(0, 2**32), b=st.integers(0, 4), size=st.floats(1e-3, 1e6))
def test_a_clear_decrease_is_one_for_the_honest_median(seed: int, b: int, size: float) -> None:
    """Whatever b of 13 say, "clear" means that the honest workers' median loss fell."""
    rng = np.random.default_rng(seed)
    start, end = np.zeros(2), rng.standard_normal((1, 2))
    points = np.concatenate([start[None], interior(start, end), end])
    A = rng.standard_normal((13, 2, 2))
    A += A.transpose(0, 2, 1)
    c = rng.standard_normal((13, 2))
    rows = np.einsum("mij,qj->qmi", A, points) + c  # F_i quadratic: the integral is exact
    rows[:, :b] = size * rng.standard_normal((5, b, 2))
    w = end[0]
    honest = 0.5 * np.einsum("i,mij,j->m", w, A[b:], w) + c[b:] @ w
    fall = line_integral(rows, points, b)
    if fall.raw.high[0] + fall.allowance[0] < 0:
        assert np.median(honest) < 0
    assert fall.raw.low[0] <= np.median(honest) <= fall.raw.high[0]


def line_integral(rows: np.ndarray, points: np.ndarray, b: int) -> Any:
    workers = tuple(f"w{i}" for i in range(rows.shape[1]))
    messages = Messages(rows, ("ok",) * len(workers))
    reading = oracle.read(messages, sp.Median(), b, points=points, workers=workers)
    eye = np.eye(5)
    return decrease(reading, eye[0], eye[1:4], eye[4:], points[-1:] - points[:1])


def test_common_noise_cancels_in_the_survey() -> None:
    """Example 2's workers differ by a tilt only: the spread of their Hessians reads zero."""
    problem = sp.problems.Example2(n=20, seed=0)  # tilts of .22, half the curvature
    spreads: list[float] = []

    def watch(progress: Any) -> None:
        if progress.state.escape is not None:
            spreads.append(progress.state.escape.model.spread)

    attack = sp.SaddleAttack(problem.saddle)
    fleet = sp.Coalition(sp.LocalFleet(problem), attack, members=range(6))
    options = {"b": 6, "w0": problem.start, "seed": 0, "max_rounds": 10, "certify": False}
    sp.minimize(fleet, sp.GradientOnlyPGD(), callback=watch, **options)
    assert spreads
    assert max(spreads) < 1e-9


def test_a_rejected_trial_stays_and_shortens_the_step() -> None:
    trajectory = Trajectory(np.ones(1), np.ones(1), 0.0, step=1.0, longest=1.0)
    batch = PointBlocks({"main": trajectory.pair})
    steep = 100.0 * batch.points[:, None, :].repeat(3, axis=1)  # curvature 100, step 1
    reading = oracle.read(
        Messages(steep, ("ok",) * 3), sp.Median(), 0, points=batch.points, workers=("a", "b", "c")
    )
    after = advance(trajectory, reading, batch, "main")
    assert not after.accepted
    assert after.w == trajectory.w
    assert after.gradient == 100.0
    assert after.step == pytest.approx(1 / 64)  # 1/100 is wanted, 1/64 is the hardest cut
