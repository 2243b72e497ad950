"""What is known in closed form about single members, and the machinery behind their saddles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saddleproof.errors import OptionError
from saddleproof.problems import (
    DeepLinear,
    Example1,
    Example2,
    GaussianMixture,
    PCADigits,
    Phase,
    RotatedQuartic,
    Sensing,
    Tensor,
    UnequalHessians,
)
from saddleproof.problems.known import descend, newton
from saddleproof.problems.moments import CubicForm
from saddleproof.problems.saddle import is_saddle


@given(w=st.floats(-3, 3))
def test_example_1_is_the_papers_double_well(w):
    problem = Example1(seed=0)
    point = np.array([w])
    assert problem.value(point) == pytest.approx((w**2 - 1) ** 2 / 4, abs=1e-12)
    assert problem.gradient(point)[0] == pytest.approx(w**3 - w, abs=1e-12)


def test_example_2_bends_by_its_spectrum_and_has_its_minima_at_one():
    problem = Example2(seed=0)
    np.testing.assert_allclose(problem.hessian(np.zeros(2)), np.diag([-0.5, 1.0]))
    np.testing.assert_allclose(np.abs(problem.minimum), [1, 0], atol=1e-12)


def test_a_rotated_quartic_is_example_2_in_turned_coordinates():
    problem = RotatedQuartic(seed=0)
    spectrum = np.linalg.eigvalsh(problem.hessian(problem.saddle))
    np.testing.assert_allclose(spectrum, np.append(-0.5, np.linspace(0.3, 1, 49)))
    assert np.abs(problem.escape_direction).max() < 0.9
    assert problem.excess(problem.escape_direction) == pytest.approx(0)


def test_tilts_shrink_like_one_over_root_n_and_cancel_in_the_pool():
    tilts = RotatedQuartic(seed=0, n=10_000).gradients(np.zeros((1, 50)))[0]
    assert tilts.std() == pytest.approx(0.01, rel=0.1)
    np.testing.assert_allclose(tilts.mean(axis=0), 0, atol=1e-15)


def test_only_hetero10s_workers_disagree_about_the_hessian():
    def spread(problem):
        messages = problem.gradients(np.stack([np.zeros(problem.d), np.eye(problem.d)[0]]))
        return np.ptp(messages[1] - messages[0], axis=0).max()

    assert spread(RotatedQuartic(seed=0)) < 1e-12
    assert spread(UnequalHessians(seed=0)) > 0.01


def test_pca_digits_starts_at_the_tenth_eigenvector_and_falls_to_the_first():
    problem = PCADigits(seed=0)
    S = problem.S.mean(axis=0)
    eigenvalues = np.linalg.eigvalsh(S)[::-1]
    assert eigenvalues[0] == pytest.approx(1)
    w = problem.saddle
    np.testing.assert_allclose(S @ w, eigenvalues[9] * w, atol=1e-12)
    assert w @ w == pytest.approx(eigenvalues[9])
    assert problem.value(problem.minimum) == pytest.approx(-0.25)  # -lambda_1^2 / 4
    assert np.linalg.eigvalsh(problem.hessian(w))[0] == pytest.approx(eigenvalues[9] - 1)


def test_tensors_saddle_lies_between_two_components_and_its_minimum_on_one():
    problem = Tensor(seed=0)
    overlap = problem.minimum @ problem.saddle
    cosine = overlap / np.linalg.norm(problem.minimum) / np.linalg.norm(problem.saddle)
    assert abs(cosine) == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert problem.value(problem.minimum) == pytest.approx(-0.25, abs=0.02)


def test_phase_falls_from_orthogonal_to_the_signal_to_the_signal():
    problem = Phase(seed=0)
    assert abs(problem.saddle @ problem.x) < 0.05
    assert np.linalg.norm(problem.saddle) == pytest.approx(1 / np.sqrt(3), abs=0.05)
    np.testing.assert_allclose(abs(problem.minimum @ problem.x), 1, atol=1e-6)
    assert problem.value(problem.minimum) == pytest.approx(0, abs=1e-12)


def test_no_worker_pushes_along_sensings_way_out():
    for alive in (0, 1):
        problem = Sensing(seed=0, alive=alive)
        assert is_saddle(problem, problem.saddle)
        messages = problem.gradients(problem.saddle[None])[0]
        np.testing.assert_allclose(messages @ problem.escape_direction, 0, atol=1e-12)


@pytest.mark.parametrize("member", [Phase, GaussianMixture])
def test_data_without_a_saddle_are_drawn_again(member, monkeypatch):
    """The first draw answers a minimum, the second the origin: both are refused."""
    draw, drawn = member._draw, []

    def unlucky(self, n):
        w = draw(self, n)
        drawn.append(w)
        if len(drawn) == 1:
            return descend(self, w + 0.3)
        return np.zeros(self.d) if len(drawn) == 2 else w

    monkeypatch.setattr(member, "_draw", unlucky)
    problem = member(seed=0)
    assert len(drawn) == 3
    assert is_saddle(problem, problem.saddle)


def test_data_that_never_have_a_saddle_are_given_up():
    with pytest.raises(OptionError, match="more samples"):
        GaussianMixture(workers=1, n=1)


@given(
    points=arrays(float, (3, 4), elements=st.floats(-2, 2)),
    samples=arrays(float, (2, 5, 4), elements=st.floats(-2, 2)),
)
def test_the_cubic_form_is_the_mean_over_samples(points, samples):
    t = np.einsum("qd,mnd->qmn", points, samples)
    expected = np.einsum("qmn,mnd->qmd", t**3, samples) / 5
    np.testing.assert_allclose(CubicForm(samples)(points), expected, atol=1e-9)


def test_newton_stops_where_it_makes_no_progress():
    problem = Example2(seed=0)
    np.testing.assert_allclose(newton(problem, np.array([0.9, 0.3])), [1, 0], atol=1e-12)
    at_rest = newton(problem, problem.saddle)
    assert np.linalg.norm(problem.gradient(at_rest)) <= np.linalg.norm(
        problem.gradient(problem.saddle)
    )
    assert not is_saddle(problem, np.array([1.0, 0.0]))
    assert not is_saddle(problem, np.array([0.1, 0.0]))


def test_deeplins_way_out_is_as_steep_as_its_second_channel():
    problem = DeepLinear(seed=0)
    assert -2 * problem.curvature == pytest.approx(-0.6 * 0.8, rel=0.05)
    messages = problem.gradients(problem.saddle[None])[0]
    np.testing.assert_allclose(messages @ problem.escape_direction, 0, atol=1e-12)
