"""A loss of one's own: `Problem(loss, shards)`."""

from __future__ import annotations

import numpy as np
import pytest

from saddleproof.errors import OptionError
from saddleproof.problems import Problem


class LeastSquares:
    """mean (x'w - y)^2 / 2; data are (x, y)."""

    d = 3

    def value(self, w, data):
        x, y = data
        return ((x @ w - y) ** 2).mean() / 2

    def gradient(self, points, data):
        x, y = data
        return (points @ x.T - y) @ x / len(y)


class VectorisedLeastSquares(LeastSquares):
    def gradient(self, points, data):
        raise AssertionError("the vectorised gradients must be used")

    def gradients(self, points, shards):
        return np.stack([LeastSquares().gradient(points, s) for s in shards], axis=1)


@pytest.fixture
def shards():
    rng = np.random.default_rng(0)
    return [(rng.standard_normal((8, 3)), rng.standard_normal(8)) for _ in range(5)]


def test_a_users_loss_is_asked_worker_by_worker(shards):
    problem = Problem(LeastSquares(), shards)
    points = np.random.default_rng(1).standard_normal((4, 3))
    messages = problem.gradients(points)
    assert messages.shape == (4, 5, 3)
    for i, (x, y) in enumerate(shards):
        for k, w in enumerate(points):
            np.testing.assert_allclose(messages[k, i], x.T @ (x @ w - y) / 8)


def test_vectorised_gradients_are_used_where_they_exist(shards):
    points = np.random.default_rng(1).standard_normal((4, 3))
    np.testing.assert_array_equal(
        Problem(VectorisedLeastSquares(), shards).gradients(points),
        Problem(LeastSquares(), shards).gradients(points),
    )


def test_the_pooled_loss_weighs_workers_alike(shards):
    problem = Problem(LeastSquares(), shards)
    w = np.array([1.0, -1.0, 2.0])
    assert problem.value(w) == pytest.approx(np.mean([LeastSquares().value(w, s) for s in shards]))


def test_the_hessian_of_a_users_loss_comes_from_differences(shards):
    exact = np.mean([x.T @ x / 8 for x, _ in shards], axis=0)
    for w in (np.zeros(3), np.array([100.0, -3.0, 0.5])):
        np.testing.assert_allclose(
            Problem(LeastSquares(), shards).hessian(w), exact, rtol=1e-6, atol=1e-8
        )


def test_what_is_known_is_kept_and_what_is_not_is_none(shards):
    bare = Problem(LeastSquares(), shards)
    assert bare.saddle is bare.start is bare.smoothness is None
    told = Problem(LeastSquares(), shards, start=np.ones(3), smoothness=2.0, name="mine")
    assert (told.smoothness, told.name) == (2.0, "mine")
    np.testing.assert_array_equal(told.start, np.ones(3))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (np.zeros(3), r"\(4, 3\).*got ndarray of shape \(3,\)"),
        (np.zeros((4, 2)), r"\(4, 3\).*got ndarray of shape \(4, 2\)"),
        (None, r"\(4, 3\).*NoneType"),
        ([[1.0], [1.0, 2.0]], r"\(4, 3\).*list"),
        ("gradient", r"\(4, 3\).*str"),
    ],
)
def test_a_gradient_of_the_wrong_shape_is_named_with_its_worker(shards, answer, complaint):
    loss = LeastSquares()
    loss.gradient = lambda points, data: answer
    with pytest.raises(OptionError, match=f"worker 0.*{complaint}"):
        Problem(loss, shards).gradients(np.zeros((4, 3)))


def test_vectorised_gradients_of_the_wrong_shape_are_named(shards):
    loss = LeastSquares()
    loss.gradients = lambda points, shards: np.zeros((5, 4, 3))
    with pytest.raises(OptionError, match=r"gradients must return shape \(4, 5, 3\)"):
        Problem(loss, shards).gradients(np.zeros((4, 3)))


@pytest.mark.parametrize("points", [np.zeros(3), np.zeros((2, 4)), np.zeros((1, 1, 3))])
def test_points_must_be_rows_of_length_d(shards, points):
    with pytest.raises(OptionError, match="d=3"):
        Problem(LeastSquares(), shards).gradients(points)


def test_a_problem_without_workers_or_dimension_is_refused(shards):
    with pytest.raises(OptionError, match="shard"):
        Problem(LeastSquares(), [])
    for d in (None, 0, "3"):
        loss = LeastSquares()
        loss.d = d
        with pytest.raises(OptionError, match="d, its number of parameters"):
            Problem(loss, shards)
    with pytest.raises(OptionError, match="start"):
        Problem(LeastSquares(), shards, start=np.zeros(4))


def test_nan_in_a_users_gradient_is_passed_on_for_the_oracle_to_judge(shards):
    loss = LeastSquares()
    loss.gradient = lambda points, data: np.full(points.shape, np.nan)
    assert np.isnan(Problem(loss, shards).gradients(np.zeros((2, 3)))).all()
