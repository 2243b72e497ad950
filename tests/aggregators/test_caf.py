"""The covariance bound-agnostic filter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators import CAF, IterativeFiltering
from saddleproof.testing import check_aggregator


def definition(x: np.ndarray, b: int, *, of_all: bool = False) -> np.ndarray:
    """Algorithm 2 of the paper from covariance matrices, step by step.

    `of_all` takes the largest tau of all rows, those without weight among them.
    """
    c, best, least = np.ones(len(x)), x.mean(axis=0), np.inf
    while c.sum() > len(x) - 2 * b:
        mean = c @ x / c.sum()
        apart = x - mean
        values, vectors = np.linalg.eigh((apart.T * c) @ apart / c.sum())
        if values[-1] < least:
            best, least = mean, values[-1]
        tau = (apart @ vectors[:, -1]) ** 2
        inside = tau if of_all else np.where(c > 0, tau, 0.0)
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
    # About the mean 10/3: tau = 100, 49, 289 ninths, so c = 189/289, 240/289, 0, and the mean is
    # 240/429. About it: c = 0, 0.31, 0, and the sum is less than m - 2b = 1.
    x = np.array([[0.0], [1.0], [9.0]])
    np.testing.assert_allclose(CAF()(x, b=1), 240 / 429)
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


def test_byzfl_differs_in_the_rows_of_which_the_largest_score_is_taken() -> None:
    byzfl = pytest.importorskip("byzfl")
    for seed in range(30):  # in one dimension there is one direction, and its power method is exact
        x = np.random.default_rng(seed).standard_normal((9, 1))
        x[:2] += 5.0
        np.testing.assert_allclose(byzfl.CAF(3)(x.copy()), definition(x, 3, of_all=True))
        np.testing.assert_allclose(CAF()(x, 3), definition(x, 3))
