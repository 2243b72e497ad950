"""Sums are exact but for the last rounding, on both ways, against exact references."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saddleproof.aggregators import Mean, Median, TrimmedMean
from saddleproof.aggregators.engine import kernels
from saddleproof.aggregators.mean_around_median import MeanAroundMedian

COLUMNS = 1000  # not a multiple of the kernel's block
#: Normal; far from zero; and so that the sum nearly cancels.
DATA = ("normal", "offset", "cancelling")


def messages(kind: str, m: int, d: int, dtype: type) -> np.ndarray:
    x = np.random.default_rng([m, d]).standard_normal((m, d))
    if kind == "offset":
        x += 1e4
    if kind == "cancelling":
        x[m // 2 :] = -x[: m - m // 2] * (1 + 1e-7)
        x *= 1e3
    return x.astype(dtype)


def ulps(found: np.ndarray, exact: np.ndarray) -> float:
    """Largest error in units of the last place of the exact answer, in the dtype of `found`."""
    unit = np.spacing(np.abs(exact).astype(found.dtype)).astype(float)
    return float(np.max(np.abs(found.astype(float) - exact) / unit))


def nearest(column: list[float], b: int) -> list[float]:
    """The m - b values nearest to the median, in exact arithmetic; the lower one on a tie."""
    values = sorted(map(Fraction, column))
    median = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
    order = sorted(values, key=lambda value: (abs(value - median), value))
    return list(map(float, order[: len(values) - b]))


@pytest.fixture(params=["sort", "kernel"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "SMALL", 0 if request.param == "kernel" else 10**9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("m", [23, 40])
def test_means_are_within_two_ulp(m: int, kind: str, dtype: type) -> None:
    x, b = messages(kind, m, COLUMNS, dtype), m // 4
    columns = np.sort(x.astype(float), axis=0).T.tolist()
    trimmed = np.array([math.fsum(c[b : m - b]) / (m - 2 * b) for c in columns])
    assert ulps(TrimmedMean()(x, b), trimmed) <= 2
    assert ulps(Mean()(x, b), np.array([math.fsum(c) / m for c in columns])) <= 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", DATA)
def test_the_mean_around_the_median_is_within_two_ulp(kind: str, dtype: type) -> None:
    m, b = 23, 7
    x = messages(kind, m, COLUMNS, dtype)
    exact = np.array([math.fsum(nearest(c, b)) / (m - b) for c in x.T.tolist()])
    assert ulps(MeanAroundMedian()(x, b), exact) <= 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays(np.float64, (7, 3), elements=st.floats(-8, 8, width=16)))
def test_which_values_are_nearest_is_decided_exactly(x: np.ndarray) -> None:
    # Numbers this short make ties, and near ties that rounded differences would call ties.
    x = x + np.array([0.0, 1e-13, 2.0**40])
    exact = [math.fsum(nearest(c, 2)) / 5 for c in x.T.tolist()]
    np.testing.assert_allclose(MeanAroundMedian()(x, 2), exact, rtol=3e-16, atol=1e-300)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("m", [20, 21])
def test_the_median_is_numpys_to_the_bit_near_the_ends_of_the_range(m: int, dtype: type) -> None:
    tiny, huge = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    rng = np.random.default_rng(m)
    scale = rng.choice([tiny, 1.0, huge / 16], COLUMNS).astype(dtype)
    x = rng.integers(-9, 10, (m, COLUMNS)).astype(dtype) * scale
    x[x == 0] = 0  # one zero only: which of -0 and 0 is in the middle is nobody's to say
    np.testing.assert_array_equal(Median()(x, 3), np.median(x, axis=0))
