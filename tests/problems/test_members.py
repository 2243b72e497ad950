"""Every member of the table: its gradients, its Hessian, its saddle and its judge."""

from __future__ import annotations

import numpy as np
import pytest

from saddleproof.errors import MissingExtraError, OptionError
from saddleproof.problems.known import KnownProblem
from saddleproof.problems.saddle import SaddleProblem, lambda_min
from saddleproof.problems.table import ALL_PROBLEMS, PROBLEMS
from saddleproof.testing import check_problem

SMALL = {"example1": 1, "example2": 2, "rotated_quartic": 50, "pca_digits": 20, "tensor": 8}
MIDDLE = {
    "phase": 10,
    "sensing": 16,
    "deep_linear": 27,
    "gaussian_mixture": 12,
    "unequal_hessians": 10,
}
DIMENSIONS = SMALL | MIDDLE | {"linear_autoencoder": 80, "spiked_pca": 100}
DIMENSIONS |= {"matrix_factorization": 16, "two_layer": 44, "lower_bound": 1}
DIMENSIONS |= {"robust_regression": 10, "logistic": 30}
SADDLES = [name for name, make in ALL_PROBLEMS.items() if issubclass(make, SaddleProblem)]
#: No worker's gradient is anything but 0 there.
SILENT = ("two_layer",)


@pytest.fixture(scope="module", params=ALL_PROBLEMS)
def member(request: pytest.FixtureRequest) -> KnownProblem:
    return ALL_PROBLEMS[request.param](seed=3)


@pytest.fixture(scope="module", params=SADDLES)
def problem(request: pytest.FixtureRequest) -> SaddleProblem:
    return ALL_PROBLEMS[request.param](seed=3)


def points_of(problem: KnownProblem, q: int) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((q, problem.d))
    return problem.origin + 0.5 * noise / np.sqrt(problem.d)


def differences(f, w: np.ndarray) -> np.ndarray:
    """Central differences of f along each axis, stacked in front."""
    h = 1e-5
    return np.stack([(f(w + e) - f(w - e)) / (2 * h) for e in h * np.eye(len(w))])


def test_the_table_names_every_problem_by_its_own_name_and_dimension(member):
    assert ALL_PROBLEMS[member.name] is type(member)
    assert (member.d, member.m) == (DIMENSIONS[member.name], 20)
    assert member.start.dtype == member.origin.dtype == np.float64


def test_each_workers_gradient_is_the_slope_of_its_own_loss(member):
    points = points_of(member, 3)
    for w, messages in zip(points, member.gradients(points), strict=True):
        np.testing.assert_allclose(messages, differences(member.values, w).T, atol=2e-8)


def test_all_points_in_one_call_are_the_points_one_by_one(member):
    points = points_of(member, 7)
    together = member.gradients(points)
    assert together.shape == (7, 20, member.d)
    one_by_one = np.concatenate([member.gradients(point[None]) for point in points])
    np.testing.assert_allclose(together, one_by_one, rtol=1e-10, atol=1e-12)


def test_the_pooled_loss_is_the_mean_over_workers(member):
    w = points_of(member, 1)[0]
    assert member.value(w) == pytest.approx(member.values(w).mean())
    np.testing.assert_allclose(member.gradient(w), member.gradients(w[None])[0].mean(axis=0))


def test_the_hessian_is_the_slope_of_the_pooled_gradient(member):
    for w in points_of(member, 3):
        hessian = member.hessian(w)
        np.testing.assert_allclose(hessian, differences(member.gradient, w), atol=5e-8)
        np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)


def test_workers_disagree_at_the_saddle(problem):
    messages = problem.gradients(problem.saddle[None])[0]
    norms = np.linalg.norm(messages, axis=1)
    assert (norms == 0).all() if problem.name in SILENT else norms.min() > 1e-4


def test_an_overflowing_point_is_answered_without_a_warning(member):
    messages = member.gradients(np.full((1, member.d), 1e200))
    assert messages.shape == (1, 20, member.d)


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


@pytest.mark.parametrize("seeds", [5, pytest.param(24, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", PROBLEMS)
def test_every_seed_has_its_saddle_and_its_own_data(name, seeds):
    starts, tilts = [], []
    for seed in range(seeds):
        problem = PROBLEMS[name](seed=seed)
        assert np.linalg.norm(problem.gradient(problem.saddle)) < 1e-8
        assert lambda_min(problem.hessian(problem.saddle)) < -0.1
        starts.append(problem.start - problem.saddle)
        tilts.append(problem.gradients(problem.saddle[None])[0, 0])
    for drawn in (starts, tilts):
        assert len(np.unique(np.round(drawn, 12), axis=0)) == seeds


@pytest.mark.parametrize("name", ALL_PROBLEMS)
def test_a_seed_gives_the_same_problem_again(name):
    one, two = ALL_PROBLEMS[name](seed=5), ALL_PROBLEMS[name](seed=5)
    np.testing.assert_array_equal(one.start, two.start)
    points = points_of(one, 2)
    np.testing.assert_array_equal(one.gradients(points), two.gradients(points))


@pytest.mark.parametrize("name", ALL_PROBLEMS)
@pytest.mark.parametrize("options", [{"workers": 0}, {"seed": -1}])
def test_impossible_sizes_are_refused_by_name(name, options):
    with pytest.raises(OptionError, match=next(iter(options))):
        ALL_PROBLEMS[name](**options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("example1", {"n": 0}),
        ("unequal_hessians", {"n": 0}),
        ("rotated_quartic", {"d": 0}),
        ("pca_digits", {"components": 9}),
        ("pca_digits", {"components": 65}),
        ("pca_digits", {"workers": 1798}),
        ("sensing", {"alive": 2}),
        ("matrix_factorization", {"column": "second"}),
        ("two_layer", {"workers": 1798}),
        ("two_layer", {"decay": 1.0}),
        ("lower_bound", {"inexactness": 1.5}),
        ("logistic", {"workers": 570}),
        ("logistic", {"decay": -1.0}),
    ],
)
def test_options_without_a_saddle_are_refused(name, options):
    with pytest.raises(OptionError, match=f"{name}.*got '?{next(iter(options.values()))}"):
        ALL_PROBLEMS[name](**options)


def test_points_of_another_dimension_are_refused(member):
    with pytest.raises(OptionError, match=f"d={member.d}"):
        member.gradients(np.zeros((2, member.d + 1)))


@pytest.mark.parametrize("name", ["pca_digits", "two_layer", "logistic"])
def test_missing_scikit_learn_is_named_with_its_extra(name, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"saddleproof\[data\]"):
        ALL_PROBLEMS[name]()


def test_every_problem_passes_the_published_suite(member):
    check_problem(member)
