"""Every member's values at many points, and its workers' Hessians times vectors of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.codes import Code, Cyclic, Repetition
from saddleproof.problems.table import ALL_PROBLEMS

#: No size is equal to another, so that an axis in the wrong place shows.
WORKERS, VECTORS = 7, 3
OPTIONS: dict[str, dict[str, Any]] = {
    "two_layer": {"hidden": 5},
    "linear_autoencoder": {"components": 12, "units": (1, 4, 9)},
}


@pytest.fixture(scope="module", params=ALL_PROBLEMS)
def member(request: pytest.FixtureRequest) -> Any:
    options = OPTIONS.get(request.param, {})
    return ALL_PROBLEMS[request.param](seed=3, workers=WORKERS, **options)


def points_of(problem: Any, q: int) -> np.ndarray:
    """Points at a distance of about 1 from the origin of the problem."""
    noise = np.random.default_rng(0).standard_normal((q, problem.d))
    return problem.origin + noise / np.sqrt(problem.d)


def vectors_of(problem: Any) -> np.ndarray:
    """Unit vectors, other ones for every worker."""
    vectors = np.random.default_rng(1).standard_normal((problem.m, VECTORS, problem.d))
    return vectors / np.linalg.norm(vectors, axis=2, keepdims=True)


def differences(problem: Any, w: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Every worker's slope of its own gradient along its own vectors: Richardson, error O(h^4)."""
    flat = vectors.reshape(-1, problem.d)
    own = np.arange(problem.m).repeat(vectors.shape[1])

    def central(h: float) -> np.ndarray:
        ahead, behind = (problem.gradients(w + s * flat) for s in (h, -h))
        return ((ahead - behind) / (2 * h))[np.arange(len(flat)), own]

    h = 2e-3
    return ((4 * central(h / 2) - central(h)) / 3).reshape(vectors.shape)


def test_the_values_at_many_points_are_the_values_one_by_one(member):
    points = points_of(member, 5)
    together = member.values_at(points)
    assert together.shape == (5, WORKERS)
    one_by_one = [member.values(w) for w in points]
    np.testing.assert_allclose(together, one_by_one, rtol=1e-13, atol=1e-14)


def test_a_change_of_a_workers_loss_is_the_integral_of_its_gradient(member):
    """Gauss and Legendre's nodes: a polynomial of degree 15 exactly."""
    here, there = points_of(member, 2)
    there = here + 0.3 * (there - here)
    nodes, weights = np.polynomial.legendre.leggauss(8)
    path = here + np.outer((nodes + 1) / 2, there - here)
    slopes = member.gradients(path) @ (there - here)  # (8, m)
    before, after = member.values_at(np.stack([here, there]))
    np.testing.assert_allclose(after - before, weights / 2 @ slopes, rtol=1e-9, atol=1e-12)


def test_products_are_the_slopes_of_each_workers_gradient_along_its_own_vectors(member):
    vectors = vectors_of(member)
    for w in (*points_of(member, 2), member.origin):
        products = member.products(w, vectors)
        assert products.shape == vectors.shape
        np.testing.assert_allclose(products, differences(member, w, vectors), atol=1e-9)


def test_the_hessian_is_the_mean_of_the_products_on_the_axes(member):
    axes = np.broadcast_to(np.eye(member.d), (member.m, member.d, member.d))
    for w in points_of(member, 2):
        pooled = member.products(w, axes).mean(axis=0)
        np.testing.assert_allclose(member.hessian(w), pooled, atol=1e-12)


def test_the_inputs_are_left_as_they_were(member):
    points, vectors = points_of(member, 2), vectors_of(member)
    w, own = points[0].copy(), vectors.copy()
    member.values_at(points)
    member.products(points[0], vectors)
    np.testing.assert_array_equal(points[0], w)
    np.testing.assert_array_equal(vectors, own)


@pytest.mark.parametrize("far", [1e60, 1e200, np.inf])
def test_points_far_away_are_answered_without_a_warning(member, far):
    w = np.full(member.d, far)
    with np.errstate(over="ignore", invalid="ignore"):
        assert member.values_at(w[None]).shape == (1, WORKERS)
        assert member.products(w, vectors_of(member)).shape == (WORKERS, VECTORS, member.d)


@pytest.mark.parametrize("code", [Repetition(1), Cyclic(2)], ids=["repetition", "cyclic"])
@pytest.mark.parametrize("name", ["unequal_hessians", "pca_digits"])
def test_coded_workers_answer_for_their_mixtures(name: str, code: Code):
    coded = sp.problems.Coded(ALL_PROBLEMS[name](workers=9, seed=0), code)
    points, vectors = points_of(coded, 3), vectors_of(coded)
    np.testing.assert_allclose(coded.values_at(points), [coded.values(w) for w in points])
    products = coded.products(points[0], vectors)
    np.testing.assert_allclose(products, differences(coded, points[0], vectors), atol=1e-9)


def test_coded_workers_with_the_same_parts_and_vectors_send_the_same_bits():
    coded = sp.problems.Coded(ALL_PROBLEMS["unequal_hessians"](workers=9, seed=0), Repetition(1))
    w, vectors = points_of(coded, 1)[0], vectors_of(coded)[[0, 0, 0, 3, 3, 3, 6, 6, 6]]
    products = coded.products(w, vectors).reshape(3, 3, -1)
    np.testing.assert_array_equal(products, products[:, :1].repeat(3, axis=1))
