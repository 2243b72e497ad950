"""Every member of the table: its gradients, its Hessian, its saddle and its judge."""

from __future__ import annotations

import numpy as np
import pytest

from saddleproof.errors import MissingExtraError, OptionError
from saddleproof.problems.saddle import SaddleProblem, lambda_min
from saddleproof.problems.table import PROBLEMS

SMALL = {"example1": 1, "example2": 2, "rotated_quartic": 50, "pca_digits": 20, "tensor": 8}
DIMENSIONS = SMALL | {"phase": 10, "sensing": 16, "deeplin": 27, "gmm12": 12, "hetero10": 10}


@pytest.fixture(scope="module", params=PROBLEMS)
def problem(request: pytest.FixtureRequest) -> SaddleProblem:
    return PROBLEMS[request.param](seed=3)


def points_of(problem: SaddleProblem, q: int) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((q, problem.d))
    return problem.saddle + 0.5 * noise / np.sqrt(problem.d)


def differences(f, w: np.ndarray) -> np.ndarray:
    """Central differences of f along each axis, stacked in front."""
    h = 1e-5
    return np.stack([(f(w + e) - f(w - e)) / (2 * h) for e in h * np.eye(len(w))])


def test_the_table_names_every_problem_by_its_own_name_and_dimension(problem):
    assert PROBLEMS[problem.name] is type(problem)
    assert (problem.d, problem.m) == (DIMENSIONS[problem.name], 20)
    assert problem.start.dtype == problem.saddle.dtype == np.float64


def test_each_workers_gradient_is_the_slope_of_its_own_loss(problem):
    points = points_of(problem, 3)
    for w, messages in zip(points, problem.gradients(points), strict=True):
        np.testing.assert_allclose(messages, differences(problem.values, w).T, atol=2e-8)


def test_all_points_in_one_call_are_the_points_one_by_one(problem):
    points = points_of(problem, 7)
    together = problem.gradients(points)
    assert together.shape == (7, 20, problem.d)
    one_by_one = np.concatenate([problem.gradients(point[None]) for point in points])
    np.testing.assert_allclose(together, one_by_one, rtol=1e-10, atol=1e-12)


def test_the_pooled_loss_is_the_mean_over_workers(problem):
    w = points_of(problem, 1)[0]
    assert problem.value(w) == pytest.approx(problem.values(w).mean())
    np.testing.assert_allclose(problem.gradient(w), problem.gradients(w[None])[0].mean(axis=0))


def test_the_hessian_is_the_slope_of_the_pooled_gradient(problem):
    for w in points_of(problem, 3):
        hessian = problem.hessian(w)
        np.testing.assert_allclose(hessian, differences(problem.gradient, w), atol=5e-8)
        np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)


def test_workers_disagree_at_the_saddle(problem):
    messages = problem.gradients(problem.saddle[None])[0]
    assert np.linalg.norm(messages, axis=1).min() > 1e-4


def test_an_overflowing_point_is_answered_without_a_warning(problem):
    messages = problem.gradients(np.full((1, problem.d), 1e200))
    assert messages.shape == (1, 20, problem.d)


def test_the_judge_tells_the_minimum_from_the_saddle(problem):
    assert problem.left_saddle(problem.minimum)
    assert not problem.left_saddle(problem.saddle)
    assert not problem.left_saddle(problem.start)
    assert not problem.left_saddle(np.full(problem.d, np.nan))
    assert problem.excess(problem.saddle) == pytest.approx(1)
    assert problem.excess(problem.minimum) == pytest.approx(0)


def test_low_loss_alone_does_not_count_as_having_left(problem):
    """Along a path to the minimum, both of the judge's conditions have to come true."""
    for t in np.linspace(0, 1, 21):
        w = problem.saddle + t * (problem.minimum - problem.saddle)
        curved = lambda_min(problem.hessian(w)) > lambda_min(problem.hessian(problem.saddle)) / 2
        assert problem.left_saddle(w) == (curved and problem.excess(w) < 0.5)


def test_the_minimum_is_a_minimum_below_the_saddle(problem):
    assert np.linalg.norm(problem.gradient(problem.minimum)) < 1e-8
    assert lambda_min(problem.hessian(problem.minimum)) > -1e-8
    assert problem.value(problem.minimum) < problem.value(problem.saddle) - 0.03


def test_curvature_and_smoothness_are_read_off_the_hessians(problem):
    at_saddle = np.linalg.eigvalsh(problem.hessian(problem.saddle))
    at_minimum = np.linalg.eigvalsh(problem.hessian(problem.minimum))
    assert problem.curvature == pytest.approx(-at_saddle[0] / 2)
    largest = max(np.abs(at_saddle).max(), np.abs(at_minimum).max())
    assert problem.smoothness == pytest.approx(1.2 * largest)
    v = problem.escape_direction
    assert np.linalg.norm(v) == pytest.approx(1)
    assert v @ problem.hessian(problem.saddle) @ v == pytest.approx(at_saddle[0])


def test_the_start_is_the_saddle_plus_noise_of_a_thousandth(problem):
    noise = problem.start - problem.saddle
    assert 0 < np.linalg.norm(noise) / np.sqrt(problem.d) < 4e-3


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_seed_has_its_saddle_and_its_own_data(name):
    starts, tilts = [], []
    for seed in range(24):
        problem = PROBLEMS[name](seed=seed)
        assert np.linalg.norm(problem.gradient(problem.saddle)) < 1e-8
        assert lambda_min(problem.hessian(problem.saddle)) < -0.1
        starts.append(problem.start - problem.saddle)
        tilts.append(problem.gradients(problem.saddle[None])[0, 0])
    for drawn in (starts, tilts):
        assert len(np.unique(np.round(drawn, 12), axis=0)) == 24


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_seed_gives_the_same_problem_again(name):
    one, two = PROBLEMS[name](seed=5), PROBLEMS[name](seed=5)
    np.testing.assert_array_equal(one.start, two.start)
    points = points_of(one, 2)
    np.testing.assert_array_equal(one.gradients(points), two.gradients(points))


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("options", [{"workers": 0}, {"seed": -1}])
def test_impossible_sizes_are_refused_by_name(name, options):
    with pytest.raises(OptionError, match=next(iter(options))):
        PROBLEMS[name](**options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("example1", {"n": 0}),
        ("hetero10", {"n": 0}),
        ("rotated_quartic", {"d": 0}),
        ("pca_digits", {"components": 9}),
        ("pca_digits", {"components": 65}),
        ("pca_digits", {"workers": 1798}),
        ("sensing", {"alive": 2}),
    ],
)
def test_options_without_a_saddle_are_refused(name, options):
    with pytest.raises(OptionError, match=f"{name}.*got {next(iter(options.values()))}"):
        PROBLEMS[name](**options)


def test_points_of_another_dimension_are_refused(problem):
    with pytest.raises(OptionError, match=f"d={problem.d}"):
        problem.gradients(np.zeros((2, problem.d + 1)))


def test_missing_scikit_learn_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"saddleproof\[data\]"):
        PROBLEMS["pca_digits"]()
