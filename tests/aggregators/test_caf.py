"""The covariance bound-agnostic filter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators import CAF, IterativeFiltering
from saddleproof.testing import check_aggregator


def definition(x: np.ndarray, b: int) -> np.ndarray:
    """Algorithm 2 of the paper from covariance matrices, step by step."""
    c, best, least = np.ones(len(x)), x.mean(axis=0), np.inf
    while c.sum() > len(x) - 2 * b:
        mean = c @ x / c.sum()
        apart = x - mean
        values, vectors = np.linalg.eigh((apart.T * c) @ apart / c.sum())
        if values[-1] < least:
            best, least = mean, values[-1]
        tau = (apart @ vectors[:, -1]) ** 2
        inside = np.where(c > 0, tau, 0.0)
        c = c * (1 - inside / inside.max())
    return best


@pytest.mark.parametrize("m", [3, 10, 11])
def test_caf_passes_the_suite(m: int) -> None:
    check_aggregator(CAF(), m=m, rotation=True)


@given(st.integers(0, 2**32), st.integers(3, 15), st.sampled_from([1.0, 5.0, 1e4]), st.data())
def test_caf_is_its_definition(seed: int, m: int, size: float, data: st.DataObject) -> None:
    b = data.draw(st.integers(0, (m - 1) // 2))
    x = np.random.default_rng(seed).standard_normal((m, 3))
    x[:b] *= size
    np.testing.assert_allclose(CAF()(x, b), definition(x, b), atol=1e-7)


def test_by_hand() -> None:
    # About the mean 4: tau = 16, 9, 25 of at most 25, so c = 9/25, 16/25, 0; then the mean is
    # 16/25 and the variance (9/25)(16/25); c still sums to 1 = m - 2b, so the filter ends first.
    x = np.array([[0.0], [1.0], [9.0]])
    np.testing.assert_allclose(CAF()(x, b=1), 10 / 3)
    # About 1/2 of four rows: the far row leaves, the others keep most of their weight.
    x = np.array([[0.0], [0.0], [1.0], [1.0], [-40.0]])
    found = CAF().estimate(x, b=1)
    np.testing.assert_array_equal(found.kept, [True, True, True, True, False])


def test_the_filter_holds_what_iterative_filtering_must_refuse() -> None:
    rng = np.random.default_rng(0)
    for m in (7, 12, 20, 41):
        b = (m - 1) // 2
        assert IterativeFiltering().breakdown(m) < b == CAF().breakdown(m)
        x = rng.standard_normal((m, 6))
        for lie in (1e2, 1e9, 1e150):
            x[:b] = lie
            found = CAF().estimate(x, b)
            assert not found.kept[:b].any()
            assert np.linalg.norm(found.vector) < 4.0


def test_without_liars_the_filter_is_the_mean() -> None:
    x = np.random.default_rng(0).standard_normal((9, 4))
    np.testing.assert_allclose(CAF()(x, b=0), x.mean(axis=0))


def test_rows_that_are_not_finite_have_no_weight() -> None:
    x = np.random.default_rng(0).standard_normal((9, 4))
    x[0], x[1, 2] = np.nan, np.inf
    found = CAF().estimate(x, b=3)
    assert np.isfinite(found.vector).all()
    assert not found.kept[:2].any()


def test_byzfl_agrees_where_its_power_method_is_exact() -> None:
    byzfl = pytest.importorskip("byzfl")
    for seed in range(30):  # in one dimension there is one direction
        x = np.random.default_rng(seed).standard_normal((9, 1))
        x[:2] += 5.0
        np.testing.assert_allclose(CAF()(x, 3), byzfl.CAF(3)(x.copy()))
