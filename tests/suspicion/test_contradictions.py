"""Answers of one function contradict nothing; a lie is off by its size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.questions import Changes
from saddleproof.suspicion.contradictions import bends, curls, extremes, slopes

LENGTHS = 4.0 ** np.arange(-11, 3)


class Cubic:
    """m workers with F_i(w + v) - F_i(w) = g_i'v + v'H_i v / 2 + c (v'1)^3."""

    def __init__(self, seed: int, m: int = 9, d: int = 4, c: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        self.g = rng.standard_normal((m, d))
        half = rng.standard_normal((m, d, d))
        self.H, self.c = half + half.swapaxes(1, 2), c
        self.v = rng.standard_normal((3, d))

    @property
    def question(self) -> Changes:
        return Changes(np.zeros(self.g.shape[1]), self.v, LENGTHS)

    @property
    def ends(self) -> np.ndarray:
        """(m, 2, p) v'H v."""
        values = np.einsum("pi,mij,pj->mp", self.v, self.H, self.v)
        return np.stack([values, values], axis=1)

    def changes(self) -> np.ndarray:
        """(m, p, t)."""
        t = LENGTHS
        cube = self.c * self.v.sum(axis=1)[:, None] ** 3 * t**3
        slope = (self.g @ self.v.T)[..., None] * t
        return slope + self.ends[:, 0][..., None] * t**2 / 2 + cube


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(-2.0, 2.0))
def test_answers_of_one_smooth_function_contradict_nothing(seed: int, c: float) -> None:
    cubic = Cubic(seed, c=c)
    found, spread = slopes(cubic.question, cubic.changes(), cubic.g, 2)
    assert (found <= 1e-6 * spread).all()
    found, spread = bends(cubic.question, cubic.changes(), cubic.v, cubic.ends, 2)
    assert found.shape == (9, 3)
    assert (found <= 1e-3 * spread).all()


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(0.01, 100.0))
def test_a_lie_about_the_gradient_is_off_by_its_slope(seed: int, size: float) -> None:
    cubic = Cubic(seed)
    told = cubic.g.copy()
    told[4] += size * cubic.v[0]
    found, _ = slopes(cubic.question, cubic.changes(), told, 2)
    np.testing.assert_allclose(found[4], size * np.abs(cubic.v @ cubic.v[0]), rtol=1e-3)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(0.01, 100.0))
def test_a_lie_about_a_curvature_is_off_by_its_size_whatever_the_slope(
    seed: int, size: float
) -> None:
    cubic = Cubic(seed)
    told = cubic.ends.copy()
    told[4] += size
    found, _ = bends(cubic.question, cubic.changes(), cubic.v, told, 2)
    np.testing.assert_allclose(found[4], size, rtol=0.05, atol=1e-4)


def test_only_directions_that_were_asked_for_in_both_are_compared_up_to_length_and_sign() -> None:
    cubic = Cubic(0)
    other = np.stack([-3.0 * cubic.v[1], np.eye(4)[0]])
    values = np.einsum("pi,mij,pj->mp", other, cubic.H, other)
    ends = np.stack([values, values], axis=1)
    found, spread = bends(cubic.question, cubic.changes(), other, ends, 2)
    assert found.shape == (9, 1)
    assert (found <= 1e-3 * spread).all()


def test_a_kink_between_the_lengths_is_no_contradiction() -> None:
    question = Changes(np.zeros(1), np.ones((1, 1)), LENGTHS)
    kinks = np.array([0.003, 0.2, 0.05, 1.0, 9.0])
    g = np.arange(1.0, 6.0)
    changes = (g[:, None] * LENGTHS + np.maximum(LENGTHS - kinks[:, None], 0.0))[:, None]
    found, _ = slopes(question, changes, g[:, None], 1)
    assert (found < 1e-9).all()


def test_a_lowest_eigenvalue_is_held_against_the_curvature_along_its_own_direction() -> None:
    m, v = 5, np.eye(3)
    curvature = np.array([[-1.0, 2.0, 3.0]] * m) + np.arange(m)[:, None] / 10
    ends = np.stack([curvature - 1e-12, curvature + 1e-12], axis=1)
    least = np.column_stack(
        [curvature[:, 0] - 1, curvature[:, 0], curvature[:, 2], np.tile(v[0], (m, 1))]
    )
    found, _ = extremes(least, 2 * v, 4 * ends, 1)  # directions of any length
    np.testing.assert_allclose(found, 0.0, atol=1e-11)
    least[3, 1] += 0.75
    least[2, 0] = curvature[2, 0] + 0.5  # a lower bound above what the worker itself measured
    found, _ = extremes(least, v, ends, 1)
    np.testing.assert_allclose(found[:, 0], [0, 0, 0, 0.75, 0], atol=1e-11)
    np.testing.assert_allclose(found[:, 1], [0, 0, 0.5, 0, 0], atol=1e-11)


@settings(max_examples=15)
@given(st.integers(0, 1000))
def test_gradients_of_one_function_have_no_curl_and_others_have(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cubic = Cubic(seed)
    points = np.concatenate([np.zeros((1, 4)), rng.standard_normal((5, 4))])
    rows = cubic.g + np.einsum("mij,qj->qmi", cubic.H, points)
    turn = np.zeros((4, 4))
    turn[0, 1], turn[1, 0] = 1.0, -1.0
    rows[:, 6] += points @ turn.T
    found, spread = curls(points, rows, 2)
    honest = np.delete(found, 6, axis=1 - 1)
    assert (honest <= 1e-9 * (1 + spread)).all()
    assert found[6].max() > 1e-3


def test_points_in_one_line_are_not_compared() -> None:
    points = np.arange(4.0)[:, None] * np.ones(3)
    found, _ = curls(points, np.zeros((4, 5, 3)), 1)
    assert found.shape == (5, 0)


def test_a_lie_that_is_true_at_one_length_is_seen_at_the_others() -> None:
    question = Changes(np.zeros(1), np.ones((1, 1)), LENGTHS)
    changes = np.repeat(-(LENGTHS**3)[None, None] / (LENGTHS[5] * LENGTHS[6]), 3, axis=0)
    found, _ = slopes(question, changes, np.ones((3, 1)), 1)  # the slope is 1 from there to there
    assert (found > 0.9).all()


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_lengths_compare_nothing(count: int) -> None:
    cubic = Cubic(0)
    question = Changes(np.zeros(4), cubic.v, LENGTHS[:count])
    found, _ = slopes(question, cubic.changes()[:, :, :count], cubic.g, 2)
    assert found.size == 0
