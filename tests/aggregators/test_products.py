"""Sums of products by one triangle, and what is counted in them instead of sorted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators import NearestNeighborMixing
from saddleproof.aggregators.engine import gram as gram_module
from saddleproof.aggregators.engine import products
from saddleproof.aggregators.engine.gram import distances, gram
from saddleproof.aggregators.engine.products import summed
from saddleproof.aggregators.engine.row_blocks import middle

SEEDS = st.integers(0, 2**32 - 1)


def rows_of(seed: int, most: int) -> tuple[np.random.Generator, int]:
    rng = np.random.default_rng(seed)
    return rng, int(rng.integers(1, most + 1))


@given(SEEDS)
def test_the_sum_by_one_triangle_is_the_sum_of_whole_products(seed: int) -> None:
    rng, m = rows_of(seed, 40)
    blocks = [rng.standard_normal((m, int(h))) for h in rng.integers(1, 30, rng.integers(0, 4))]
    whole = summed(blocks, m)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "TRIANGLE_FROM", 1)
        found = summed(iter(blocks), m)
    np.testing.assert_array_equal(found, found.T)
    length = np.sqrt(np.diagonal(whole))
    assert (np.abs(found - whole) <= 1e-13 * length * length[:, None]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_spoils_its_own_products_only(bad: float) -> None:
    m = products.TRIANGLE_FROM
    x = np.random.default_rng(0).standard_normal((m, 300))
    x[7, 100] = bad
    others = np.delete(np.arange(m), 7)
    found = gram(x)
    np.testing.assert_array_equal(np.flatnonzero(~found.placed), [7])
    exact = ((x[others, None, :] - x[None, others[:3], :]) ** 2).sum(axis=2)
    np.testing.assert_allclose(distances(found.products)[np.ix_(others, others[:3])], exact, 1e-10)


def test_rows_in_blocks_of_uneven_width_have_the_distances_of_their_differences(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from saddleproof.aggregators.engine import row_blocks

    monkeypatch.setattr(row_blocks, "BUFFER", 2**10)
    m, d = products.TRIANGLE_FROM + 1, 2 * 257 + 3  # two blocks, and three columns
    x = np.random.default_rng(0).standard_normal((m, d)).astype(np.float32) + np.float32(1e4)
    exact = ((x[:4, None].astype(float) - x[None].astype(float)) ** 2).sum(axis=2)
    np.testing.assert_allclose(distances(gram(x).products)[:4], exact, rtol=1e-10)


@given(SEEDS)
def test_the_middle_is_the_upper_median_of_each_column_and_not_a_number_is_large(seed: int) -> None:
    rng, m = rows_of(seed, 9)
    block = rng.integers(-2, 3, (2, m, 4)).astype(float)
    block[rng.random(block.shape) < 0.1] = np.nan
    np.testing.assert_array_equal(middle(block), np.sort(block, axis=1)[:, m // 2])


@given(SEEDS)
def test_a_reference_is_far_where_it_is_far_from_the_lower_quartile_of_pairs(seed: int) -> None:
    rng, m = rows_of(seed, 12)
    x = rng.integers(-2, 3, (m, 3)) * 10.0 ** rng.integers(-4, 4)
    x[rng.random(m) < 0.2] = np.nan
    K = (x + rng.choice([0.0, 1e3, 1e4])) @ (x + rng.choice([0.0, 1e3])).T
    K = K + K.T
    pairs = np.sort(distances(K)[np.triu_indices(m, 1)])
    typical = np.sort(np.diagonal(K))[m // 2]
    far = m > 1 and typical > gram_module.FAR * pairs[(len(pairs) - 1) // 4]
    assert bool(gram_module._is_far(K)) == bool(far)


@given(SEEDS)
def test_the_nearest_rows_are_the_first_in_a_stable_order_ties_and_all(seed: int) -> None:
    rng, m = rows_of(seed, 13)
    b = int(rng.integers(0, (m - 1) // 2 + 1))
    x = rng.integers(0, 3, (m, 2)).astype(float)
    x[rng.random((m, 2)) < 0.05] = np.inf
    squared = distances(gram(x))
    np.fill_diagonal(squared, -1.0)
    nearest = np.argsort(squared, axis=1, kind="stable")[:, : m - b]
    expected = np.zeros((m, m))
    np.put_along_axis(expected, nearest, 1.0 / (m - b), axis=1)
    np.testing.assert_array_equal(NearestNeighborMixing().matrix(x, gram(x), b), expected)
