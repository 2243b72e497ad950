"""Products and Hessians from gradients are within the errors that they state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from saddleproof.arrays import Vector
from saddleproof.curvature import noise
from saddleproof.curvature.differences import Differences, hessian, norm, product

Gradient = Callable[[Vector], Vector]


def matrix_of(seed: int, d: int, spread: float = 1.0) -> Vector:
    """A symmetric matrix with eigenvalues of both signs, the largest 10^spread."""
    generator = np.random.default_rng(seed)
    turn = np.linalg.qr(generator.standard_normal((d, d)))[0]
    values = generator.choice([-1, 1], d) * 10.0 ** generator.uniform(0, spread, d)
    found: Vector = turn @ np.diag(values) @ turn.T
    return (found + found.T) / 2


def quadratic(matrix: Vector, centre: Vector) -> Gradient:
    return lambda points: (points - centre) @ matrix


def single(matrix: Vector, centre: Vector, tilt: Vector, *, hidden: bool) -> Gradient:
    """In float32; `hidden` goes on in float64, so that no digit shows it."""
    offset = (centre @ matrix - tilt).astype(np.float32)

    def gradient(points: Vector) -> Vector:
        short = points.astype(np.float32) @ matrix.astype(np.float32) - offset
        return short.astype(float) * (1 + 1e-12) if hidden else short.astype(float)

    return gradient


@example(seed=1623, d=4, spread=8.0, scale=1e6)  # w rounds away a part of every step
@example(seed=1888, d=3, spread=8.0, scale=1e6)
@given(
    seed=st.integers(0, 2**32 - 1),
    d=st.integers(1, 5),
    spread=st.sampled_from([0.0, 3.0, 8.0]),
    scale=st.sampled_from([1e-9, 1.0, 1e6]),
)
def test_products_are_within_their_errors(seed: int, d: int, spread: float, scale: float) -> None:
    matrix, generator = matrix_of(seed, d, spread), np.random.default_rng(seed)
    w = generator.standard_normal(d) * scale
    by = Differences(quadratic(matrix, w + generator.standard_normal(d)), w)
    for _ in range(3):
        v = generator.standard_normal(d) * 10.0 ** generator.uniform(-3, 3)
        found = by.product(v)
        assert norm(found.vector - matrix @ v) <= found.error
        assert found.error <= 1e-3 * norm(matrix) * norm(v)


@pytest.mark.parametrize("hidden", [False, True])
def test_a_float32_gradient_is_within_its_errors(hidden: bool) -> None:
    for seed in range(60):
        generator = np.random.default_rng(seed)
        d = int(generator.integers(1, 6))
        matrix = matrix_of(seed, d).astype(np.float32).astype(float)
        w = generator.standard_normal(d) * 10 ** generator.uniform(-1, 2)
        found = Differences(single(matrix, w, np.zeros(d), hidden=hidden), w)
        for v in (*np.eye(d), generator.standard_normal(d)):
            one = found.product(v)
            assert norm(one.vector - matrix @ v) <= one.error
            assert one.error <= 0.5 * norm(matrix) * norm(v)


@pytest.mark.parametrize("hidden", [False, True])
def test_a_change_that_a_large_gradient_swallows_is_not_called_zero(hidden: bool) -> None:
    """At 1000 a float32 moves in steps of 6e-5: curvature -1e-3 never shows within h."""
    matrix = np.diag([1.0, -1e-3])
    gradient = single(matrix, np.zeros(2), np.array([0.0, 1e3]), hidden=hidden)
    found = product(gradient, np.zeros(2), np.eye(2)[1])
    assert norm(found.vector - matrix[1]) <= found.error


@pytest.mark.parametrize("far", [1e3, 1e6, 1e9, 1e12, 1e15])
@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-6])
def test_a_well_of_any_size_beside_a_parameter_of_any_size_is_seen(far: float, size: float) -> None:
    def gradient(points: Vector) -> Vector:
        x = points[:, 1] / size
        return np.stack([points[:, 0] - far, size * (x**3 - x)], axis=1)

    w = np.array([far, 0.0])
    found, error = hessian(gradient, w)
    assert np.linalg.norm(found - np.diag([1.0, -1.0]), 2) <= error < 0.1


@pytest.mark.parametrize("far", [1e6, 1e9, 1e12, 1e15])
def test_a_direction_whose_move_is_lost_beside_one_parameter_is_multiplied_there_too(
    far: float,
) -> None:
    matrix, w = np.array([[3.0, 1.0], [1.0, -1.0]]), np.array([far, 0.0])
    v = np.array([0.6, 0.8])
    found = product(quadratic(matrix, w), w, v)
    assert norm(found.vector - matrix @ v) <= found.error < 0.1


def test_a_smaller_step_is_remembered() -> None:
    calls: list[int] = []

    def gradient(points: Vector) -> Vector:
        calls.append(len(points))
        return np.sin(points / 1e-4) * 1e-4

    by = Differences(gradient, np.full(3, 0.2))
    first = len(calls)
    by.product(np.ones(3))
    assert by.share < 1
    assert len(calls) - first <= 2


def test_a_gradient_that_overflows_gives_no_product() -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        found = product(lambda points: points * np.inf, np.ones(2), np.ones(2))
    assert found.error == np.inf
    assert not found.vector.any()


def test_a_kink_at_the_point_itself_gives_no_small_error() -> None:
    found = product(np.sign, np.zeros(1), np.ones(1))
    assert found.error > abs(found.vector[0])


def test_noise_is_no_curvature() -> None:
    """In few dimensions two noisy quotients agree by chance, sooner or later."""
    false = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)

        def gradient(points: Vector, generator: np.random.Generator = generator) -> Vector:
            return 0.3 * points + 1e-3 * generator.standard_normal(points.shape)

        found = product(gradient, np.zeros(1), np.ones(1))
        false += abs(found.vector[0] - 0.3) > found.error
    assert false == 0


def test_the_hessian_of_a_cubic_is_within_its_error() -> None:
    w = np.array([0.3, -2.0, 1e3])
    found, error = hessian(lambda points: points**3, w)
    assert np.linalg.norm(found - np.diag(3 * w**2), 2) <= error <= 1e-3 * 3e6


# ----------------------------------------------------------------------------------------- noise


@pytest.mark.parametrize("sigma", [1e-12, 1e-8, 1e-3])
def test_the_noise_of_a_gradient_is_found(sigma: float) -> None:
    generator = np.random.default_rng(0)
    d = 50
    matrix, w = matrix_of(0, d), generator.standard_normal(d)
    found, _ = noise.of_gradient(
        lambda points: points @ matrix + sigma * generator.standard_normal(points.shape), w
    )
    assert sigma * np.sqrt(d) / 2 <= found <= 4 * sigma * np.sqrt(d)


def test_a_gradient_that_differs_from_call_to_call_is_noisy() -> None:
    """One draw a call, as a minibatch is: within a call nothing shows."""
    generator = np.random.default_rng(0)
    found, _ = noise.of_gradient(
        lambda points: points + generator.standard_normal(points.shape[1]), np.ones(20)
    )
    assert found > 1


def test_terms_that_cancel_show_in_products() -> None:
    large, small = matrix_of(0, 4) * 1e10, matrix_of(1, 4)

    def products(v: Vector) -> Vector:
        return v @ (large + small) / 3 * 3 - v @ large / 3 * 3

    wrong, _ = noise.of_products(products, 1, 4)
    assert wrong[0] > 1e-8
    assert noise.of_products(lambda v: v @ small, 1, 4)[0][0] < 1e-13


def test_products_in_float32_show_even_where_float64_goes_on() -> None:
    matrix = matrix_of(0, 30)

    def products(v: Vector) -> Vector:
        return (v.astype(np.float32) @ matrix.astype(np.float32)).astype(float) / 7 * 7

    wrong, share = noise.of_products(products, 1, 30)
    assert wrong[0] > 1e-8
    assert 1e-8 < share[0] < 1e-5


def test_numbers_that_fit_a_float32_come_from_one() -> None:
    numbers = np.array([0.1, 0.2])
    assert noise.precision(numbers) == np.finfo(float).eps
    assert noise.precision(numbers.astype(np.float32).astype(float)) == np.finfo(np.float32).eps
    assert noise.precision(np.zeros(2)) == np.finfo(float).eps
