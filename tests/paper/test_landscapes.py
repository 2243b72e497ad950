"""The landscapes have the gradients, the constants and the depth that they claim."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof import Median, TrimmedMean
from saddleproof.paper.experiments.inexact import inexact_answer, norms
from saddleproof.paper.experiments.landscapes import (
    CubicWell,
    DoubleWell,
    HalfSquare,
    LongSlope,
    QuadraticWithWaves,
)
from saddleproof.paper.experiments.worst_case import worst_by_coordinates, worst_filtering

LANDSCAPES = {
    "bowl": HalfSquare(3),
    "waves": QuadraticWithWaves(np.random.default_rng(0), 3),
    "well": DoubleWell(0.5),
    "cubic": CubicWell(0.01, 0.1),
    "slope": LongSlope(0.2),
}


@pytest.mark.parametrize("name", LANDSCAPES)
def test_gradients_are_those_of_the_values(name):
    F, rng, h = LANDSCAPES[name], np.random.default_rng(1), 1e-6
    w = rng.uniform(-1, 1, (20, F.d))
    for k in range(F.d):
        e = h * np.eye(F.d)[k]
        slope = (F.value(w + e) - F.value(w - e)) / (2 * h)
        np.testing.assert_allclose(F.gradient(w)[:, k], slope, atol=1e-7)


@pytest.mark.parametrize("name", LANDSCAPES)
def test_gradients_change_no_faster_than_the_smoothness(name):
    F, rng = LANDSCAPES[name], np.random.default_rng(2)
    u, v = rng.uniform(-0.8, 0.8, (2, 200, F.d))
    change = norms(F.gradient(u) - F.gradient(v))
    assert (change <= F.smoothness * norms(u - v) * (1 + 1e-9)).all()


@pytest.mark.parametrize("name", ["well", "cubic", "slope"])
def test_the_lowest_value_and_the_curvature_are_those_of_the_function(name):
    F, h = LANDSCAPES[name], 1e-4
    line = np.linspace(-3, 3, 60_001)[:, None] * F.escape_direction
    assert F.value(line).min() == pytest.approx(F.lowest, abs=1e-6)
    e = h * F.escape_direction
    second = float((F.gradient(F.saddle + e) - F.gradient(F.saddle - e))[0]) / (2 * h)
    # The cubic well's Hessian has a corner at its saddle: h is seen in it.
    assert F.lambda_min(F.saddle) == pytest.approx(second, abs=1e-4)


@given(budget=st.floats(0, 10), seed=st.integers(0, 1000))
def test_an_inexact_answer_is_within_delta_and_nearer_to_its_target(budget, seed):
    gradient, target = np.random.default_rng(seed).standard_normal((2, 5, 3))
    answer = inexact_answer(gradient, target, budget)
    assert (norms(answer - gradient) <= budget + 1e-15 * norms(gradient)).all()
    assert (norms(answer - target) <= norms(gradient - target) + 1e-12).all()


@pytest.mark.parametrize("rule", [Median(), TrimmedMean()])
@given(seed=st.integers(0, 1000))
def test_no_liars_reach_farther_than_the_worst_by_coordinates(rule, seed):
    rng = np.random.default_rng(seed)
    honest, b = rng.standard_normal((9, 4)), 3
    lies = rng.standard_normal((b, 4)) * 10 ** rng.uniform(-2, 3)
    reached = float(np.linalg.norm(rule(np.concatenate([lies, honest]), b)))
    assert reached <= worst_by_coordinates(rule, honest, b) + 1e-9


def test_the_search_against_filtering_beats_the_honest_error():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((50, 10))
    honest = float(np.linalg.norm(rows.mean(axis=0)))
    assert worst_filtering(rng, rows, 5, scaled=False) > honest
