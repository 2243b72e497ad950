"""The geometric median is exact, says how it was found, and cannot be dragged away."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators.engine.gram import gram
from saddleproof.aggregators.geometric_median import GeometricMedian, weiszfeld
from saddleproof.aggregators.median_of_means import MedianOfMeans
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.testing import check_aggregator

MEDIAN = GeometricMedian()


def pull(x: np.ndarray, y: np.ndarray) -> tuple[float, int]:
    """Length of the sum of the unit vectors from y to the rows apart from it, and the others."""
    apart = np.linalg.norm(x - y, axis=1)
    away = apart > 1e-7 * np.median(apart) + 1e-12
    total = ((x - y)[away] / apart[away, None]).sum(axis=0)
    return float(np.linalg.norm(total)), int((~away).sum())


@pytest.mark.parametrize("m", [3, 10, 11])
def test_the_geometric_median_passes_the_suite(m: int) -> None:
    check_aggregator(MEDIAN, m=m, rotation=True)


@pytest.mark.parametrize("rule", [MedianOfMeans(), MedianOfMeans(batches=7)])
def test_the_median_of_means_passes_the_suite(rule: MedianOfMeans) -> None:
    check_aggregator(rule, m=11, rotation=True, ordered=True)


@given(
    seed=st.integers(0, 2**32),
    m=st.integers(1, 12),
    d=st.integers(1, 6),
    kind=st.sampled_from(["plain", "grid", "twins", "far", "very far", "line"]),
)
def test_the_unit_vectors_to_the_rows_cancel(seed: int, m: int, d: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((m, d))
    few = (m - 1) // 2
    match kind:
        case "grid":
            x = np.round(x)
        case "twins":
            x[: m // 3] = x[0]
        case "far":
            x[:few] *= 1e6
        case "very far":
            x[:few] *= 1e30
        case "line":
            x = x[:, :1] * np.ones(d)
    found = MEDIAN.estimate(x, 0)
    left, there = pull(x, found.vector)
    # Rows at 1e30 can slow the last digits down; the iteration then ends by its limit, and says so.
    assert left <= there + (1e-3 if kind == "very far" else 1e-6) * m
    assert kind == "very far" or found.termination in {"tolerance", "row"}


@given(seed=st.integers(0, 2**32), m=st.integers(1, 12))
def test_in_one_dimension_it_is_the_midpoint_median(seed: int, m: int) -> None:
    x = np.random.default_rng(seed).standard_normal((m, 1))
    np.testing.assert_allclose(MEDIAN(x, 0), np.median(x, axis=0), atol=1e-9)


def test_a_row_that_is_the_answer_is_found_without_a_step() -> None:
    star = np.array([[1.0, 0.0], [-1.0, 2.0], [-1.0, -2.0], [0.1, 0.0]])
    found = MEDIAN.estimate(star, 0)
    np.testing.assert_array_equal(found.vector, star[3])
    assert (found.termination, found.iterations) == ("row", 0)
    twice = np.concatenate([star, [star[0]] * 3])
    np.testing.assert_array_equal(MEDIAN(twice, 0), star[0])


def test_a_right_angle_by_hand() -> None:
    # Fermat's point of (0, 0), (1, 0), (0, 1) sees every side at 120 degrees: x = y = (3-sqrt 3)/6.
    corner = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(MEDIAN(corner, 1), np.full(2, (3 - np.sqrt(3)) / 6), rtol=1e-9)


def test_what_ended_the_iteration_is_said() -> None:
    x = np.random.default_rng(0).standard_normal((9, 4))
    one, batch = MEDIAN.estimate(x, 2), MEDIAN.estimates(np.stack([x, np.zeros_like(x)]), 2)
    assert one.termination == "tolerance"
    assert 0 < one.iterations < 100
    assert batch.termination == ("tolerance", "row")
    assert batch.iterations == (one.iterations, 0)
    cut = GeometricMedian(max_iterations=2).estimate(x, 2)
    assert (cut.termination, cut.iterations) == ("max_iterations", 2)
    assert np.linalg.norm(cut.vector - one.vector) < 0.5


def test_a_median_next_to_a_row_takes_few_steps() -> None:
    # Three rows at 0 just fail to hold the median there: plain Weiszfeld needs thousands of steps.
    x = np.array([[-2, -2], [1, 1], [0, 0], [1, 1], [1, 1], [0, 0], [-1, 1], [2, 1], [0, 0]])
    found = MEDIAN.estimate(x.astype(float), 0)
    assert found.iterations < 50
    assert pull(x, found.vector)[0] < 1e-9


def test_a_tolerance_means_what_it_says() -> None:
    x = np.random.default_rng(0).standard_normal((50, 3))
    for tolerance in (1e-2, 1e-5, 1e-8):
        left, _ = pull(x, GeometricMedian(tolerance=tolerance)(x, 0))
        assert left <= tolerance * len(x)


@given(seed=st.integers(0, 2**32), b=st.integers(1, 4), size=st.floats(0.1, 1e12))
def test_rows_within_a_ball_hold_it_there(seed: int, b: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    m, d = 9, 3
    honest = rng.standard_normal((m - b, d))
    r = np.linalg.norm(honest, axis=1).max()
    x = np.concatenate([size * rng.standard_normal((1, d)) * np.ones((b, 1)), honest])
    a = b / m
    assert np.linalg.norm(MEDIAN(x, b)) <= r * (1 - a) / np.sqrt(1 - 2 * a)  # Minsker 2015


def test_sign_flipped_gradients_leave_it_near_the_honest_mean() -> None:
    rng = np.random.default_rng(0)
    honest = 100.0 + rng.standard_normal((14, 1000))
    x = np.concatenate([-honest[:6], honest])
    spread = np.linalg.norm(honest - honest.mean(axis=0), axis=1).mean()
    assert np.linalg.norm(MEDIAN(x, 6) - honest.mean(axis=0)) < 0.6 * spread


@pytest.mark.parametrize("size", [1e3, 1e30, 1e200, np.inf, np.nan])
def test_the_iteration_ends_whatever_a_row_holds(size: float) -> None:
    x = np.random.default_rng(0).standard_normal((9, 4))
    x[0] = size
    found = MEDIAN.estimate(x, 1)
    assert found.termination == "tolerance"
    assert found.iterations < 200
    assert np.isfinite(found.vector).all()


def test_ten_spreads_of_offset_or_ten_thousand_give_the_same_weights() -> None:
    x = np.random.default_rng(0).standard_normal((20, 500)).astype(np.float32)
    for offset in (10.0, 1e4):
        moved = x + np.float32(offset)
        expected = weiszfeld(gram(moved.astype(np.float64) - offset)).weights
        np.testing.assert_allclose(weiszfeld(gram(moved)).weights, expected, rtol=1e-9)


# --- median of means ----------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32), m=st.integers(1, 12))
def test_as_many_batches_as_rows_are_the_geometric_median(seed: int, m: int) -> None:
    x = np.random.default_rng(seed).standard_normal((m, 3))
    np.testing.assert_allclose(MedianOfMeans(batches=m)(x, 0), MEDIAN(x, 0), atol=1e-9)
    np.testing.assert_allclose(MedianOfMeans(batches=1)(x, 0), x.mean(axis=0), atol=1e-12)


def test_three_batches_a_liar_unless_told_otherwise() -> None:
    x = np.random.default_rng(0).standard_normal((20, 3))
    means = np.stack([batch.mean(axis=0) for batch in np.array_split(x, 9)])
    np.testing.assert_allclose(MedianOfMeans()(x, 3), MEDIAN(means, 0), atol=1e-9)
    np.testing.assert_allclose(MedianOfMeans()(x, 0), x.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(MedianOfMeans()(x, 8), MEDIAN(x, 0), atol=1e-9)


def test_three_batches_a_liar_are_the_best_of_minskers_bound() -> None:
    b = 10
    k = np.arange(2 * b + 1, 10 * b)
    bound = np.sqrt(k) * (1 - b / k) / np.sqrt(1 - 2 * b / k)
    assert k[np.argmin(bound)] == 3 * b


def test_fewer_batches_average_more_noise_away() -> None:
    few, many = [], []
    for seed in range(50):
        x = np.random.default_rng(seed).standard_normal((30, 20))
        x[0] = 50.0
        few.append(np.linalg.norm(MedianOfMeans()(x, 1)))
        x[:10] = 50.0
        many.append(np.linalg.norm(MedianOfMeans()(x, 10)))
    assert np.mean(few) < 0.8 * np.mean(many)


def test_too_few_batches_are_refused() -> None:
    with pytest.raises(BreakdownError, match="needs more than 2b batches; got m=9, b=2"):
        MedianOfMeans(batches=4)(np.zeros((9, 1)), b=2)
    with pytest.raises(OptionError, match="batches >= 1; got 0"):
        MedianOfMeans(batches=0)
