"""Bulyan: what passes Krum's selection is averaged where most of it agrees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators.bulyan import Bulyan, selection
from saddleproof.aggregators.engine.gram import gram
from saddleproof.aggregators.krum import Krum
from saddleproof.errors import BreakdownError
from saddleproof.testing import check_aggregator


def definition(x: np.ndarray, b: int) -> np.ndarray:
    """Both steps, as El Mhamdi et al. write them."""
    left, chosen = list(range(len(x))), []
    while len(chosen) < len(x) - 2 * b:
        neighbours = max(len(left) - b - 2, 1)
        sums = [tuple(np.sort([((x[i] - x[j]) ** 2).sum() for j in left if j != i])) for i in left]
        best = min(range(len(left)), key=lambda k: (sum(sums[k][:neighbours]), sums[k]))
        chosen.append(left.pop(best))
    chosen_rows = x[chosen]
    distance = np.abs(chosen_rows - np.median(chosen_rows, axis=0))
    nearest = np.argsort(distance, axis=0)[: len(x) - 4 * b]
    return np.take_along_axis(chosen_rows, nearest, axis=0).mean(axis=0)


@pytest.mark.parametrize("m", [7, 10, 11, 15])
def test_bulyan_passes_the_suite(m: int) -> None:
    check_aggregator(Bulyan(), m=m)


@given(seed=st.integers(0, 2**32), m=st.integers(3, 15), data=st.data())
def test_bulyan_is_its_definition(seed: int, m: int, data: st.DataObject) -> None:
    b = data.draw(st.integers(0, Bulyan().breakdown(m)))
    x = np.random.default_rng(seed).standard_normal((m, 4))
    np.testing.assert_allclose(Bulyan()(x, b), definition(x, b), atol=1e-12)


def test_krum_chooses_first() -> None:
    x = np.random.default_rng(0).standard_normal((15, 4))
    first = selection(gram(x), 3)[0]
    np.testing.assert_array_equal(Krum()(x, 3), x[first])


@given(seed=st.integers(0, 2**32), size=st.sampled_from([2.0, 1e3, 1e30, np.inf, np.nan]))
def test_no_coordinate_leaves_the_honest_range_by_more_than_it_is_wide(
    seed: int, size: float
) -> None:
    rng = np.random.default_rng(seed)
    honest = rng.standard_normal((12, 6))
    lies = honest[:3].copy()
    lies[:, rng.integers(6)] += size
    found = Bulyan()(np.concatenate([lies, honest]), 3)
    low, high = honest.min(axis=0), honest.max(axis=0)
    # A lie can be among the middle values only if an honest value is as far from the median.
    reach = high - low if size == 2.0 else 0.0
    assert (low - reach <= found).all()
    assert (found <= high + reach).all()


def test_a_huge_coordinate_that_passes_krum_does_not_pass_bulyan() -> None:
    # In d = 10,000 a single coordinate off by 20 spreads hardly changes a distance.
    rng = np.random.default_rng(0)
    x = rng.standard_normal((23, 10_000))
    lie = 0.8 * x[5:].mean(axis=0)
    lie[0] = 20.0
    x[:5] = lie
    assert Krum()(x, 5)[0] == 20.0
    assert abs(Bulyan()(x, 5)[0]) < 1.0


def test_without_liars_bulyan_is_the_mean() -> None:
    x = np.random.default_rng(0).standard_normal((9, 4))
    np.testing.assert_allclose(Bulyan()(x, b=0), x.mean(axis=0), atol=1e-12)


def test_kept_rows_are_those_in_the_middle() -> None:
    x = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0], [1e9]])
    found = Bulyan().estimate(x, b=1)  # 0, ..., 5 less one are chosen, and 3 of them averaged
    assert not found.kept[6]
    assert found.kept.sum() == 3


def test_fewer_than_four_b_and_three_workers_are_refused() -> None:
    with pytest.raises(BreakdownError, match=r"Bulyan needs m >= 4b \+ 3; got m=10, b=2"):
        Bulyan()(np.zeros((10, 1)), b=2)
    Bulyan()(np.zeros((11, 1)), b=2)


def test_a_thousand_workers_are_no_trouble() -> None:
    x = np.random.default_rng(0).standard_normal((400, 5))
    x[:99] = 1e9
    assert np.linalg.norm(Bulyan()(x, 99)) < 0.5
